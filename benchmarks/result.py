"""What a row found, as it is kept in ``results.json`` and shown in ``RESULTS.md``."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from benchmarks.measure import Comparison, Share, Spread


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be reached, and whether it was."""

    wanted: str
    found: str
    met: bool


def at_least(value: float, wanted: float, unit: str = "") -> Goal:
    """A goal that a value is to reach."""
    return Goal(wanted=f"≥ {shown(wanted)}{unit}", found=f"{shown(value)}{unit}", met=value >= wanted)


def below(value: float, wanted: float, unit: str, what: str = "") -> Goal:
    """A goal that a value is to stay under."""
    name = f"{what} " if what else ""
    return Goal(wanted=f"{name}< {shown(wanted)}{unit}", found=f"{shown(value)}{unit}", met=value < wanted)


def shown(value: float) -> str:
    """A figure with as many digits as say something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of how a cost grows: at so many events in the log."""

    what: str
    unit: str
    size: int
    value: float


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    row: str
    work: str
    baseline: str = ""
    ours: Spread | None = None
    bare: Spread | None = None
    ratio: Spread | None = None
    unit: str = "events/s"
    #: Events in one repeat, and how many repeats there were.
    events: int = 0
    repeats: int = 1
    goals: tuple[Goal, ...] = ()
    #: Every way to do the baseline that was tried, with its rate.
    tried: dict[str, float] = {}
    #: Where the time of our side goes, by a profile of a run that is not counted.
    shares: tuple[Share, ...] = ()
    #: Where the time goes, said in words; and what else is to be known.
    limit: str = ""
    notes: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    #: What other pages reckon with, by name.
    data: dict[str, float] = {}
    measured_at: str = ""
    mode: str = ""

    @property
    def met(self) -> bool:
        return all(goal.met for goal in self.goals)


def compared(comparison: Comparison, row: str, work: str, goal: float, **more: object) -> Result:
    """The result of a row that is held to a ratio."""
    result = Result(
        row=row,
        work=work,
        baseline=comparison.best,
        ours=comparison.ours,
        bare=comparison.bare,
        ratio=comparison.ratio,
        goals=(at_least(comparison.ratio.median, goal),),
        tried=comparison.tried,
        repeats=comparison.pairs,
        data={"cpu_us": comparison.cpu, "bare_cpu_us": comparison.bare_cpu} if comparison.cpu else {},
    )
    return msgspec.structs.replace(result, **more)


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What it was measured on."""

    processor: str
    cores: int
    memory_gb: float
    system: str
    versions: dict[str, str]
    settings: dict[str, str]


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """Everything in ``results.json``: the rows in their order."""

    machine: Machine
    rows: tuple[Result, ...]

    def row(self, name: str) -> Result:
        """One row; raises KeyError when it has not been measured."""
        found = next((each for each in self.rows if each.row == name), None)
        if found is None:
            raise KeyError(f"{name} has not been measured; run: make bench ROWS={name}")
        return found


def now_text() -> str:
    """The time of a measurement."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
