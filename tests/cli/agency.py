"""A small agency on a real database, and the command line beside it: what the tests of the reports start from."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from click.testing import CliRunner, Result

from ledger.aggregates import client_events as c
from ledger.aggregates import staff as s
from ledger.aggregates.contact import RecordContact
from ledger.aggregates.note_events import DraftNote, NoteContent, SignNote
from ledger.aggregates.vocabulary import Command
from ledger.application.commands import Ledger, Request
from ledger.cli.main import cli
from ledger.clock import ManualClock, SeededIds
from ledger.store.database import open_store

PACIFIC = ZoneInfo("America/Los_Angeles")
COMPLETE = NoteContent(
    sections={"problem": "p", "intervention": "i", "response": "r", "plan": "p"}, no_plan_reason="intake"
)
OFFICE_WEEK = (480, 480, 480, 480, 480, 0, 0)


def pacific(day: int, time: str, month: int = 11) -> datetime:
    """A moment of 2025 on the agency's clock."""
    return datetime.fromisoformat(f"2025-{month:02}-{day:02}T{time}").replace(tzinfo=PACIFIC)


@dataclass
class Agency:
    """One worker (an MHRS), a supervisor and two clients; the clock stands at 1 December 2025 and is moved by hand."""

    url: str
    clock: ManualClock = field(default_factory=lambda: ManualClock(datetime(2025, 12, 1, 17, 0, tzinfo=UTC)))

    def __post_init__(self) -> None:
        self.recorder = open_store(self.url, self.clock)
        self.ledger = Ledger(self.recorder, clock=self.clock, ids=SeededIds("agency"))
        self.worker, self.supervisor = self.new(), self.new()
        self.clients = [self.new(), self.new()]
        for staff_id, given, roles in (
            (self.worker, "Ann", ("clinician",)),
            (self.supervisor, "Bea", ("supervisor", "compliance")),
        ):
            self.do(
                s.RegisterStaff(
                    staff_id=staff_id,
                    name=s.PersonName(family="Example", given=given),
                    roles=roles,
                    programs=("psc",),
                    hired_on=date(2024, 1, 1),
                )
            )
        self.do(
            s.RecordCredential(
                staff_id=self.worker,
                credential_id=self.new(),
                credential_kind="mhrs",
                number="1",
                issued_on=date(2024, 1, 1),
                taxonomy="171M00000X",
            )
        )
        self.do(s.SetSchedule(staff_id=self.worker, effective_from=date(2024, 1, 1), minutes=OFFICE_WEEK))
        for number, client in enumerate(self.clients):
            self.do(
                c.RegisterClient(
                    client_id=client,
                    name=s.PersonName(family="Client", given=f"N{number}"),
                    birth_date=date(1980, 5, 1),
                    cin=f"9123456{number}A",
                )
            )
            self.do(c.OpenEpisode(client_id=client, episode_id=self.new(), program="psc", opened_on=date(2025, 1, 1)))
            self.do(
                c.RecordDiagnosis(
                    client_id=client,
                    diagnosis_id=self.new(),
                    system="icd-10-cm",
                    code="F20.9",
                    display="x",
                    onset=date(2025, 1, 1),
                )
            )

    def new(self) -> str:
        return self.ledger.ids.new()

    def do(self, command: Command, actor: str = "system:setup") -> None:
        self.ledger.execute(Request(command=command, actor_id=actor, purpose="operations", command_id=self.new()))

    def service(self, day: int, time: str, minutes: int, *, client: int = 0, sign: bool = True, **facts: Any) -> str:
        """A service of November 2025 with its note; returns the contact's id."""
        started = pacific(day, time)
        contact = self.new()
        values: dict[str, Any] = {
            "contact_id": contact,
            "client_id": self.clients[client],
            "staff_id": self.worker,
            "program": "psc",
            "contact_kind": "case_management",
            "service_code": "T1017",
            "started_at": started,
            "ended_at": started + timedelta(minutes=minutes),
            "direct_minutes": minutes,
        } | facts
        self.do(RecordContact(**values), self.worker)
        note = self.note_of(contact)
        self.do(DraftNote(note_id=note, contact_id=contact, content=COMPLETE), self.worker)
        if sign:
            self.do(SignNote(note_id=note), self.worker)
        return contact

    def note_of(self, contact: str) -> str:
        """The id of a contact's note, made from the contact's."""
        return contact[:-1] + ("0" if contact[-1] != "0" else "1")

    def run(self, *words: str, actor: str | None = None) -> Result:
        """The command line on this database."""
        runner = CliRunner()
        settings = {"LEDGER_DATABASE": self.url, "LEDGER_ACTOR": actor or self.supervisor}
        return runner.invoke(cli, list(words), env=settings)

    def read(self, *words: str) -> Any:
        """What a command prints for a program, when it went well."""
        done = self.run("--json", *words)
        assert done.exit_code == 0, (done.output, done.exception)
        return json.loads(done.stdout)
