"""Replaying one chart, beside ever more events of others."""

from __future__ import annotations

import time

from benchmarks.bench import Bench, Filled
from benchmarks.measure import Spread, percentile
from benchmarks.result import Figure, Goal, Result, below
from ledger.application.commands import Ledger
from ledger.application.reading import open_charts
from ledger.grants import Grant
from ledger.replay.chart import chart_as_known

#: How much more the median may be beside all the others than beside the fewest, and still be called the same.
NOISE = 1.25


def replay(bench: Bench) -> Result:
    """Every event of the chart read, checked against its leaf hash and folded; the stores take turns."""
    stores = [bench.filled(size) for size in bench.sizes.ladder]
    grants = [_grant(filled) for filled in stores]
    taken: list[list[float]] = [[] for _ in stores]
    for number in range(bench.sizes.replays + 3):
        for filled, grant, seconds in zip(stores, grants, taken, strict=True):
            began = time.perf_counter()
            chart_as_known(filled.recorder, grant, filled.chart)
            if number >= 3:  # the first ones prepare statements
                seconds.append((time.perf_counter() - began) * 1000)
    figures = []
    medians = []
    for size, milliseconds in zip(bench.sizes.ladder, taken, strict=True):
        medians.append(percentile(milliseconds, 0.5))
        figures.append(Figure(what="replay of a chart, median", unit="ms", size=size, value=medians[-1]))
        figures.append(
            Figure(what="replay of a chart, 99 of 100", unit="ms", size=size, value=percentile(milliseconds, 0.99))
        )
    grown = medians[-1] / medians[0]
    last = bench.sizes.ladder[-1]
    return Result(
        row="replay",
        work=f"replay of one chart ({bench.agencies.chart_events} events) beside {_listed(bench.sizes.ladder)} others",
        unit="ms",
        ours=Spread(median=medians[-1], low=min(taken[-1]), high=max(taken[-1])),
        events=bench.agencies.chart_events,
        repeats=bench.sizes.replays,
        goals=(
            below(percentile(taken[-1], 0.99), 20, " ms", "99 of 100"),
            Goal(
                wanted=f"the same within noise (median × {NOISE} at most)",
                found=f"{medians[-1]:.1f} ms beside {last:,}, × {grown:.2f}",
                met=grown <= NOISE,
            ),
        ),
        shares=bench.profile("replay", lambda: _again(stores[-1], grants[-1], 20)),
        limit="Python that checks and folds each event of the chart",
        notes=("the access event that every reader appends first is a command, and is counted with those",),
        figures=tuple(figures),
    )


def _again(filled: Filled, grant: Grant, times: int) -> None:
    for _ in range(times):
        chart_as_known(filled.recorder, grant, filled.chart)


def _grant(filled: Filled) -> Grant:
    ledger = Ledger(filled.recorder)
    return open_charts(
        ledger, [filled.chart], reader="system:benchmark", purpose="operations", surface="cli", resource="chart"
    )


def _listed(sizes: tuple[int, ...]) -> str:
    return " / ".join(f"{size:,}" for size in sizes)
