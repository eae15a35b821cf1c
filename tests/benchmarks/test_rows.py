"""Every row runs at the least size and yields its figures; how fast it is, only ``make bench`` says."""

from __future__ import annotations

import pytest
from benchmarks.bench import Bench
from benchmarks.pages import page
from benchmarks.result import Machine, Results
from benchmarks.rows.every import ROWS
from benchmarks.sizes import TINY

#: The rows that stand beside a baseline.
COMPARED = {
    "append-sqlite",
    "append-postgres",
    "append-writers",
    "command",
    "import",
    "relay",
    "project",
    "rebuild",
    "restore",
    "verify",
}
#: The rows that say how cost grows with the log.
GROWING = {"rebuild", "restore", "verify", "replay", "grow"}
NOWHERE = Machine(processor="one", cores=1, memory_gb=1.0, system="none", versions={}, settings={})


@pytest.mark.parametrize("name", ROWS)
def test_a_row_yields_its_figures_beside_its_baseline(name: str, bench: Bench) -> None:
    found = ROWS[name](bench)

    assert found.row == name
    assert found.events > 0
    assert found.ours is not None
    assert 0 < found.ours.low <= found.ours.median <= found.ours.high
    if name in COMPARED:
        assert found.baseline
        assert found.bare is not None
        assert found.bare.median > 0
        assert found.ratio is not None
        assert found.ratio.median > 0
        assert found.shares, "a missed goal is to be explained by where the time goes"
        assert abs(sum(share.share for share in found.shares) - 1) < 0.2
    if name in GROWING:
        sizes = {figure.size for figure in found.figures}
        assert sizes == set(TINY.ladder)
        assert all(figure.value > 0 for figure in found.figures)
    shown = page(Results(machine=NOWHERE, rows=(found,)))
    assert found.work in shown
    for goal in found.goals:
        assert goal.found in shown
