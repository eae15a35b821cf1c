"""The figures in ``docs/scale.md``: what stands between its markers is reckoned from ``results.json``.

Nothing in that page that could drift is written by hand: ``make bench`` writes the blocks, and a test fails while page
and figures differ. ``python -m benchmarks.scale`` writes them again without measuring.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import ceil
from pathlib import Path

import msgspec

from benchmarks.result import Result, Results, shown
from benchmarks.servers import ROOT

PAGE = ROOT / "docs" / "scale.md"
RESULTS = ROOT / "benchmarks" / "results.json"

#: Hours of a month in which people record: 22 days of nine hours.
WORKING_HOURS = 22 * 9
#: How much more than the average of those hours the busiest moments bring.
PEAK = 5
#: The part of a measured rate that is planned with; the rest is for catching up, and for a slower day.
PLANNED = 0.5
REPLICAS = 3
FEWEST_PARTITIONS = 6

_BLOCK = re.compile(r"<!-- figures: (?P<name>\w+) -->\n.*?<!-- end -->", re.DOTALL)


class Load(msgspec.Struct, frozen=True):
    """Who records how much in a month."""

    who: str
    events: float

    @property
    def average(self) -> float:
        """Events a second over the working hours."""
        return self.events / (WORKING_HOURS * 3600)

    @property
    def peak(self) -> float:
        """Events a second at the busiest moments."""
        return self.average * PEAK


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """What the benchmarks found, in events a second, and what an event takes on the disk, in bytes."""

    commands: float
    append: float
    relay: float
    project: float
    rebuild: float
    restore: float
    verify: float
    imported: float
    record_bytes: float
    views_bytes: float
    topic_bytes: float
    client_month: float
    cores: int

    @classmethod
    def of(cls, results: Results) -> Rates:
        """Read them from the rows; raises KeyError naming one that has not been measured."""
        grow = results.row("grow")
        return cls(
            commands=_rate(results.row("command")),
            append=_rate(results.row("append-writers")),
            relay=_rate(results.row("relay")),
            project=_rate(results.row("project")),
            rebuild=_rate(results.row("rebuild")),
            restore=_rate(results.row("restore")),
            verify=_rate(results.row("verify")),
            imported=_rate(results.row("import")),
            record_bytes=_largest(grow, "the record on disk"),
            views_bytes=_largest(grow, "the views on disk"),
            topic_bytes=_largest(grow, "the topic on disk, one replica"),
            client_month=_named(grow, "events_of_a_client_in_a_month"),
            cores=results.machine.cores,
        )


def _rate(row: Result) -> float:
    if row.ours is None:
        raise KeyError(row.row)
    return row.ours.median


def _named(row: Result, name: str) -> float:
    if name not in row.data:
        raise KeyError(f"{row.row} has not told its {name}; run: make bench ROWS={row.row}")
    return row.data[name]


def _largest(row: Result, what: str) -> float:
    found = max((figure for figure in row.figures if figure.what == what), key=lambda figure: figure.size, default=None)
    if found is None:
        raise KeyError(f"{row.row} has no figure {what!r}; run: make bench ROWS='restore grow'")
    return found.value


def loads(rates: Rates) -> tuple[Load, ...]:
    """The three that the page is about."""
    return (
        Load("an agency of 1,000 clients", 1000 * rates.client_month),
        Load("a county", 10_000_000),
        Load("a state of 20 such counties", 200_000_000),
    )


def _source(results: Results, _: Rates) -> str:
    m = results.machine
    rows = [row.row for row in results.rows if row.mode != "full"]
    times = sorted(row.measured_at for row in results.rows)
    small = f" Of small sizes, so a direction and no promise: {', '.join(rows)}." if rows else ""
    return (
        f"All rates are from [RESULTS.md](../benchmarks/RESULTS.md), measured {times[-1]} on one machine with "
        f"{m.cores} cores and {m.memory_gb:.0f} GB that ran servers, clients and the ledger together.{small}"
    )


def _loads(_: Results, rates: Rates) -> str:
    rows = [[each.who, f"{each.events:,.0f}", f"{shown(each.average)}", f"{shown(each.peak)}"] for each in loads(rates)]
    return _table(["who", "events a month", "a second, working hours", "a second, at the peak"], rows)


def _limits(results: Results, rates: Rates) -> str:
    visible = results.row("visible").data
    parts = [
        ("commands (load, decide, append), 8 clients", rates.commands),
        ("append, 8 writers, places included", rates.append),
        ("import of bundles, one process", rates.imported),
        ("relay, the one that is active", rates.relay),
        ("projecting all views, one projector", rates.project),
    ]
    rows = [
        [name, f"{rate:,.0f}", f"{rate * PLANNED:,.0f}", _millions(rate * PLANNED / PEAK * WORKING_HOURS * 3600)]
        for name, rate in parts
    ]
    seen = (
        f"At {visible['rate']:,.0f} commands a second an event was visible after {visible['p50_ms']:,.0f} ms (median) "
        f"and {visible['p99_ms']:,.0f} ms (99 of 100)."
    )
    head = ["part", "events/s measured", f"planned with ({PLANNED:.0%})", "carries, events a month"]
    return f"{_table(head, rows)}\n\n{seen}"


def _needs(_: Results, rates: Rates) -> str:
    found = loads(rates)
    per_core = rates.commands / rates.cores
    topics = rates.topic_bytes * REPLICAS

    def row(name: str, needed: Callable[[Load], str]) -> list[str]:
        return [name, *(needed(load) for load in found)]

    rows = [
        row("cores for commands", lambda load: f"{_whole(load.peak / (per_core * PLANNED)):,}"),
        row("stores (a log, a primary, an active relay each)", lambda load: f"{_stores(rates, load):,}"),
        row("projector processes", lambda load: f"{_projectors(rates, load):,}"),
        row("partitions of each topic", lambda load: f"{_partitions(rates, load):,}"),
        row("the record, a year", lambda load: _bytes(12 * load.events * rates.record_bytes)),
        row("the views, of a year", lambda load: _bytes(12 * load.events * rates.views_bytes)),
        row(
            f"the topics, a year, {REPLICAS} replicas",
            lambda load: _bytes(12 * load.events * topics),
        ),
    ]
    return _table(["needed", *(load.who for load in found)], rows)


def _stores(rates: Rates, load: Load) -> int:
    return _whole(load.peak / (min(rates.append, rates.relay) * PLANNED))


def _projectors(rates: Rates, load: Load) -> int:
    return _whole(load.peak / (rates.project * PLANNED))


def _partitions(rates: Rates, load: Load) -> int:
    """Twice as many as projectors of one store, so that more can be added, in steps that divide well."""
    needed = 2 * ceil(_projectors(rates, load) / _stores(rates, load))
    return FEWEST_PARTITIONS * _whole(needed / FEWEST_PARTITIONS)


def _hours(_: Results, rates: Rates) -> str:
    found = loads(rates)
    rows = [
        [name, *(_time(12 * load.events / _stores(rates, load) / rate) for load in found)]
        for name, rate in (
            ("rebuild of all views, one process", rates.rebuild),
            ("restore from the topic, one process", rates.restore),
            ("verify, one process", rates.verify),
        )
    ]
    return _table(["a year's log of one store", *(load.who for load in found)], rows)


def _replay(results: Results, _: Rates) -> str:
    figures = [figure for figure in results.row("replay").figures if figure.what == "replay of a chart, median"]
    listed = ", ".join(f"{figure.value:.1f} ms beside {figure.size:,}" for figure in figures)
    return f"Replaying one chart took (median): {listed} events of others."


BLOCKS: dict[str, Callable[[Results, Rates], str]] = {
    "source": _source,
    "loads": _loads,
    "limits": _limits,
    "needs": _needs,
    "hours": _hours,
    "replay": _replay,
}


def _whole(number: float) -> int:
    return max(1, ceil(number))


def _millions(number: float) -> str:
    return f"{shown(number / 1e6)} million"


def _bytes(number: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if number >= size:
            return f"{shown(number / size)} {unit}"
    return f"{shown(number / 1e6)} MB"


def _time(seconds: float) -> str:
    for unit, size in (("days", 86_400 * 2), ("hours", 3600 * 2), ("minutes", 120)):
        if seconds >= size:
            return f"{shown(seconds / {'days': 86_400, 'hours': 3600, 'minutes': 60}[unit])} {unit}"
    return f"{seconds:.0f} s"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def rewritten(page: str, results: Results) -> str:
    """The page with every block reckoned again; a block that nobody knows raises KeyError."""
    rates = Rates.of(results)

    def again(found: re.Match[str]) -> str:
        name = found["name"]
        return f"<!-- figures: {name} -->\n{BLOCKS[name](results, rates)}\n<!-- end -->"

    return _BLOCK.sub(again, page)


def read_results(file: Path = RESULTS) -> Results:
    """The figures that were kept."""
    return msgspec.json.decode(file.read_bytes(), type=Results)


def write_scale(results: Results) -> None:
    """Write the page's figures anew."""
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")


if __name__ == "__main__":
    write_scale(read_results())
