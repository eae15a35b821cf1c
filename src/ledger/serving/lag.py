"""How far behind the log something is, in events and in seconds, and how fast the log grows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ledger.clock import from_text, to_text
from ledger.consumers.runner import Runner
from ledger.store.recorder import Recorder

#: Over how long the log's growth is measured.
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Lag:
    """Where a reader of the log stands.

    ``behind`` counts events it has not read; ``seconds`` is how long the oldest of them has waited since it was
    recorded, 0.0 when there is none.
    """

    place: int
    behind: int
    seconds: float


def lag_at(recorder: Recorder, place: int, head: int, now: datetime) -> Lag:
    """The lag of a reader that has everything up to ``place`` of a log that ends at ``head``."""
    if place >= head:
        return Lag(place, 0, 0.0)
    (oldest,) = recorder.read_log(place, 1)
    return Lag(place, head - place, max(0.0, (now - oldest.recorded).total_seconds()))


def view_places(recorder: Recorder, runner: Runner) -> dict[str, int]:
    """How many events each live view has dealt with: while it reads in the log's order, the position it stands at."""
    with recorder.reading() as connection:
        return {stand.projection.name: runner.accounted(connection, stand) for stand in runner.stands(connection)}


def lags(recorder: Recorder, places: Mapping[str, int], head: int, now: datetime) -> dict[str, Lag]:
    """The lag of each of some readers, by name; those at one place share one look at the log."""
    known = {place: lag_at(recorder, place, head, now) for place in set(places.values())}
    return {name: known[place] for name, place in places.items()}


def recorded_a_second(recorder: Recorder, head: int, now: datetime) -> float:
    """How many events a second the log has grown by over the last minute."""
    return (head - recorder.position_at(to_text(now - MINUTE))) / MINUTE.total_seconds()


#: Machines' clocks differ by less than this many seconds when they are kept; more is a clock that was set wrongly.
CLOCKS_DIFFER = 5.0


def head_ahead(recorder: Recorder, head: int, now: datetime) -> float:
    """By how many seconds the log's last event is recorded after now; 0 where the clocks agree well enough.

    Everything recorded meanwhile carries that same time, since ``recorded_at`` never goes back.
    """
    last = recorder.read_log(head - 1, 1) if head else ()
    ahead = (from_text(last[0].recorded_at) - now).total_seconds() if last else 0.0
    return ahead if ahead > CLOCKS_DIFFER else 0.0


def ahead_words(seconds: float) -> list[str]:
    """A warning, where the log is ahead of the clock; nothing where it is not."""
    if not seconds:
        return []
    return [
        f"! the log's last event is recorded {seconds:,.0f} s after now by this machine's clock: it, or the clock of a "
        "machine that recorded, was set wrongly; until then, whatever is recorded carries that same time"
    ]
