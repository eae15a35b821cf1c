"""The stage: simulated time, the queue of what comes next, and the one writer that carries commands out.

Everything decided at one simulated minute is appended in one transaction, before the clock goes on: so the recorded
times are exact, and a busy agency shares its commits.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from eventsourcing.persistence import IntegrityError

from ledger.aggregates.contact import Contact
from ledger.aggregates.note import Note
from ledger.aggregates.sealing import SealedBefore
from ledger.aggregates.vocabulary import Command
from ledger.application.commands import Ledger, Request, Result, Unit
from ledger.application.shelf import Shelf
from ledger.clock import ManualClock, SeededIds
from ledger.errors import LedgerError, Refused

Action = Callable[[], object]
#: Above this many aggregates in memory the oldest contacts and notes are let go; they are read again when needed.
KEPT = 60_000


class UnexpectedRefusal(LedgerError):
    """The simulation asked for something that the record refused, or the record took what it should refuse."""


class _Resident(Unit):
    """A unit of work that lasts: its aggregates are not handed back, since nobody else writes."""

    def give_back(self, *, appended: bool) -> None:
        self.go_on()

    def __init__(self, shelf: Shelf, newest_sealed: Callable[[], SealedBefore], zone: ZoneInfo) -> None:
        super().__init__(shelf, newest_sealed, zone)
        self._full = KEPT

    def thin_out(self) -> None:
        """Let go of the oldest half of the contacts and notes once there are very many; they can be read again."""
        if len(self.loaded) > self._full:
            old = [i for i, aggregate in self.loaded.items() if isinstance(aggregate, Contact | Note)]
            for identifier in old[: len(old) // 2]:
                del self.loaded[identifier]
            self._full = max(KEPT, 2 * len(self.loaded))


class Resident(Ledger):
    """A ledger for the only writer of a store: what it has decided stays in memory from command to command."""

    def __init__(self, ledger: Ledger, ids: SeededIds) -> None:
        super().__init__(ledger.recorder, clock=ledger.clock, ids=ids, zone=ledger.zone.key)
        self._resident = _Resident(self._shelf, self._sealed.newest, self.zone)
        self._asked: list[Request] = []

    def unit(self) -> Unit:
        return self._resident

    def ask(self, request: Request) -> Result:
        """Decide a command; its events wait for ``flush``."""
        result = self.decide(self._resident, request)
        self._asked.append(request)
        return result

    def flush(self) -> None:
        """Append all that waits, in one transaction. Raises ``Conflict`` when somebody else writes to this store."""
        try:
            self._append(self._resident)
        except IntegrityError as fault:
            raise self._conflict(self._resident, self._asked, fault) from fault
        self._asked = []
        self._resident.thin_out()


class Stage:
    """Simulated time and everything that is to happen in it, in order."""

    def __init__(self, ledger: Ledger, clock: ManualClock, token: str, end: datetime) -> None:
        self.ids = SeededIds(f"{token}/ids")
        self.ledger = Resident(ledger, SeededIds(f"{token}/access"))
        self.clock = clock
        self.end = end
        self.commands = 0
        self.by_type: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self._command_ids = SeededIds(f"{token}/commands")
        self._queue: list[tuple[datetime, int, Action]] = []
        self._asked = 0

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def at(self, moment: datetime, action: Action) -> None:
        """Let something happen at a moment (or now, if that has passed); what lies after the end never happens."""
        moment = max(moment, self.now)
        if moment < self.end:
            self._asked += 1
            heapq.heappush(self._queue, (moment, self._asked, action))

    def do(self, command: Command, actor: str, purpose: str = "treatment", thread: str | None = None) -> Result:
        """Carry out a command now; ``thread`` ties the commands of one piece of work together."""
        try:
            result = self.ledger.ask(self._request(command, actor, purpose, thread))
        except Refused as refusal:
            raise UnexpectedRefusal(f"{command.NAME} at {self.now.isoformat()}: {refusal}") from refusal
        self.commands += 1
        self.by_type.update(result.types)
        return result

    def refused(self, command: Command, actor: str, code: str, thread: str | None = None) -> None:
        """Ask for what the record must refuse for a reason of this code."""
        try:
            self.ledger.ask(self._request(command, actor, "treatment", thread))
        except Refused as refusal:
            if code not in {reason.code for reason in refusal.reasons}:
                raise UnexpectedRefusal(f"{command.NAME}: refused, but not for {code}: {refusal}") from refusal
            self.refusals[code] += 1
        else:
            raise UnexpectedRefusal(f"{command.NAME} at {self.now.isoformat()} should have been refused ({code})")

    def _request(self, command: Command, actor: str, purpose: str, thread: str | None) -> Request:
        return Request(
            command=command,
            actor_id=actor,
            purpose=purpose,
            command_id=self._command_ids.new(),
            correlation_id=thread,
        )

    def run(self, passed: Callable[[int], None]) -> None:
        """Let everything happen; ``passed`` is told the simulated minutes as they go by."""
        while self._queue:
            moment, _, action = heapq.heappop(self._queue)
            if moment > self.now:
                self.ledger.flush()
                passed(int((moment - self.now).total_seconds() // 60))
                self.clock.set(moment)
            action()
        self.ledger.flush()
