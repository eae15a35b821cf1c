"""Carrying out a command: load, decide, append; once, however often it is asked.

A retried command returns the first result. Of two changes to one stream one wins, and the other gets a conflict that
names the version it missed. A refusal gives every reason at once, and nothing is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec
from eventsourcing.persistence import EventStore, IntegrityError

from ledger.aggregates.base import Actor, Aggregate, handler_of, refuse
from ledger.aggregates.staff import Staff
from ledger.aggregates.vocabulary import Command
from ledger.application.shelf import Shelf
from ledger.clock import Clock, IdSource, RandomIds, SystemClock
from ledger.errors import CommandReused, Conflict, LedgerError, Refused
from ledger.store.codec import EnvelopeMapper
from ledger.store.envelope import Context, Stamped
from ledger.store.recorder import Recorder

A = TypeVar("A", bound=Aggregate)

SYSTEM = "system:"
_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True)
class Request:
    """One command with what its envelope needs: who, why, when it happened, and the ids that tie requests together."""

    command: Command
    actor_id: str
    purpose: str
    command_id: str
    occurred_at: datetime | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    #: The version of the stream that the decision was made on, when the caller read it before.
    expected_version: int | None = None

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the command's name and content, its actor, and when it says it happened."""
        said = self.occurred_at.isoformat() if self.occurred_at else None
        return hashlib.sha256(_encode([self.command.NAME, self.command, self.actor_id, said])).hexdigest()


@dataclass(frozen=True)
class Result:
    """What a command led to: its stream as it stands after it, and the ids and types of its events."""

    command_id: str
    stream_id: str
    version: int
    events: tuple[str, ...]
    types: tuple[str, ...] = ()
    #: True when the command had been carried out before and this is its first result.
    repeated: bool = False


@dataclass
class _Circumstances:
    """``Given`` for one command inside a unit of work."""

    unit: Unit
    actor: Actor
    now: datetime
    occurred_at: datetime

    def find(self, kind: type[A], identifier: str) -> A | None:
        return self.unit.find(kind, identifier)


@dataclass
class Unit:
    """The aggregates that some commands look at and change, and the events waiting to be appended together."""

    shelf: Shelf
    loaded: dict[str, Aggregate | None] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    waiting: list[Stamped] = field(default_factory=list)

    def fetch(self, identifiers: Iterable[str]) -> None:
        """Load some streams at once, those that are not here yet."""
        missing = [identifier for identifier in identifiers if identifier not in self.loaded]
        if missing:
            taken = self.shelf.take(missing)
            for identifier in missing:
                self.loaded[identifier] = taken.get(identifier)

    def find(self, kind: type[A], identifier: str) -> A | None:
        """An aggregate as this unit sees it: as stored, plus what this unit has decided."""
        self.fetch((identifier,))
        found = self.loaded[identifier]
        return found if isinstance(found, kind) else None

    def keep(self, aggregate: Aggregate) -> None:
        self.loaded[aggregate.id] = aggregate
        self.changed.add(aggregate.id)

    def give_back(self, *, appended: bool) -> None:
        """Put the aggregates back on the shelf; not those that have decided what was never appended."""
        self.shelf.put_back(
            aggregate
            for identifier, aggregate in self.loaded.items()
            if aggregate is not None and (appended or identifier not in self.changed)
        )
        self.loaded = {}
        self.changed = set()


class Ledger:
    """The application: commands in, events out. One instance per process; it holds no state but its parts."""

    def __init__(
        self,
        recorder: Recorder,
        *,
        clock: Clock | None = None,
        ids: IdSource | None = None,
        zone: str = "America/Los_Angeles",
    ) -> None:
        self.recorder = recorder
        self.clock = clock or SystemClock()
        self.ids = ids or RandomIds()
        self.zone = ZoneInfo(zone)
        self._store: EventStore[str] = EventStore(EnvelopeMapper(), recorder)
        self._shelf = Shelf(recorder)

    def unit(self) -> Unit:
        """A fresh view of the stored aggregates."""
        return Unit(self._shelf)

    def execute(self, request: Request) -> Result:
        """Carry out one command and append its events, or raise with every reason why not.

        Raises ``Refused``, ``Conflict`` (names the missed version) or ``CommandReused``.
        """
        unit = self.unit()
        appended = False
        try:
            result = self.decide(unit, request)
            self._append(unit)
            appended = True
        except (LedgerError, IntegrityError) as fault:
            first = self._first_result(request)
            if first is not None:
                return first
            if isinstance(fault, IntegrityError):
                raise self._conflict(unit) from fault
            raise
        finally:
            unit.give_back(appended=appended)
        return result

    def execute_batch(self, requests: Sequence[Request]) -> list[Result]:
        """Carry out many commands in one transaction: all of their events are appended, or none.

        Commands carried out before give their first result and append nothing. An error's ``command_id`` names the
        command that it is about.
        """
        known = self.recorder.find_commands([request.command_id for request in requests])
        unit = self.unit()
        results: list[Result] = []
        appended = False
        try:
            for request in requests:
                digest = known.get(request.command_id)
                if digest is None:
                    results.append(self.decide(unit, request))
                elif digest == request.digest:
                    first = self._first_result(request)
                    if first is not None:
                        results.append(first)
                else:
                    raise CommandReused(request.command_id)
            self._append(unit)
            appended = True
        except IntegrityError as fault:
            raise self._conflict(unit) from fault
        finally:
            unit.give_back(appended=appended)
        return results

    def decide(self, unit: Unit, request: Request) -> Result:
        """Let the aggregate decide; its events wait in the unit until they are appended."""
        command = request.command
        handler = handler_of(command)
        target = getattr(command, handler.target)
        referred = [getattr(command, name) for name in handler.references]
        unit.fetch([i for i in (*referred, request.actor_id) if i is not None and not i.startswith(SYSTEM)])
        if handler.creates:
            # Whether the id is free is the database's to say, when the first version is appended.
            if unit.loaded.get(target) is not None:
                raise self._exists(handler.target, target)
            aggregate: Aggregate = handler.aggregate(target)
        else:
            found = unit.find(handler.aggregate, target)
            if found is None:
                raise refuse(
                    handler.target, f"there is no {handler.aggregate.KIND} {target}", "check the id", "unknown"
                )
            aggregate = found
        if request.expected_version is not None and request.expected_version != aggregate.version:
            raise Conflict(target, expected=request.expected_version, actual=aggregate.version)
        given = self._circumstances(unit, request)
        handler.decide(aggregate, command, given)
        unit.keep(aggregate)
        changes = aggregate.collect_events()
        context = Context(
            command_id=request.command_id,
            actor=given.actor,
            purpose=request.purpose,
            correlation_id=request.correlation_id or request.command_id,
            causation_id=request.causation_id,
            command_digest=request.digest,
        )
        unit.waiting.extend(Stamped(change, context, index) for index, change in enumerate(changes))
        return Result(
            command_id=request.command_id,
            stream_id=target,
            version=aggregate.version,
            events=tuple(f"{change.originator_id}@{change.originator_version}" for change in changes),
            types=tuple(change.event.TYPE for change in changes),
        )

    @staticmethod
    def _exists(field_name: str, target: str) -> Refused:
        return refuse(field_name, f"{target} exists already", "use a new id", "exists")

    def _circumstances(self, unit: Unit, request: Request) -> _Circumstances:
        now = self.clock.now()
        occurred_at = request.occurred_at
        if occurred_at is None and request.command.OCCURS_AT:
            occurred_at = getattr(request.command, request.command.OCCURS_AT)
        if occurred_at is None:
            occurred_at = now.astimezone(self.zone)
        elif occurred_at > now:
            field_name = request.command.OCCURS_AT or "occurred_at"
            raise refuse(field_name, "it lies in the future", "check the date, the time and its offset", "future")
        return _Circumstances(unit, self.actor(unit, request.actor_id, occurred_at), now, occurred_at)

    def actor(self, unit: Unit, actor_id: str, moment: datetime) -> Actor:
        """Who acts, with the roles and credentials held at that moment; ``system:NAME`` is a program of ours."""
        if actor_id.startswith(SYSTEM):
            name = actor_id.removeprefix(SYSTEM)
            return Actor(actor_id, name, ("system",), system=True)
        staff = unit.find(Staff, actor_id)
        if staff is None:
            raise refuse("actor", f"{actor_id} is not a staff member", "register them, or act as one who is", "actor")
        return staff.as_actor(moment.date())

    def _append(self, unit: Unit) -> None:
        if unit.waiting:
            self._store.put(unit.waiting)
            unit.waiting = []

    def _conflict(self, unit: Unit) -> LedgerError:
        """Name the first stream of a refused append that somebody else has begun or moved on."""
        for stamped in unit.waiting:
            stream, expected = stamped.originator_id, stamped.originator_version - 1
            actual = self.recorder.stream_version(stream)
            if actual <= expected:
                continue
            if expected == 0:
                return self._exists("id", stream)
            return Conflict(stream, expected=expected, actual=actual)
        return Conflict(unit.waiting[0].originator_id, expected=None, actual=None)

    def _first_result(self, request: Request) -> Result | None:
        """What this command led to when it was first carried out; None when it never was."""
        rows = self.recorder.find_command(request.command_id)
        if not rows:
            return None
        if rows[0].command_digest != request.digest:
            raise CommandReused(request.command_id)
        target = getattr(request.command, handler_of(request.command).target)
        return Result(
            command_id=request.command_id,
            stream_id=target,
            version=rows[-1].originator_version,
            events=tuple(row.event_id for row in rows),
            types=tuple(row.topic for row in rows),
            repeated=True,
        )
