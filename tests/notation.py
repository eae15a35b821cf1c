"""Given / when / then: a rule's test as a compliance officer reads it, without a database.

    given(ANN_HOLDS_AN_LCSW, A_DRAFT)
        .when(SignNote(note_id=NOTE), by=ANN, at="2026-01-05T09:00:00-08:00")
        .then_a(NoteSigned, credential="lcsw")

``given`` takes what has happened: streams made with ``of(id, event, …)``. ``when`` lets the aggregate decide a command.
``then`` names the events it must lead to; ``then_refused`` every reason for which it must be refused, and no other;
``then_row`` the row a view must show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from ledger.aggregates.base import Actor, Aggregate, Change, handler_of
from ledger.aggregates.everything import AGGREGATES
from ledger.aggregates.sealing import SealedBefore
from ledger.aggregates.staff import Staff
from ledger.aggregates.standing import decide
from ledger.aggregates.vocabulary import Command, Event
from ledger.clock import to_text
from ledger.errors import Reason, Refused
from ledger.projections.base import Key, Projection
from ledger.projections.folding import fold_all
from ledger.store.codec import EnvelopeMapper, read
from ledger.store.envelope import Context, Recorded, Stamped, StoredRow

#: The agency's.
ZONE = ZoneInfo("America/Los_Angeles")

A = TypeVar("A", bound=Aggregate)
KINDS = {aggregate.KIND: aggregate for aggregate in AGGREGATES}

#: When the things that are given happened, and when a command is given, where a test says nothing else.
EARLIER = "2026-01-02T16:00:00-08:00"
NOW = "2026-01-05T09:00:00-08:00"


@dataclass(frozen=True)
class Stream:
    """What has happened to one thing, in order."""

    identifier: str
    events: tuple[Event, ...]

    @property
    def kind(self) -> type[Aggregate]:
        return KINDS[self.events[0].TYPE.partition(".")[0]]

    def and_then(self, *events: Event) -> Stream:
        """The same stream, with more that happened."""
        return Stream(self.identifier, (*self.events, *events))


def of(identifier: str, *events: Event) -> Stream:
    """A stream: the thing's id and what has happened to it."""
    return Stream(identifier, events)


@dataclass
class _World:
    """``Given`` from dictionaries: the aggregates, who acts, and both times."""

    aggregates: dict[str, Aggregate]
    actor: Actor
    now: datetime
    occurred_at: datetime
    zone: ZoneInfo = ZONE
    sealed: SealedBefore = msgspec.UNSET
    also: list[Aggregate] = field(default_factory=list)

    def beside(self, aggregate: Aggregate, event: Event) -> None:
        aggregate.record(event, self.occurred_at)
        self.also.append(aggregate)

    def find(self, kind: type[A], identifier: str) -> A | None:
        found = self.aggregates.get(identifier)
        return found if isinstance(found, kind) else None


class Past:
    """What is given."""

    def __init__(self, streams: Sequence[Stream]) -> None:
        self._changes: list[Change] = []
        self._aggregates: dict[str, Aggregate] = {}
        for stream in streams:
            aggregate = self._aggregates.setdefault(stream.identifier, stream.kind(stream.identifier))
            for event in stream.events:
                aggregate.record(event, datetime.fromisoformat(EARLIER))
            self._changes += aggregate.collect_events()

    def when(
        self, command: Command, *, by: str, at: str = NOW, now: str | None = None, sealed: SealedBefore = msgspec.UNSET
    ) -> Outcome:
        """Let the aggregate decide a command; ``at`` is when it happened, ``now`` the server's time (the same).

        ``sealed`` is the newest sealed checkpoint; there is none unless a test says so.
        """
        handler = handler_of(command)
        target = handler.stream_of(command)
        occurred_at = datetime.fromisoformat(at)
        actor, clock = self._actor(by, occurred_at), datetime.fromisoformat(now or at)
        world = _World(self._aggregates, actor, clock, occurred_at, sealed=sealed)
        begins = handler.creates or (handler.stream is not None and target not in self._aggregates)
        aggregate = handler.aggregate(target) if begins else self._aggregates[target]
        before = vars(aggregate).copy()
        try:
            decide(aggregate, command, world)
        except Refused as refused:
            assert not aggregate.collect_events(), "a refused command decides nothing"
            assert vars(aggregate) == before, "a refused command changes nothing"
            return Outcome(self._changes, (), refused.reasons)
        changes = [change for each in (*world.also, aggregate) for change in each.collect_events()]
        return Outcome(self._changes, tuple(changes), ())

    def then_row(self, projection: Projection[Any], key: Key, **fields: Any) -> Past:
        """What a view shows of what is given."""
        _check_row(self._changes, projection, key, fields)
        return self

    def then_no_row(self, projection: Projection[Any], key: Key) -> Past:
        """A view shows no such row."""
        assert key not in fold_all(projection, _recorded(self._changes))
        return self

    def _actor(self, by: str, moment: datetime) -> Actor:
        if by.startswith("system:"):
            return Actor(by, by.removeprefix("system:"), ("system",), system=True)
        staff = self._aggregates.get(by)
        return staff.as_actor(moment.astimezone(ZONE).date()) if isinstance(staff, Staff) else Actor(by, by, ())


@dataclass(frozen=True)
class Outcome:
    """What a command led to."""

    before: Sequence[Change]
    changes: Sequence[Change]
    reasons: Sequence[Reason]

    def then(self, *events: Event) -> Outcome:
        """It led to exactly these events."""
        assert not self.reasons, f"refused: {[str(reason) for reason in self.reasons]}"
        assert [change.event for change in self.changes] == list(events)
        return self

    def then_a(self, kind: type[Event], **fields: Any) -> Outcome:
        """It led to one event of this kind, with these fields (the others may be anything)."""
        assert not self.reasons, f"refused: {[str(reason) for reason in self.reasons]}"
        assert [type(change.event) for change in self.changes] == [kind]
        found = {name: getattr(self.changes[0].event, name) for name in fields}
        assert found == fields
        return self

    def then_refused(self, field: str, words: str, *others: tuple[str, str]) -> Outcome:
        """It was refused for these reasons and no other, each naming its field and holding these words."""
        assert not self.changes, f"accepted: {[change.event for change in self.changes]}"
        wanted = [(field, words), *others]
        told = [str(reason) for reason in self.reasons]
        assert sorted(reason.field for reason in self.reasons) == sorted(name for name, _ in wanted), told
        for name, said in wanted:
            assert any(r.field == name and said in f"{r.message} ({r.mend})" for r in self.reasons), (name, said, told)
        return self

    def then_row(self, projection: Projection[Any], key: Key, **fields: Any) -> Outcome:
        """What a view shows afterwards."""
        _check_row([*self.before, *self.changes], projection, key, fields)
        return self


def given(*streams: Stream) -> Past:
    """What has happened before."""
    return Past(streams)


def _check_row(changes: Sequence[Change], projection: Projection[Any], key: Key, fields: dict[str, Any]) -> None:
    lines = fold_all(projection, _recorded(changes))
    assert key in lines, f"{projection.name} has no row {key}; it has {list(lines)}"
    row = lines[key].row
    assert {name: getattr(row, name) for name in fields} == fields


def _recorded(changes: Sequence[Change]) -> list[Recorded]:
    """What happened as a log would hold it: through the codec, with positions in the order given."""
    mapper, found = EnvelopeMapper(), []
    start = datetime.fromisoformat(EARLIER)
    for position, change in enumerate(changes, start=1):
        context = Context(f"command-{position}", Actor("system:test", "test", ("system",)), "operations", "test")
        row = mapper.to_stored_event(Stamped(change, context, 0))
        assert isinstance(row, StoredRow)
        values = {**vars(row), "position": position, "recorded_at": to_text(start + timedelta(seconds=position))}
        found.append(read(StoredRow(**values)))
    return found
