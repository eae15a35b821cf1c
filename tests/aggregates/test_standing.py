"""Who may act on what is not their own: the owner always, others by their role, nobody else (PSC-11, CSS-14)."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest
from tests.aggregates.test_agency import ADOPT, ADOPTED, POLICY
from tests.aggregates.test_note_afterwards import SIGNED
from tests.notation import given
from tests.sample import ANN, BOB, CHART, COLE, CONTACT, NOTE, SUE, contact_of, ident, person

from ledger.aggregates.base import command_types, handlers
from ledger.aggregates.contact import ContactRecorded, CorrectContact, MarkContactInError, RecordContact
from ledger.aggregates.note_events import AddAddendum, MarkLateEntry, MarkNoteInError
from ledger.aggregates.policy import RetirePolicy
from ledger.aggregates.standing import MAY
from ledger.aggregates.vocabulary import Command

BILL = ident("bill")
#: Credentials alone give no standing.
BILLER = person(BILL, "Bill", "biller")
EVERYBODY = (*CHART, BILLER, SIGNED, ADOPTED)
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
        msgspec.structs.replace(ADOPT, policy_id=ident("another policy")),
        RetirePolicy(policy_id=POLICY, last_day=date(2026, 3, 31), reason="new contract"),
    )
}
#: What belongs to the agency has no owner.
OWNED = sorted(set(MAY) - {"adopt-policy", "retire-policy"})


def test_the_table_names_commands_that_exist_and_each_is_tried_here() -> None:
    assert set(MAY) == set(COMMANDS)
    assert set(MAY) <= set(command_types())
    assert all(type(command) in handlers() for command in COMMANDS.values())


@pytest.mark.parametrize("name", sorted(MAY))
def test_a_supervisor_and_a_program_may_and_a_biller_may_not(name: str) -> None:
    command = COMMANDS[name]
    assert given(*EVERYBODY).when(command, by=SUE).changes
    given(*EVERYBODY).when(command, by=BILL).then_refused("actor", "no standing")
    if name != "add-addendum":  # an addendum is signed by a person
        assert given(*EVERYBODY).when(command, by="system:import").changes


@pytest.mark.parametrize("name", OWNED)
def test_the_owner_may(name: str) -> None:
    assert given(*EVERYBODY).when(COMMANDS[name], by=ANN).changes


@pytest.mark.parametrize("name", sorted(MAY))
def test_a_clinician_may_add_to_a_colleagues_note_and_nothing_else(name: str) -> None:
    outcome = given(*EVERYBODY).when(COMMANDS[name], by=BOB)
    if name == "add-addendum":
        assert outcome.changes
    else:
        outcome.then_refused("actor", "no standing")


@pytest.mark.parametrize("name", sorted(MAY))
def test_compliance_corrects_and_adopts_but_neither_records_nor_adds(name: str) -> None:
    outcome = given(*EVERYBODY).when(COMMANDS[name], by=COLE)
    if name in ("record-contact", "add-addendum"):
        assert "no standing" in outcome.reasons[0].message
    else:
        assert outcome.changes


def test_psc_23_an_addendum_to_somebody_elses_note_needs_a_credential_held_that_day() -> None:
    command, words = COMMANDS["add-addendum"], "held no signing credential on"
    people = [one for one in EVERYBODY if one.identifier != BOB]
    without = person(BOB, "Bob", "clinician", credential=None)
    given(*people, without).when(command, by=BOB).then_refused("actor", f"{words} 2026-01-05")
    given(*EVERYBODY).when(command, by=BOB, at="2027-01-01T09:00:00-08:00").then_refused("actor", f"{words} 2027-01-01")
    clerk = person(BILL, "Bill", "biller", credential=None)
    people = [one for one in EVERYBODY if one.identifier != BILL]
    given(*people, clerk).when(command, by=BILL).then_refused("actor", "no standing", ("actor", words))


def test_a_contact_that_is_imported_needs_no_standing() -> None:
    given(*EVERYBODY).when(record_contact(), by="system:import").then_a(ContactRecorded, staff_id=ANN)
