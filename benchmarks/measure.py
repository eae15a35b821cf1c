"""Measuring: a piece of work beside its baseline, in turn, and what its time goes to.

Both sides run on the same servers in the same run, the first of a pair alternating, so that whatever else the machine
does meets both. A rate is the median of its repeats; a ratio is the median of the pairs' ratios.
"""

from __future__ import annotations

import cProfile
import pstats
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import NamedTuple

import msgspec


class Timed(NamedTuple):
    """So many events in so many seconds of the wall clock; ``cpu`` is the seconds of processor our own code took."""

    events: int
    seconds: float
    cpu: float = 0.0

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds


Work = Callable[[], Timed]


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """The median of some repeats, with the least and the greatest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(median=statistics.median(values), low=min(values), high=max(values))


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """The part of the time that was spent in one library, or waiting."""

    where: str
    share: float


@dataclass(frozen=True)
class Comparison:
    """A piece of work and the fastest of its baselines, in pairs."""

    ours: Spread
    bare: Spread
    ratio: Spread
    #: Processor time of our process in microseconds for each event (the servers' is not in it); 0 if not measured.
    cpu: float
    #: The same of the baseline's process.
    bare_cpu: float
    best: str
    #: Every way to do the baseline that was tried, with its rate: the fastest of them is the baseline.
    tried: dict[str, float]
    pairs: int


def compare(ours: Work, ways: Mapping[str, Work], repeats: int) -> Comparison:
    """Try each way to do the baseline twice, take the fastest, and run it and our work in turn.

    With one way there is nothing to try, and the pairs are all that is run.
    """
    tried: dict[str, float] = {}
    best = next(iter(ways))
    if len(ways) > 1:
        tried = {name: way().rate for name, way in ways.items()}
        tried = {name: max(tried[name], way().rate) for name, way in ways.items()}
        best = max(tried, key=lambda name: tried[name])
        ours()  # what is only done once, like compiling statements, is done now
    pairs: list[tuple[Timed, Timed]] = []
    for number in range(repeats):
        if number % 2:
            bare = ways[best]()
            pairs.append((ours(), bare))
        else:
            mine = ours()
            pairs.append((mine, ways[best]()))
    return Comparison(
        ours=Spread.of([mine.rate for mine, _ in pairs]),
        bare=Spread.of([bare.rate for _, bare in pairs]),
        ratio=Spread.of([mine.rate / bare.rate for mine, bare in pairs]),
        cpu=statistics.median(mine.cpu / mine.events for mine, _ in pairs) * 1e6,
        bare_cpu=statistics.median(bare.cpu / bare.events for _, bare in pairs) * 1e6,
        best=best,
        tried=tried,
        pairs=len(pairs),
    )


class Stopwatch:
    """Seconds of the wall clock, and of this process's processor time, counted only while it runs."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cpu = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        began, used = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - began
            self.cpu += time.process_time() - used

    def timed(self, events: int) -> Timed:
        """So many events in what was counted."""
        return Timed(events, self.seconds, self.cpu)


def percentile(values: Sequence[float], part: float) -> float:
    """The value that this part of them does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, ceil(part * len(ordered)) - 1)]


def profiled(work: Callable[[], object], keep: Path | None = None) -> tuple[Share, ...]:
    """Run the work once under cProfile; what each library took of the time, the greatest first.

    The profile slows Python code more than C, so a share is a direction and not a measure. ``keep`` is a file for
    ``python -m pstats``.
    """
    profile = cProfile.Profile()
    profile.enable()
    try:
        work()
    finally:
        profile.disable()
    if keep is not None:
        keep.parent.mkdir(parents=True, exist_ok=True)
        profile.dump_stats(keep)
    return shares_of(pstats.Stats(profile))


def shares_of(stats: pstats.Stats) -> tuple[Share, ...]:
    """What each library took of a profile's time, the greatest first; those under one in a hundred are left out."""
    spent: Counter[str] = Counter()
    total = 0.0
    for (file, _, function), (_, _, own, _, _) in stats.stats.items():  # type: ignore[attr-defined]  # not in its stub
        spent[_library(file, function)] += own
        total += own
    return tuple(
        Share(where=where, share=round(seconds / total, 3))
        for where, seconds in spent.most_common()
        if total and seconds >= total / 100
    )


def shares_of_file(file: Path) -> tuple[Share, ...]:
    """The same of a profile that another process has written."""
    return shares_of(pstats.Stats(str(file)))


_BUILT_IN = (
    ("sockets", ("_socket",)),
    ("waiting", ("poll", "select.", "wait", "acquire", "sleep", "recv", "COMMIT")),
    ("SQLite", ("sqlite3",)),
    ("psycopg", ("psycopg",)),
    ("SHA-256", ("sha256", "openssl")),
    ("msgspec", ("msgspec",)),
    ("zlib", ("zlib",)),
    ("CRC-32C", ("crc32c", "google_crc")),
)


def _library(file: str, function: str) -> str:
    """The library that a function belongs to; one of our own is named with its room."""
    if file == "~":
        return next(
            (name for name, marks in _BUILT_IN if any(mark in function for mark in marks)), "Python's built-ins"
        )
    found = re.search(r"site-packages/([^/.]+)", file)
    if found is not None and found[1].startswith("psycopg"):
        return "waiting for PostgreSQL" if function == "wait" else "psycopg"  # what it calls is C, and not seen
    if found is not None:
        return found[1]
    room = re.search(r"/ledger/(\w+)(/|\.py)", file)
    if room is not None:
        return f"ledger.{room[1]}"
    if "/benchmarks/" in file and "/build/" not in file:
        return "the benchmark itself"
    return "Python's library"
