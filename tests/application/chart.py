"""A small chart, recorded by commands through a ledger: Ann, her supervisor Sue, a client, a contact, a draft."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from tests.sample import ANN, ASSIGNMENT, BOB, CLIENT, CONTACT, ENDED, EPISODE, NOTE, PIRP, STARTED, SUE, ident

from ledger.aggregates.client_events import AssignCoordinator, OpenEpisode, RegisterClient
from ledger.aggregates.contact import RecordContact
from ledger.aggregates.note_events import DraftNote, NoteContent
from ledger.aggregates.staff import AssignSupervisor, PersonName, RecordCredential, RegisterStaff
from ledger.aggregates.vocabulary import Command
from ledger.application.commands import Ledger, Request, Result
from ledger.store.recorder import Recorder

SETUP = "system:setup"
CONTENT = NoteContent(sections=PIRP, no_plan_reason="intake")


def ask(command: Command, by: str = SETUP, word: str | None = None, **rest: Any) -> Request:
    """A request whose command id is made from the word (by default from the command's name and content)."""
    command_id = ident(word or f"{command.NAME} {command}")
    return Request(command=command, actor_id=by, purpose="operations", command_id=command_id, **rest)


def staff(who: str, name: str, role: str) -> list[Request]:
    registered = RegisterStaff(
        staff_id=who,
        name=PersonName(family="Sample", given=name),
        roles=(role,),
        programs=("psc",),
        hired_on=date(2024, 1, 1),
    )
    held = RecordCredential(
        staff_id=who,
        credential_id=ident(f"{who} lcsw"),
        credential_kind="lcsw",
        number="SAMPLE-1",
        issued_on=date(2024, 1, 1),
    )
    return [ask(registered), ask(held)]


def client(client_id: str = CLIENT) -> Request:
    named = PersonName(family="Doe", given="Jo")
    return ask(RegisterClient(client_id=client_id, name=named, birth_date=date(1980, 5, 1)))


def contact(contact_id: str = CONTACT, started_at: datetime = STARTED, ended_at: datetime = ENDED) -> Request:
    return ask(
        RecordContact(
            contact_id=contact_id,
            client_id=CLIENT,
            staff_id=ANN,
            program="psc",
            contact_kind="individual",
            started_at=started_at,
            ended_at=ended_at,
            direct_minutes=55,
        ),
        by=ANN,
    )


def open_chart(ledger: Ledger) -> list[Result]:
    """Record the people, the client and a contact with its draft, in one transaction."""
    return ledger.execute_batch(
        [
            *staff(ANN, "Ann", "clinician"),
            *staff(BOB, "Bob", "clinician"),
            *staff(SUE, "Sue", "supervisor"),
            ask(AssignSupervisor(staff_id=ANN, supervisor_id=SUE, effective_from=date(2024, 1, 1))),
            client(),
            ask(OpenEpisode(client_id=CLIENT, episode_id=EPISODE, program="psc", opened_on=date(2025, 10, 1))),
            ask(
                AssignCoordinator(
                    client_id=CLIENT,
                    assignment_id=ASSIGNMENT,
                    staff_id=ANN,
                    program="psc",
                    first_day=date(2025, 10, 1),
                )
            ),
            contact(),
            ask(DraftNote(note_id=NOTE, contact_id=CONTACT, content=CONTENT), by=ANN, occurred_at=ENDED),
        ]
    )


def whole_log(recorder: Recorder) -> list[Any]:
    recorder.sequence()
    return list(recorder.read_log(0, 10_000))
