"""Carrying out a command: load, decide, append; once, however often it is asked.

A retried command returns the first result. Of two changes to one stream one wins, and the other gets a conflict that
names the version it missed. A refusal gives every reason at once, and nothing is written.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from eventsourcing.persistence import EventStore, IntegrityError, OperationalError

from ledger.aggregates.base import Actor, Aggregate, handler_of, refuse
from ledger.aggregates.client import Client
from ledger.aggregates.staff import Staff
from ledger.aggregates.standing import decide, without_repetition
from ledger.application.requests import SYSTEM, Request, Result, check_envelope, log_refusal, merged, when
from ledger.application.shelf import Shelf
from ledger.application.unit import Circumstances, Unit, check_birth
from ledger.clock import Clock, IdSource, RandomIds, SystemClock
from ledger.errors import CommandReused, Conflict, LedgerError, Reasons, Refused
from ledger.logs import get_logger
from ledger.store.codec import EnvelopeMapper
from ledger.store.envelope import Context, Stamped
from ledger.store.recorder import Recorder
from ledger.store.sealed import Sealed

A = TypeVar("A", bound=Aggregate)

__all__ = ["SYSTEM", "Ledger", "Request", "Result", "Unit"]

log = get_logger("ledger.application")


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
        self._sealed = Sealed(recorder)

    def unit(self) -> Unit:
        """A fresh view of the stored aggregates."""
        return Unit(self._shelf, self._sealed.newest, self.zone)

    def execute(self, request: Request) -> Result:
        """Carry out one command and append its events, or raise with every reason why not.

        Raises ``Refused``, ``Conflict`` (names the missed version) or ``CommandReused``.
        """
        check_envelope(request)
        started = time.perf_counter()
        try:
            result = self._carry_out(request)
        except LedgerError as fault:
            log_refusal(request.command, fault, request.command_id, request.correlation_id)
            raise
        log.info(
            "repeated" if result.repeated else "recorded",
            command=request.command.NAME,
            command_id=request.command_id,
            correlation_id=request.correlation_id or request.command_id,
            stream_id=result.stream_id,
            version=result.version,
            count=len(result.events),
            seconds=round(time.perf_counter() - started, 6),
        )
        return result

    def _carry_out(self, request: Request) -> Result:
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
                raise self._conflict(unit, [request], fault) from fault
            raise
        finally:
            unit.give_back(appended=appended)
        return result

    def execute_batch(self, requests: Sequence[Request]) -> list[Result]:
        """Carry out many commands in one transaction: all of their events are appended, or none.

        Commands carried out before give their first result and append nothing. An error's ``command_id`` names the
        command that it is about.
        """
        started = time.perf_counter()
        ids = [request.command_id for request in requests]
        known: Mapping[str, str] = {}
        fault: LedgerError | IntegrityError | None = None
        while True:
            earlier, known = known, self.recorder.find_commands(ids)
            if fault is not None and len(known) == len(earlier):
                raise fault
            # On a second turn, somebody carried out some of the same commands meanwhile: those give their first result.
            unit = self.unit()
            appended = False
            try:
                results = self._decide_all(unit, requests, known)
                count = len(unit.waiting)
                self._append(unit)
                appended = True
            except LedgerError as refused:
                fault = refused
            except IntegrityError as clash:
                fault = self._conflict(unit, requests, clash)
            else:
                log.info(
                    "recorded a batch",
                    commands=sorted({request.command.NAME for request in requests}),
                    correlation_id=_shared(requests),
                    count=count,
                    seconds=round(time.perf_counter() - started, 6),
                )
                return results
            finally:
                unit.give_back(appended=appended)

    def _decide_all(self, unit: Unit, requests: Sequence[Request], known: Mapping[str, str]) -> list[Result]:
        """Decide each command of a batch that was not carried out before, in this batch or earlier."""
        results: list[Result] = []
        here: dict[str, tuple[str, Result]] = {}
        for request in requests:
            try:
                if request.command_id in here:
                    digest, result = here[request.command_id]
                    if digest != request.digest:
                        raise CommandReused(request.command_id)
                    results.append(replace(result, repeated=True))
                    continue
                check_envelope(request)
                first = self._first_result(request) if request.command_id in known else None
                result = first or self.decide(unit, request)
            except LedgerError as fault:
                fault.command_id = request.command_id
                log_refusal(request.command, fault, request.command_id, request.correlation_id)
                raise
            here[request.command_id] = (request.digest, result)
            results.append(result)
        return results

    def decide(self, unit: Unit, request: Request) -> Result:
        """Let the aggregate decide; its events wait in the unit until they are appended."""
        command = request.command
        handler = handler_of(command)
        target = handler.stream_of(command)
        referred = handler.looks_at(command)
        begins = () if handler.stream is None else (target,)
        unit.fetch([i for i in (*referred, *begins, request.actor_id) if not i.startswith(SYSTEM)])
        if handler.creates:
            # Whether the id is free is the database's to say, when the first version is appended.
            if unit.loaded.get(target) is not None:
                raise self._exists(handler.target, target)
            aggregate: Aggregate = handler.aggregate(target)
        else:
            found = unit.find(handler.aggregate, target)
            if found is None and handler.stream is not None:
                found = handler.aggregate(target)
            if found is None:
                raise refuse(
                    handler.target, f"there is no {handler.aggregate.KIND} {target}", "check the id", "unknown"
                )
            aggregate = found
        if request.expected_version is not None and request.expected_version != aggregate.version:
            raise Conflict(target, expected=request.expected_version, actual=aggregate.version)
        given, reasons = self._circumstances(unit, request)
        check_birth(reasons, given, request, aggregate, referred)
        unit.keep(aggregate)
        try:
            decide(aggregate, command, given)
        except Refused as fault:
            raise Refused(without_repetition(merged(reasons.found, fault.reasons))) from None
        reasons.refuse_if_any()
        # The command's own stream comes last: its version is the one that the command answers with.
        changes = [change for each in (*given.also, aggregate) for change in each.collect_events()]
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

    def _circumstances(self, unit: Unit, request: Request) -> tuple[Circumstances, Reasons]:
        """What the decision looks at, and the reasons against the command that every command shares."""
        now = self.clock.now()
        reasons = Reasons()
        field_name, occurred_at = when(request)
        if occurred_at is None:
            occurred_at = now.astimezone(self.zone)
        reasons.unless(
            occurred_at <= now, field_name, "it lies in the future", "check the date, the time and its offset", "future"
        )
        try:
            actor = self.actor(unit, request.actor_id, occurred_at)
        except Refused as fault:  # go on as somebody without any standing, so that every other reason is found too
            reasons.found.extend(fault.reasons)
            actor = Actor(request.actor_id, request.actor_id, ())
        return Circumstances(unit, actor, now, occurred_at), reasons

    def actor(self, unit: Unit, actor_id: str, moment: datetime) -> Actor:
        """Who acts, with the roles and credentials held at that moment; ``system:NAME`` is a program of ours.

        A client acts for themselves, with the role client. Raises ``Refused`` for somebody who is neither, or no staff
        member today (by the server's clock).
        """
        if actor_id.startswith(SYSTEM):
            name = actor_id.removeprefix(SYSTEM)
            return Actor(actor_id, name, ("system",), system=True)
        staff = unit.find(Staff, actor_id)
        client = unit.find(Client, actor_id) if staff is None else None
        if client is not None:
            return Actor(actor_id, str(client.details["name"]), ("client",))
        if staff is None:
            raise refuse("actor", f"{actor_id} is not a staff member", "register them, or act as one who is", "actor")
        today = self.clock.now().astimezone(self.zone).date()
        if not staff.employed_on(today):
            raise refuse("actor", f"{staff.name} was not employed on {today}", code="actor")
        return staff.as_actor(moment.astimezone(self.zone).date())

    def _append(self, unit: Unit) -> None:
        if not unit.waiting:
            return
        try:
            self._store.put(unit.waiting)
        except OperationalError as fault:
            raise LedgerError(
                f"the database could not record it: {_first_line(fault)}; repeat it with the same command id"
            ) from fault
        unit.waiting = []

    def _conflict(self, unit: Unit, requests: Sequence[Request], fault: IntegrityError) -> LedgerError:
        """Name the first stream of a refused append that somebody else has begun or moved on, if one has."""
        asked = {request.command_id: request for request in requests}
        for stamped in unit.waiting:
            stream, expected = stamped.originator_id, stamped.originator_version - 1
            actual = self.recorder.stream_version(stream)
            if actual <= expected:
                continue
            found: LedgerError = Conflict(stream, expected=expected, actual=actual)
            command_id = stamped.context.command_id
            handler = handler_of(asked[command_id].command)
            if expected == 0 and handler.creates:
                found = self._exists(handler.target, stream)
            found.command_id = command_id
            return found
        return LedgerError(f"the database refused to record it: {_first_line(fault)}")

    def _first_result(self, request: Request) -> Result | None:
        """What this command led to when it was first carried out; None when it never was."""
        rows = self.recorder.find_command(request.command_id)
        if not rows:
            return None
        if rows[0].command_digest != request.digest:
            raise CommandReused(request.command_id)
        return Result(
            command_id=request.command_id,
            stream_id=handler_of(request.command).stream_of(request.command),
            version=rows[-1].originator_version,
            events=tuple(row.event_id for row in rows),
            types=tuple(row.topic for row in rows),
            repeated=True,
        )


def _shared(requests: Sequence[Request]) -> str | None:
    """The correlation id that all of these requests have, if they have one."""
    ids = {request.correlation_id for request in requests}
    return ids.pop() if len(ids) == 1 else None


def _first_line(fault: Exception) -> str:
    """What a database said, without the rows it may add below."""
    return (str(fault).splitlines() or ["no reason given"])[0]
