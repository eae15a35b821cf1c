"""A small clinic on a real store, with a clock that is set by hand: what a trace is made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from ledger.aggregates.client_events import OpenEpisode, RegisterClient
from ledger.aggregates.contact import CorrectContact, RecordContact
from ledger.aggregates.dispute import AddEvidence, DecideDispute, OpenDispute
from ledger.aggregates.note_events import (
    DraftNote,
    GrantExtension,
    NoteContent,
    RefuseExtension,
    RequestExtension,
    SignNote,
    WriteNote,
)
from ledger.aggregates.policy import AdoptPolicy
from ledger.aggregates.staff import AssignSupervisor, PersonName, RecordCredential, RegisterStaff
from ledger.aggregates.vocabulary import Command
from ledger.application.commands import Ledger, Request
from ledger.application.reading import open_charts
from ledger.clock import ManualClock, SeededIds
from ledger.grants import Grant
from ledger.store.database import open_store
from ledger.store.recorder import Recorder
from ledger.tracing.findings import Opinion, Trace
from ledger.tracing.trace import trace_note

PACIFIC = ZoneInfo("America/Los_Angeles")
SETUP = "system:setup"
CONTENT = NoteContent(
    sections={"problem": "p", "intervention": "i", "response": "r", "plan": "secret words"}, no_plan_reason="intake"
)


def at(text: str) -> datetime:
    """A Pacific wall-clock time: ``2026-11-20 15:00``."""
    return datetime.fromisoformat(text).replace(tzinfo=PACIFIC)


@dataclass
class Clinic:
    """One author, her supervisor, a compliance officer and one client of program psc."""

    url: str
    clock: ManualClock = field(default_factory=lambda: ManualClock(at("2026-10-01 08:00")))
    author: str = ""
    supervisor: str = ""
    officer: str = ""
    client: str = ""
    contact: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        self.recorder: Recorder = open_store(self.url, self.clock)
        self.ledger = Ledger(self.recorder, clock=self.clock, ids=SeededIds("clinic"))
        self.author = self._staff("Ann", "clinician")
        self.supervisor = self._staff("Sam", "supervisor", "compliance")
        self.officer = self._staff("Kim", "compliance")
        self.do(AssignSupervisor(staff_id=self.author, supervisor_id=self.supervisor, effective_from=date(2026, 1, 1)))
        self.client = self.new()
        self.do(
            RegisterClient(
                client_id=self.client, name=PersonName(family="Client", given="Cleo"), birth_date=date(1980, 1, 1)
            )
        )
        self.do(OpenEpisode(client_id=self.client, episode_id=self.new(), program="psc", opened_on=date(2026, 1, 2)))

    def new(self) -> str:
        return self.ledger.ids.new()

    def do(
        self, command: Command, actor: str = SETUP, when: datetime | None = None, said: datetime | None = None
    ) -> None:
        """Carry a command out ``when`` the server's clock says, and ``said`` to have happened at another time."""
        if when is not None:
            self.clock.set(when)
        self.ledger.execute(
            Request(command=command, actor_id=actor, purpose="treatment", command_id=self.new(), occurred_at=said)
        )

    def _staff(self, given: str, *roles: str) -> str:
        who = self.new()
        self.do(
            RegisterStaff(
                staff_id=who,
                name=PersonName(family="Sample", given=given),
                roles=roles,
                programs=("psc",),
                hired_on=date(2025, 1, 1),
            )
        )
        self.do(
            RecordCredential(
                staff_id=who, credential_id=self.new(), credential_kind="lcsw", number="1", issued_on=date(2025, 1, 1)
            )
        )
        return who

    def serve(self, ended: datetime, when: datetime | None = None, program: str = "psc") -> str:
        """An hour of service, recorded when it ended unless said otherwise."""
        self.contact = self.new()
        command = RecordContact(
            contact_id=self.contact,
            client_id=self.client,
            staff_id=self.author,
            program=program,
            contact_kind="individual",
            started_at=ended - timedelta(hours=1),
            ended_at=ended,
            direct_minutes=10,
        )
        self.do(command, self.author, when or ended)
        return self.contact

    def draft(self, when: datetime) -> str:
        self.note = self.new()
        self.do(DraftNote(note_id=self.note, contact_id=self.contact), self.author, when)
        self.do(WriteNote(note_id=self.note, content=CONTENT), self.author, when)
        return self.note

    def sign(self, when: datetime, said: datetime | None = None, reason: str | None = None) -> None:
        self.do(SignNote(note_id=self.note, late_reason=reason), self.author, when, said)

    def ask(self, when: datetime, reason: str = "two crises that day") -> str:
        request = self.new()
        self.do(RequestExtension(note_id=self.note, request_id=request, reason=reason), self.author, when)
        return request

    def grant(self, request: str, when: datetime) -> None:
        self.do(GrantExtension(note_id=self.note, request_id=request, comment="agreed"), self.supervisor, when)

    def refuse(self, request: str, when: datetime) -> None:
        self.do(RefuseExtension(note_id=self.note, request_id=request), self.supervisor, when)

    def correct_end(self, ended: datetime, when: datetime) -> None:
        self.do(CorrectContact(contact_id=self.contact, reason="wrong day", ended_at=ended), self.author, when)

    def adopt(self, rule: str, reading: str, first_day: date, when: datetime, program: str | None = None) -> None:
        command = AdoptPolicy(
            policy_id=self.new(),
            rule_id=rule,
            reading=reading,
            effective_from=first_day,
            policy_version="1",
            reason="board decision",
            program=program,
        )
        self.do(command, SETUP, when)

    def dispute(self, when: datetime) -> None:
        dispute = self.new()
        self.do(OpenDispute(dispute_id=dispute, note_id=self.note, claim="the clock was wrong"), self.author, when)
        evidence = AddEvidence(dispute_id=dispute, evidence_id=self.new(), kind="statement", text="I signed in time")
        self.do(evidence, self.author, when)
        decision = DecideDispute(
            dispute_id=dispute, outcome="overturned", rule_id="PSC-13", reading="3-business-days", reasoning="outage"
        )
        self.do(decision, self.officer, when + timedelta(hours=1))

    def read(
        self, reader: str, when: datetime | None = None, known: datetime | None = None, page: str = "chart"
    ) -> Grant:
        """Somebody opens the chart."""
        if when is not None:
            self.clock.set(when)
        return open_charts(
            self.ledger,
            [self.client],
            reader=reader,
            purpose="operations",
            surface="cli",
            resource=page,
            as_known_at=known,
        )

    def trace(self, known: datetime | None = None) -> Trace:
        grant = self.read(self.officer, known=known, page="trace")
        return trace_note(self.recorder, grant, self.note, as_at=self.clock.now(), zone="America/Los_Angeles")


def in_force(trace: Trace, rule_id: str) -> Opinion:
    """The opinion of a rule under the reading in force."""
    return next(opinion for opinion in trace.opinions if opinion.rule_id == rule_id and opinion.adopted)


def under(trace: Trace, rule_id: str, reading: str) -> Opinion:
    return next(o for o in trace.opinions if o.rule_id == rule_id and o.reading == reading)
