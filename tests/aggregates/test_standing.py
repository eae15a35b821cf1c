"""Who may act on what is not their own: the owner always, others by their role, nobody else (PSC-11, CSS-14)."""

from __future__ import annotations

import pytest
from tests.aggregates.test_note_afterwards import SIGNED
from tests.notation import given
from tests.sample import ANN, CHART, CONTACT, NOTE, SUE, contact_of, ident, person

from ledger.aggregates.base import command_types, handlers
from ledger.aggregates.contact import ContactRecorded, CorrectContact, MarkContactInError, RecordContact
from ledger.aggregates.note_events import AddAddendum, MarkLateEntry, MarkNoteInError
from ledger.aggregates.standing import MAY
from ledger.aggregates.vocabulary import Command

BILL = ident("bill")
BILLER = person(BILL, "Bill", "biller", credential=None)
EVERYBODY = (*CHART, BILLER, SIGNED)
FACTS = contact_of("individual")


def record_contact() -> RecordContact:
    return RecordContact(
        contact_id=ident("another contact"),
        client_id=FACTS.client_id,
        staff_id=ANN,
        program=FACTS.program,
        contact_kind=FACTS.contact_kind,
        started_at=FACTS.started_at,
        ended_at=FACTS.ended_at,
        direct_minutes=FACTS.direct_minutes,
    )


COMMANDS: dict[str, Command] = {
    command.NAME: command
    for command in (
        record_contact(),
        CorrectContact(contact_id=CONTACT, reason="wrong place", place="12"),
        MarkContactInError(contact_id=CONTACT, reason="another chart"),
        MarkNoteInError(note_id=NOTE, reason="another chart"),
        MarkLateEntry(note_id=NOTE, reason="written the week after"),
        AddAddendum(note_id=NOTE, addendum_id=ident("an addendum"), text="The landlord rang"),
    )
}


def test_the_table_names_commands_that_exist_and_each_is_tried_here() -> None:
    assert set(MAY) == set(COMMANDS)
    assert set(MAY) <= set(command_types())
    assert all(type(command) in handlers() for command in COMMANDS.values())


@pytest.mark.parametrize("name", sorted(MAY))
def test_the_owner_and_a_supervisor_may_and_a_biller_may_not(name: str) -> None:
    command = COMMANDS[name]
    for actor in (ANN, SUE):
        assert given(*EVERYBODY).when(command, by=actor).changes, f"{actor} may {name}"
    given(*EVERYBODY).when(command, by=BILL).then_refused("actor", "no standing")


def test_a_contact_that_is_imported_needs_no_standing() -> None:
    given(*EVERYBODY).when(record_contact(), by="system:import").then_a(ContactRecorded, staff_id=ANN)
