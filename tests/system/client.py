"""A client of the record, as a process of its own: it gives commands, one after the other, and keeps a journal.

``python -m tests.system.client JOURNAL SEED RATE TEXT`` works as LEDGER_DATABASE says until SIGTERM. RATE counts
commands a second (0 for no limit), TEXT the length of what it writes into each addendum. It chooses the command ids.
Before each command it writes that it asks, and after the answer what the answer was; so whoever reads the journal knows
what was acknowledged. When an answer is lost it asks again with the same id, whatever it was that failed. One that was
killed goes on where its journal ends. The same seed gives the same commands.

It ends with an error when the record breaks its word: when a command asked twice does not give its first result.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from itertools import count
from pathlib import Path

import msgspec
from sqlalchemy.exc import DBAPIError

from ledger.aggregates.client_events import (
    AssignCoordinator,
    CorrectClientDetails,
    OpenEpisode,
    RegisterClient,
    ReleaseCoordinator,
)
from ledger.aggregates.contact import RecordContact
from ledger.aggregates.note_events import AddAddendum, DraftNote, NoteContent, SignNote
from ledger.aggregates.staff import PersonName, RecordCredential, RegisterStaff
from ledger.aggregates.vocabulary import Command
from ledger.application.commands import Ledger, Request, Result
from ledger.clock import SeededIds, derived_id
from ledger.errors import CommandReused, Conflict, LedgerError, Refused
from ledger.settings import read_settings
from ledger.store.database import open_store

#: One chart that every client changes, so that they get into each other's way.
SHARED = derived_id("tests.system", "the chart that all change")
OPENED = date(2025, 1, 6)
FIRST_SERVICE = datetime(2025, 1, 7, 9, 0, tzinfo=timezone(timedelta(hours=-8)))
CONTENT = NoteContent(
    sections={"problem": "could not sleep", "intervention": "sleep hygiene", "response": "will try", "plan": "weekly"},
    no_plan_reason="intake",
)
#: Of so many answered commands one is asked again, as if its answer had been lost.
AGAIN = 8
#: How long to wait before asking again when the servers are away, in seconds.
PATIENCE = 0.2


#: What it writes when it listens to SIGTERM.
AT_WORK = "at work"


class Line(msgspec.Struct, frozen=True):
    """A line of a journal: a command was asked, or answered with these events."""

    command_id: str
    events: tuple[str, ...] | None = None
    version: int = 0


class BrokenWord(Exception):
    """The record did not do what it promises its clients."""


def read_journal(path: Path) -> tuple[list[str], dict[str, Line]]:
    """The commands that were asked, in their order, and the answers."""
    lines = [msgspec.json.decode(line, type=Line) for line in path.read_bytes().splitlines()] if path.exists() else []
    asked = dict.fromkeys(line.command_id for line in lines)
    return list(asked), {line.command_id: line for line in lines if line.events is not None}


def shared_chart() -> Request:
    """The command that begins the chart that all change."""
    command = RegisterClient(
        client_id=SHARED, name=PersonName(family="Client", given="Shared"), birth_date=date(1980, 1, 1)
    )
    return _request(command, "system:setup", derived_id("tests.system", "shared"))


def story(seed: str, text: int = 20) -> Iterator[Request]:
    """What this client asks for, without an end: a clinician with one chart after the other."""
    ids, chance = SeededIds(seed), random.Random(seed)
    staff = ids.new()

    def by(command: Command, actor: str = "system:setup") -> Request:
        return _request(command, actor, ids.new())

    name = PersonName(family="Example", given="Robin")
    yield by(
        RegisterStaff(staff_id=staff, name=name, roles=("clinician",), programs=("psc",), hired_on=date(2024, 1, 1))
    )
    yield by(
        RecordCredential(
            staff_id=staff,
            credential_id=ids.new(),
            credential_kind="lcsw",
            number="1",
            issued_on=date(2024, 1, 1),
            taxonomy="1041C0700X",
        )
    )
    hours = count()
    for number in count():
        chart, assignment = ids.new(), ids.new()
        person = PersonName(family="Client", given=f"Number {number}")
        yield by(RegisterClient(client_id=chart, name=person, birth_date=date(1980, 1, 1)))
        yield by(OpenEpisode(client_id=chart, episode_id=ids.new(), program="psc", opened_on=OPENED))
        yield by(
            AssignCoordinator(
                client_id=chart, assignment_id=assignment, staff_id=staff, program="psc", first_day=OPENED
            )
        )
        for _ in range(chance.randint(1, 4)):
            contact, note = ids.new(), ids.new()
            started = FIRST_SERVICE + timedelta(hours=next(hours) % 8000)
            yield by(
                RecordContact(
                    contact_id=contact,
                    client_id=chart,
                    staff_id=staff,
                    program="psc",
                    contact_kind="individual",
                    started_at=started,
                    ended_at=started + timedelta(minutes=45),
                    direct_minutes=40,
                ),
                staff,
            )
            yield by(DraftNote(note_id=note, contact_id=contact, content=CONTENT), staff)
            yield by(SignNote(note_id=note), staff)
            yield by(AddAddendum(note_id=note, addendum_id=ids.new(), text=_words(chance, text)), staff)
            yield by(CorrectClientDetails(client_id=SHARED, reason="it changed", language=ids.new()))
        if chance.random() < 0.5:
            yield by(
                ReleaseCoordinator(
                    client_id=chart, assignment_id=assignment, last_day=date(2025, 6, 30), reason="moved away"
                )
            )


def _words(chance: random.Random, length: int) -> str:
    """Text that no database can make much shorter."""
    return chance.randbytes(length // 2).hex()


def _request(command: Command, actor: str, command_id: str) -> Request:
    return Request(command=command, actor_id=actor, purpose="operations", command_id=command_id)


class Client:
    """Carries out a story, and remembers in its journal how far it has come."""

    def __init__(self, journal: Path, seed: str, rate: float, text: int) -> None:
        self._asked, self._answered = read_journal(journal)
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._story = story(seed, text)
        self._chance = random.Random(f"{seed} again")
        self._pause = 1 / rate if rate else 0.0
        self._ledger: Ledger | None = None
        self.stopping = False

    def work(self) -> None:
        """Go on until stopped; what was asked is answered first."""
        known = set(self._asked)
        due = time.monotonic()
        for request in self._story:
            if self.stopping:
                return
            if request.command_id in self._answered:
                continue
            if request.command_id not in known:
                self._note(Line(request.command_id))
            first = self._carry_out(request)
            self._note(Line(request.command_id, first.events, first.version))
            if self._chance.randrange(AGAIN) == 0:
                self._expect_first(request, first)
            due = max(due + self._pause, time.monotonic() - 1)  # what was missed is not made up for at once
            time.sleep(max(0.0, due - time.monotonic()))

    def _carry_out(self, request: Request) -> Result:
        """The answer to a command, asked for until there is one."""
        while True:
            try:
                if self._ledger is None:
                    self._ledger = Ledger(open_store(read_settings().database))
                return self._ledger.execute(request)
            except (Refused, CommandReused):
                raise
            except Conflict:
                continue  # somebody else was first: decide again on what is there now
            except (LedgerError, DBAPIError) as fault:
                sys.stderr.write(f"{request.command_id} lost: {type(fault).__name__}: {str(fault).splitlines()[0]}\n")
                time.sleep(PATIENCE)

    def _expect_first(self, request: Request, first: Result) -> None:
        again = self._carry_out(request)
        if not again.repeated or (again.events, again.version) != (first.events, first.version):
            raise BrokenWord(f"{request.command_id} gave {first} and then {again}")

    def _note(self, line: Line) -> None:
        os.write(self._journal, msgspec.json.encode(line) + b"\n")  # one call: a kill leaves whole lines


def main() -> None:
    """Run one client; the machine's settings say where the record is."""
    journal, seed, rate, text = sys.argv[1:5]
    client = Client(Path(journal), seed, float(rate), int(text))

    def stop(*_: object) -> None:
        client.stopping = True

    signal.signal(signal.SIGTERM, stop)
    sys.stderr.write(f"{AT_WORK}\n")
    client.work()


if __name__ == "__main__":
    main()
