"""The people and things of the examples: a clinician, her supervisor, a client, a contact, a plan, a draft."""

from __future__ import annotations

from datetime import date, datetime

from tests.notation import Stream, of

from ledger.aggregates.client_events import ClientRegistered, CoordinatorAssigned, EpisodeOpened
from ledger.aggregates.contact import ContactRecorded
from ledger.aggregates.note_events import NoteContent, NoteDrafted, ObjectiveReference
from ledger.aggregates.plan_events import Goal, Objective, PlanDrafted, PlanPutInForce
from ledger.aggregates.staff import CredentialRecorded, PersonName, StaffRegistered
from ledger.clock import derived_id


def ident(word: str) -> str:
    """The id that this word stands for."""
    return derived_id("sample", word)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def person(
    who: str, given_name: str, *roles: str, hired_on: date = date(2024, 1, 1), credential: str | None = "lcsw"
) -> Stream:
    """A staff member, with a signing credential from 2024 unless told otherwise."""
    name = PersonName(family="Sample", given=given_name)
    began = of(who, StaffRegistered(name=name, roles=roles, programs=("psc",), hired_on=hired_on))
    if credential is None:
        return began
    return began.and_then(
        CredentialRecorded(
            credential_id=ident(f"{who} credential"),
            credential_kind=credential,
            number="SAMPLE-1",
            issued_on=date(2024, 1, 1),
            expires_on=date(2026, 12, 31),
            taxonomy="1041C0700X",
        )
    )


ANN, BOB, SUE, COLE, ROSA = (ident(name) for name in ("ann", "bob", "sue", "cole", "rosa"))
NOBODY = ident("nobody")
CLIENT, EPISODE, ASSIGNMENT, CONTACT, NOTE, PLAN = (
    ident(name) for name in ("client", "episode", "assignment", "contact", "note", "plan")
)

CLINICIAN = person(ANN, "Ann", "clinician")
COLLEAGUE = person(BOB, "Bob", "clinician")
SUPERVISOR = person(SUE, "Sue", "supervisor")
COMPLIANCE = person(COLE, "Cole", "compliance", credential=None)
TRAINEE = person(ROSA, "Rosa", "clinician", credential=None)

STARTED, ENDED = moment("2026-01-02T14:00:00-08:00"), moment("2026-01-02T15:00:00-08:00")

A_CLIENT = of(
    CLIENT,
    ClientRegistered(name=PersonName(family="Doe", given="Jo"), birth_date=date(1980, 5, 1), sex="female"),
    EpisodeOpened(episode_id=EPISODE, program="psc", opened_on=date(2025, 10, 1)),
)
COORDINATED = A_CLIENT.and_then(
    CoordinatorAssigned(assignment_id=ASSIGNMENT, staff_id=ANN, program="psc", first_day=date(2025, 10, 1))
)


def contact_of(kind: str, staff_id: str = ANN) -> ContactRecorded:
    return ContactRecorded(
        client_id=CLIENT,
        staff_id=staff_id,
        program="psc",
        contact_kind=kind,
        started_at=STARTED,
        ended_at=ENDED,
        direct_minutes=55,
        travel_minutes=10,
        documentation_minutes=0,
        place="12",
        delivery="in_person",
    )


A_CONTACT = of(CONTACT, contact_of("individual"))

GOALS = (
    Goal(
        number="1",
        text="I want my own place",
        objectives=(
            Objective(number="1.1", text="See two flats", measure="visits", target="2", due=date(2026, 3, 1)),
            Objective(number="1.2", text="Save a deposit", measure="dollars", target="900", due=date(2026, 6, 1)),
        ),
    ),
)
A_PLAN = of(PLAN, PlanDrafted(client_id=CLIENT, program="psc", goals=GOALS, author_id=ANN))


def in_force(since: date, version: int = 1) -> PlanPutInForce:
    return PlanPutInForce(
        client_id=CLIENT,
        plan_version=version,
        effective_from=since,
        signer_id=ANN,
        printed_name="Ann Sample",
        credential="lcsw",
    )


PLAN_IN_FORCE = A_PLAN.and_then(in_force(date(2025, 11, 1)))

PIRP = {"problem": "Rent is late", "intervention": "Called", "response": "Relieved", "plan": "Visit on Monday"}
COMPLETE = NoteContent(
    sections=PIRP, objectives=(ObjectiveReference(plan_id=PLAN, objective="1.1", progress="One flat seen"),)
)


def draft_of(content: NoteContent, document: str = "progress_note") -> Stream:
    return of(
        NOTE,
        NoteDrafted(
            contact_id=CONTACT,
            client_id=CLIENT,
            author_id=ANN,
            program="psc",
            document=document,
            service_started_at=STARTED,
            service_ended_at=ENDED,
            content=content,
        ),
    )


A_DRAFT = draft_of(COMPLETE)
EVERYBODY = (CLINICIAN, COLLEAGUE, SUPERVISOR, COMPLIANCE, TRAINEE)
CHART = (*EVERYBODY, A_CLIENT, A_CONTACT, PLAN_IN_FORCE)
