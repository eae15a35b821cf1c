"""Time and ids come from outside: the clock and the id source that are passed in.

Aggregates, policies and projections never ask for the time or for a new id; what runs them does, through these
two small interfaces. The simulator, the tests and every replay bring their own.
"""

from __future__ import annotations

import random
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Protocol

#: How an id is written: a UUID in lower case.
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NAMESPACE = uuid.UUID("6b1f0f0e-3c55-5b0c-9a53-1b7f6f8a2d10")


class Clock(Protocol):
    """The server's clock: always aware, always UTC."""

    def now(self) -> datetime: ...


class IdSource(Protocol):
    """New identifiers, as canonical lower-case UUID text."""

    def new(self) -> str: ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ManualClock:
    """A clock that shows what it was set to, and goes on only when told."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def set(self, moment: datetime) -> None:
        """Show ``moment`` from now on; a clock that goes backwards raises ValueError."""
        moment = moment.astimezone(UTC)
        if moment < self._now:
            raise ValueError(f"a clock does not go back: {moment.isoformat()} is before {self._now.isoformat()}")
        self._now = moment

    def advance(self, span: timedelta) -> datetime:
        self.set(self._now + span)
        return self._now


class RandomIds:
    """Ids nobody can guess or count: random UUIDs."""

    def new(self) -> str:
        return str(uuid.uuid4())


class SeededIds:
    """The same seed gives the same ids in the same order: for simulations and tests, never for real charts."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - reproducible on purpose; real ids come from RandomIds

    def new(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))


def derived_id(*parts: str) -> str:
    """The id that always belongs to these parts, so that a retried or repeated command names the same thing."""
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(parts)))


def unfit(moment: datetime) -> str:
    """Why an instant cannot stand in a record, with the mend; empty when it can.

    Offsets are kept in whole minutes, and no chart reaches back before 1900.
    """
    offset = moment.utcoffset()
    if offset is None:
        return "it has no UTC offset; write it as 2026-11-20T15:00:00-08:00"
    if offset % timedelta(minutes=1):
        return "its UTC offset is not in whole minutes; write it as 2026-11-20T15:00:00-08:00"
    if not 1900 <= moment.year <= 9998:
        return f"the year {moment.year} is none this record can mean; check the year"
    return ""


def to_text(moment: datetime) -> str:
    """The one written form of an instant: UTC, six decimals, ``Z``; it sorts as it reads.

    >>> from datetime import timezone
    >>> to_text(datetime(2026, 11, 20, 15, 0, tzinfo=timezone(timedelta(hours=-8))))
    '2026-11-20T23:00:00.000000Z'
    """
    if moment.year < 1000:
        raise ValueError(f"{moment.isoformat()} is before the year 1000, which no record here can mean")
    return f"{moment.astimezone(UTC).isoformat(timespec='microseconds')[:-6]}Z"


def from_text(text: str) -> datetime:
    """Read what ``to_text`` wrote (or any ISO 8601 instant with an offset)."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no UTC offset; write it as 2026-11-20T15:00:00-08:00")
    return moment.astimezone(UTC)


def is_id(text: str) -> bool:
    """Whether a text is an id as we write them: a UUID in lower case, and nothing around it."""
    return _ID.fullmatch(text) is not None
