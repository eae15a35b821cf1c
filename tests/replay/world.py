"""A small agency that real commands are thrown at, in any order: two charts, three people, everything a chart can hold.

An action that is refused has written nothing and is no mistake here: the generator does not know the rules.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

from ledger.aggregates import client_events as c
from ledger.aggregates import contact as k
from ledger.aggregates import dispute as d
from ledger.aggregates import note_events as n
from ledger.aggregates import plan_events as p
from ledger.aggregates.staff import PersonName, RecordCredential, RegisterStaff
from ledger.aggregates.vocabulary import Command
from ledger.application.commands import Ledger, Request
from ledger.application.reading import open_charts
from ledger.clock import ManualClock, SeededIds
from ledger.errors import Refused
from ledger.grants import Grant
from ledger.store.database import open_store
from ledger.store.recorder import Recorder

START = datetime(2025, 3, 3, 16, 0, tzinfo=UTC)
FIRST_DAY = date(2025, 1, 6)
PACIFIC = timezone(timedelta(hours=-8))
WORDS = (
    "calm",
    "worried about rent",
    "walked to the clinic",
    "müde, aber zuversichtlich",
    "line one\nline two",
    "<b>&",
)


@cache
def _template() -> Path:
    """A migrated, empty database file, to copy: making the tables is the slow part."""
    folder = Path(tempfile.mkdtemp(prefix="ledger-template-"))
    open_store(f"sqlite:///{folder / 'empty.db'}", ManualClock(START)).engine.dispose()
    return folder / "empty.db"


@contextmanager
def a_world() -> Iterator[World]:
    """A world on a database file of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ledger.db"
        shutil.copy(_template(), file)
        clock = ManualClock(START)
        recorder = open_store(f"sqlite:///{file}", clock)
        try:
            yield World(recorder, clock)
        finally:
            recorder.engine.dispose()


class World:
    """The agency: what exists in it so far, and the actions that can be tried on it."""

    def __init__(self, recorder: Recorder, clock: ManualClock) -> None:
        self.recorder, self.clock = recorder, clock
        self.ledger = Ledger(recorder, clock=clock, ids=SeededIds("world"))
        self.new = self.ledger.ids.new
        self.staff, self.supervisor, self.officer = self.new(), self.new(), self.new()
        self.charts: list[str] = [self.new(), self.new()]
        self.episodes: list[tuple[str, str]] = []
        self.assignments: list[tuple[str, str]] = []
        self.diagnoses: list[tuple[str, str]] = []
        self.contacts: list[str] = []
        self.notes: list[str] = []
        self.plans: list[str] = []
        self.disputes: list[str] = []
        self.requests: list[tuple[str, str]] = []
        self.refused = 0
        self._begin()

    def give(self, command: Command, actor: str = "system:setup", occurred_at: datetime | None = None) -> bool:
        """Try a command; False when it was refused."""
        request = Request(
            command=command, actor_id=actor, purpose="treatment", command_id=self.new(), occurred_at=occurred_at
        )
        try:
            self.ledger.execute(request)
        except Refused:
            self.refused += 1
            return False
        return True

    def read(self, charts: list[str], **moment: object) -> Grant:
        """Open charts, leaving the trace."""
        return open_charts(
            self.ledger,
            charts,
            reader=self.supervisor,
            purpose="operations",
            surface="test",
            resource="chart",
            **moment,  # type: ignore[arg-type]  # as_known_at or as_of
        )

    def at(self, chart_id: str, position: int, as_of: date | None = None) -> Grant:
        """A grant for one position, as one that was given then: reading the past leaves the log as it is."""
        return Grant(
            access_id="test",
            reader_id=self.supervisor,
            purpose="test",
            charts=frozenset((chart_id,)),
            position=position,
            as_of=as_of,
        )

    def _begin(self) -> None:
        for staff_id, name, roles in (
            (self.staff, "Rosa", ("clinician",)),
            (self.supervisor, "Sam", ("supervisor", "clinician", "compliance")),
            (self.officer, "Olga", ("compliance",)),
        ):
            assert self.give(
                RegisterStaff(
                    staff_id=staff_id,
                    name=PersonName(family="Example", given=name),
                    roles=roles,
                    programs=("psc",),
                    hired_on=date(2020, 1, 1),
                )
            )
            assert self.give(
                RecordCredential(
                    staff_id=staff_id,
                    credential_id=self.new(),
                    credential_kind="lcsw",
                    number="1",
                    issued_on=date(2020, 1, 1),
                    taxonomy="1041C0700X",
                )
            )
        for number, chart in enumerate(self.charts):
            name_of = PersonName(family="Sample", given=f"Client {number}")
            assert self.give(c.RegisterClient(client_id=chart, name=name_of, birth_date=date(1980, 5, 1)))
            self.open_episode(number)

    # Every action takes one number and reads its choices from it.

    def chart(self, choice: int) -> str:
        return self.charts[choice % len(self.charts)]

    @staticmethod
    def day(choice: int) -> date:
        return FIRST_DAY + timedelta(days=choice % 53)

    @staticmethod
    def text(choice: int) -> str:
        return WORDS[choice % len(WORDS)]

    def correct_details(self, choice: int) -> None:
        phone = f"555-01{choice % 100:02d}"
        self.give(c.CorrectClientDetails(client_id=self.chart(choice), reason=self.text(choice), phone=phone))

    def open_episode(self, choice: int) -> None:
        chart, episode = self.chart(choice), self.new()
        program = "psc" if choice < 2 else "ecm"
        day = FIRST_DAY if choice < 2 else self.day(choice)
        if self.give(c.OpenEpisode(client_id=chart, episode_id=episode, program=program, opened_on=day)):
            self.episodes.append((chart, episode))

    def close_episode(self, choice: int) -> None:
        chart, episode = self.episodes[choice % len(self.episodes)]
        day = self.day(choice // 7) + timedelta(days=20)
        self.give(c.CloseEpisode(client_id=chart, episode_id=episode, closed_on=day, reason=self.text(choice)))

    def assign(self, choice: int) -> None:
        chart, assignment = self.chart(choice), self.new()
        staff = (self.staff, self.supervisor)[choice // 2 % 2]
        if self.give(
            c.AssignCoordinator(
                client_id=chart, assignment_id=assignment, staff_id=staff, program="psc", first_day=self.day(choice)
            )
        ):
            self.assignments.append((chart, assignment))

    def release(self, choice: int) -> None:
        if self.assignments:
            chart, assignment = self.assignments[choice % len(self.assignments)]
            last = self.day(choice // 3) + timedelta(days=10)
            self.give(c.ReleaseCoordinator(client_id=chart, assignment_id=assignment, last_day=last, reason="moved on"))

    def diagnose(self, choice: int) -> None:
        chart, diagnosis = self.chart(choice), self.new()
        if self.give(
            c.RecordDiagnosis(
                client_id=chart,
                diagnosis_id=diagnosis,
                system="icd-10-cm",
                code=f"F{20 + choice % 20}",
                display=self.text(choice),
                onset=self.day(choice),
            )
        ):
            self.diagnoses.append((chart, diagnosis))

    def resolve(self, choice: int) -> None:
        if self.diagnoses:
            chart, diagnosis = self.diagnoses[choice % len(self.diagnoses)]
            day = self.day(choice // 3) + timedelta(days=10)
            self.give(c.ResolveDiagnosis(client_id=chart, diagnosis_id=diagnosis, resolved_on=day))

    def contact(self, choice: int) -> None:
        contact = self.new()
        started = datetime(2025, 1, 6, 9 + choice % 8, 0, tzinfo=PACIFIC) + timedelta(days=choice % 53)
        if self.give(
            k.RecordContact(
                contact_id=contact,
                client_id=self.chart(choice),
                staff_id=self.staff,
                program="psc",
                contact_kind="individual",
                started_at=started,
                ended_at=started + timedelta(hours=1),
                direct_minutes=choice % 61,
                outcome=self.text(choice),
            ),
            self.staff,
        ):
            self.contacts.append(contact)

    def correct_contact(self, choice: int) -> None:
        if self.contacts:
            contact = self.contacts[choice % len(self.contacts)]
            self.give(k.CorrectContact(contact_id=contact, reason="typing", travel_minutes=choice % 90), self.staff)

    def contact_in_error(self, choice: int) -> None:
        if self.contacts and choice % 4 == 0:
            contact = self.contacts[choice % len(self.contacts)]
            self.give(k.MarkContactInError(contact_id=contact, reason="wrong chart"), self.staff)

    def draft(self, choice: int) -> None:
        if self.contacts:
            note = self.new()
            contact = self.contacts[choice % len(self.contacts)]
            if self.give(n.DraftNote(note_id=note, contact_id=contact, content=self.content(choice)), self.staff):
                self.notes.append(note)

    def content(self, choice: int) -> n.NoteContent:
        sections = {
            name: self.text(choice + i) for i, name in enumerate(("problem", "intervention", "response", "plan"))
        }
        return n.NoteContent(sections=sections, no_plan_reason="intake")

    def _on_note(self, choice: int, make: Callable[[str], Command], actor: str) -> bool:
        return bool(self.notes) and self.give(make(self.notes[choice % len(self.notes)]), actor)

    def write(self, choice: int) -> None:
        self._on_note(choice, lambda note: n.WriteNote(note_id=note, content=self.content(choice)), self.staff)

    def sign(self, choice: int) -> None:
        self._on_note(choice, lambda note: n.SignNote(note_id=note, late_reason=self.text(choice)), self.staff)

    def cosign(self, choice: int) -> None:
        self._on_note(choice, lambda note: n.CosignNote(note_id=note), self.supervisor)

    def addendum(self, choice: int) -> None:
        text = self.text(choice)
        self._on_note(choice, lambda i: n.AddAddendum(note_id=i, addendum_id=self.new(), text=text), self.supervisor)

    def amend(self, choice: int) -> None:
        def make(note: str) -> Command:
            return n.AmendNote(
                note_id=note,
                amendment_id=self.new(),
                kind="correction",
                section="plan",
                text=self.text(choice),
                reason="clearer",
            )

        self._on_note(choice, make, self.staff)

    def late_entry(self, choice: int) -> None:
        self._on_note(choice, lambda note: n.MarkLateEntry(note_id=note, reason="was missed"), self.staff)

    def note_in_error(self, choice: int) -> None:
        if choice % 4 == 0:
            self._on_note(choice, lambda note: n.MarkNoteInError(note_id=note, reason="wrong chart"), self.staff)

    def ask_for_time(self, choice: int) -> None:
        request = self.new()
        if self._on_note(
            choice, lambda note: n.RequestExtension(note_id=note, request_id=request, reason="ill"), self.staff
        ):
            self.requests.append((self.notes[choice % len(self.notes)], request))

    def decide_time(self, choice: int) -> None:
        if self.requests:
            note, request = self.requests[choice % len(self.requests)]
            kind = (n.GrantExtension, n.RefuseExtension)[choice % 2]
            self.give(kind(note_id=note, request_id=request, comment=self.text(choice)), self.supervisor)

    def goals(self, choice: int) -> tuple[p.Goal, ...]:
        return tuple(
            p.Goal(
                number=str(goal),
                text=self.text(choice + goal),
                objectives=(
                    p.Objective(
                        number=f"{goal}.1",
                        text=self.text(choice),
                        measure="times a week",
                        target=str(choice % 5),
                        due=date(2025, 9, 1),
                    ),
                ),
            )
            for goal in range(1, 2 + choice % 3)
        )

    def plan(self, choice: int) -> None:
        plan = self.new()
        command = p.DraftPlan(plan_id=plan, client_id=self.chart(choice), program="psc", goals=self.goals(choice))
        if self.give(command, self.staff):
            self.plans.append(plan)

    def _on_plan(self, choice: int, make: Callable[[str], Command]) -> None:
        if self.plans:
            self.give(make(self.plans[choice % len(self.plans)]), self.staff)

    def today(self, choice: int) -> date:
        """The day it is, or one of the next few."""
        return self.clock.now().astimezone(self.ledger.zone).date() + timedelta(days=choice % 4)

    def put_in_force(self, choice: int) -> None:
        self._on_plan(choice, lambda plan: p.PutPlanInForce(plan_id=plan, effective_from=self.today(choice)))

    def client_signs(self, choice: int) -> None:
        self._on_plan(choice, lambda plan: p.RecordClientSignature(plan_id=plan, signed_by="the client"))

    def client_does_not_sign(self, choice: int) -> None:
        self._on_plan(choice, lambda i: p.RecordMissingSignature(plan_id=i, why="refused", reason="not today"))

    def revise(self, choice: int) -> None:
        self._on_plan(choice, lambda plan: p.RevisePlan(plan_id=plan, reason="a move", goals=self.goals(choice)))

    def review(self, choice: int) -> None:
        outcome = p.ObjectiveOutcome(number="1.1", outcome="partly_met")
        self._on_plan(choice, lambda i: p.ReviewPlan(plan_id=i, outcomes=(outcome,), summary=self.text(choice)))

    def end_plan(self, choice: int) -> None:
        if choice % 3 == 0:
            self._on_plan(choice, lambda plan: p.EndPlan(plan_id=plan, last_day=self.today(choice), reason="reached"))

    def dispute(self, choice: int) -> None:
        dispute = self.new()
        if self._on_note(
            choice, lambda note: d.OpenDispute(dispute_id=dispute, note_id=note, claim="I was in time"), self.staff
        ):
            self.disputes.append(dispute)

    def evidence(self, choice: int) -> None:
        if self.disputes:
            dispute = self.disputes[choice % len(self.disputes)]
            self.give(
                d.AddEvidence(dispute_id=dispute, evidence_id=self.new(), kind="statement", text=self.text(choice)),
                self.staff,
            )

    def decide_dispute(self, choice: int) -> None:
        if self.disputes:
            dispute = self.disputes[choice % len(self.disputes)]
            self.give(
                d.DecideDispute(
                    dispute_id=dispute,
                    outcome="upheld",
                    rule_id="PSC-13",
                    reading="72-elapsed-hours",
                    reasoning=self.text(choice),
                ),
                self.officer,
            )

    def look(self, choice: int) -> None:
        charts = self.charts if choice % 3 == 0 else [self.chart(choice)]
        self.read(charts, **({"as_of": self.day(choice)} if choice % 2 else {}))


ACTIONS: tuple[Callable[[World, int], None], ...] = (
    World.correct_details,
    World.open_episode,
    World.close_episode,
    World.assign,
    World.release,
    World.diagnose,
    World.resolve,
    World.contact,
    World.contact,
    World.correct_contact,
    World.contact_in_error,
    World.draft,
    World.draft,
    World.write,
    World.sign,
    World.sign,
    World.cosign,
    World.addendum,
    World.amend,
    World.late_entry,
    World.note_in_error,
    World.ask_for_time,
    World.decide_time,
    World.plan,
    World.put_in_force,
    World.client_signs,
    World.client_does_not_sign,
    World.revise,
    World.review,
    World.end_plan,
    World.dispute,
    World.evidence,
    World.decide_dispute,
    World.look,
)

Step = tuple[int, int, int]
#: An action, its choice, and the minutes that pass before it (none: two events of one instant).
steps: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(st.integers(0, len(ACTIONS) - 1), st.integers(2, 5000), st.sampled_from((0, 0, 1, 90, 1500))),
    min_size=5,
    max_size=40,
)


def play(world: World, what: list[Step]) -> Iterator[int]:
    """Try the actions in turn; yields the head of the log after each."""
    for action, choice, minutes in what:
        world.clock.advance(timedelta(minutes=minutes))
        ACTIONS[action](world, choice)
        yield world.recorder.sequence()


def full_story(world: World) -> None:
    """One fixed story in which every kind of chart event happens: each action once or twice, in an order that works."""
    order = (
        World.correct_details, World.open_episode, World.assign, World.diagnose, World.contact, World.contact,
        World.correct_contact, World.plan, World.put_in_force, World.client_does_not_sign, World.client_signs,
        World.revise, World.put_in_force, World.review, World.draft, World.write, World.ask_for_time, World.decide_time,
        World.sign, World.cosign, World.addendum, World.amend, World.late_entry, World.dispute, World.evidence,
        World.decide_dispute, World.look, World.release, World.resolve, World.close_episode, World.end_plan,
    )  # fmt: skip
    for action in order:
        world.clock.advance(timedelta(minutes=7))
        action(world, 12)
    world.clock.advance(timedelta(minutes=7))
    world.draft(13)
    note, request = world.notes[-1], world.new()
    world.give(n.RequestExtension(note_id=note, request_id=request, reason="ill"), world.staff)
    world.give(n.RefuseExtension(note_id=note, request_id=request), world.supervisor)
    world.give(n.MarkNoteInError(note_id=note, reason="wrong service"), world.staff)
    world.give(k.MarkContactInError(contact_id=world.contacts[-1], reason="wrong chart"), world.staff)
