"""Carrying out commands: once by command id, all reasons at once, with the whole envelope (design §1.2 to §1.4)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from tests.application.chart import CONTENT, SETUP, ask, client, contact, open_chart, whole_log
from tests.sample import ANN, BOB, CLIENT, CONTACT, NOBODY, NOTE, PLAN, SUE, ident, moment

from ledger.aggregates.client_events import CorrectClientDetails, RegisterClient
from ledger.aggregates.contact import RecordContact
from ledger.aggregates.note_events import (
    AddAddendum,
    DraftNote,
    MarkLateEntry,
    NoteContent,
    SignNote,
    WriteNote,
)
from ledger.aggregates.plan_events import DraftPlan, Goal
from ledger.aggregates.staff import EndEmployment, PersonName
from ledger.application.commands import Ledger, Request
from ledger.application.requests import unfit_id, unfit_label
from ledger.clock import ManualClock
from ledger.errors import CommandReused, LedgerError, Refused
from ledger.store.codec import read
from ledger.store.recorder import Recorder


def refusal(ledger: Ledger, request: Request) -> dict[str, list[str]]:
    """The reasons for which a request is refused, by field; nothing is written."""
    before = len(whole_log(ledger.recorder))
    with pytest.raises(Refused) as caught:
        ledger.execute(request)
    assert len(whole_log(ledger.recorder)) == before
    found: dict[str, list[str]] = {}
    for reason in caught.value.reasons:
        found.setdefault(reason.field, []).append(reason.message)
    return found


def test_a_retried_command_returns_its_first_result_also_after_later_ones(ledger: Ledger) -> None:
    open_chart(ledger)
    first = ledger.execute(ask(WriteNote(note_id=NOTE, content=CONTENT), by=ANN, word="write"))
    ledger.execute(ask(WriteNote(note_id=NOTE, content=NoteContent(no_plan_reason="x")), by=ANN, word="again"))
    ledger.execute(ask(WriteNote(note_id=NOTE, content=CONTENT), by=ANN, word="third"))
    signed = ledger.execute(ask(SignNote(note_id=NOTE), by=ANN, word="sign"))
    log = whole_log(ledger.recorder)
    # Writing in a signed note is refused; but this was carried out before it was signed.
    repeated = ledger.execute(ask(WriteNote(note_id=NOTE, content=CONTENT), by=ANN, word="write"))
    assert repeated.repeated
    assert not first.repeated
    assert (repeated.version, repeated.events, repeated.types, repeated.stream_id) == (
        first.version,
        first.events,
        first.types,
        first.stream_id,
    )
    assert ledger.execute(ask(SignNote(note_id=NOTE), by=ANN, word="sign")).events == signed.events
    assert ledger.execute(client()).events == (f"{CLIENT}@1",)
    assert whole_log(ledger.recorder) == log


def test_a_retry_is_known_to_another_process(ledger: Ledger, clock: ManualClock) -> None:
    first = ledger.execute(client())
    elsewhere = Ledger(ledger.recorder, clock=clock)
    assert elsewhere.execute(client()).events == first.events
    assert elsewhere.execute_batch([client()])[0].events == first.events


def test_a_command_id_is_not_used_for_another_content_or_by_another_actor(sqlite_ledger: Ledger) -> None:
    open_chart(sqlite_ledger)
    sqlite_ledger.execute(ask(WriteNote(note_id=NOTE, content=CONTENT), by=ANN, word="one"))
    log = whole_log(sqlite_ledger.recorder)
    for request in (
        ask(WriteNote(note_id=NOTE, content=NoteContent(no_plan_reason="crisis")), by=ANN, word="one"),
        ask(WriteNote(note_id=NOTE, content=CONTENT), by=BOB, word="one"),
        ask(WriteNote(note_id=NOTE, content=CONTENT), by=ANN, word="one", occurred_at=moment("2026-01-04T09:00:00Z")),
        ask(client(ident("new")).command, word="one"),
    ):
        with pytest.raises(CommandReused, match=ident("one")) as caught:
            sqlite_ledger.execute(request)
        assert caught.value.exit_code == 3
        with pytest.raises(CommandReused):
            sqlite_ledger.execute_batch([request])
    assert whole_log(sqlite_ledger.recorder) == log


def test_a_batch_is_recorded_whole_or_not_at_all_and_names_the_command_at_fault(sqlite_ledger: Ledger) -> None:
    wrong = ask(SignNote(note_id=NOTE), by=ANN, word="wrong")
    with pytest.raises(LedgerError) as caught:
        sqlite_ledger.execute_batch([client(), wrong])
    assert caught.value.command_id == ident("wrong")
    assert whole_log(sqlite_ledger.recorder) == []


def test_a_command_that_stands_twice_in_a_batch_has_one_effect(sqlite_ledger: Ledger) -> None:
    results = sqlite_ledger.execute_batch([client(), client()])
    assert [result.repeated for result in results] == [False, True]
    assert results[0].events == results[1].events
    assert len(whole_log(sqlite_ledger.recorder)) == 1
    other = RegisterClient(client_id=ident("b"), name=PersonName(family="A", given="B"), birth_date=date(1990, 1, 1))
    with pytest.raises(CommandReused):
        sqlite_ledger.execute_batch([ask(other, word="twice"), ask(client().command, word="twice")])


def test_the_envelope_carries_who_why_under_what_and_both_times(ledger: Ledger, clock: ManualClock) -> None:
    open_chart(ledger)
    clock.advance(timedelta(minutes=7))
    request = Request(
        command=SignNote(note_id=NOTE),
        actor_id=ANN,
        purpose="treatment",
        command_id=ident("sign"),
        occurred_at=moment("2026-01-05T08:59:30.25-08:00"),
        correlation_id="visit-42",
        causation_id="reminder-7",
    )
    ledger.execute(request)
    row = whole_log(ledger.recorder)[-1]
    assert (row.topic, row.schema_version) == ("note.signed", 1)
    assert (row.originator_id, row.originator_version, row.event_id) == (NOTE, 2, f"{NOTE}@2")
    assert (row.key, row.chart_id) == (CLIENT, CLIENT)
    assert (row.actor, row.role, row.credential) == (ANN, "clinician", "lcsw")
    assert row.purpose == "treatment"
    assert (row.command_id, row.command_index, row.command_digest) == (ident("sign"), 0, request.digest)
    assert (row.correlation_id, row.causation_id) == ("visit-42", "reminder-7")
    assert (row.occurred_at, row.occurred_offset) == ("2026-01-05T16:59:30.250000Z", -480)
    assert row.occurred == request.occurred_at
    assert row.recorded_at == "2026-01-05T17:07:00.000000Z"
    assert row.position == 14
    assert len(row.leaf) == 32
    assert read(row).event.TYPE == "note.signed"


def test_without_more_a_command_is_its_own_correlation_and_happens_now_in_the_agencys_zone(
    sqlite_ledger: Ledger,
) -> None:
    request = client()
    sqlite_ledger.execute(request)
    (row,) = whole_log(sqlite_ledger.recorder)
    assert (row.correlation_id, row.causation_id) == (request.command_id, None)
    assert (row.occurred_at, row.occurred_offset) == ("2026-01-05T17:00:00.000000Z", -480)
    assert (row.role, row.credential) == ("system", None)


def test_every_reason_is_given_at_once_also_those_that_all_commands_share(ledger: Ledger) -> None:
    ledger.execute(client())
    wrong = RecordContact(
        contact_id=CONTACT,
        client_id=ident("unknown"),
        staff_id=NOBODY,
        program="psc",
        contact_kind="seance",
        started_at=moment("2026-01-06T10:00:00-08:00"),
        ended_at=moment("2026-01-06T09:00:00-08:00"),
        direct_minutes=5,
    )
    assert refusal(ledger, ask(wrong, by=NOBODY)) == {
        "actor": [f"{NOBODY} is not a staff member"],
        "ended_at": ["the service ends before it starts", "the service is in the future"],
        "contact_kind": ["'seance' is not a kind of contact"],
        "staff_id": ["no such staff member"],
        "client_id": ["no such client"],
    }


def test_what_lies_in_the_future_is_refused_by_its_own_field(sqlite_ledger: Ledger) -> None:
    open_chart(sqlite_ledger)
    later = moment("2026-01-05T17:00:01+00:00")
    said = refusal(sqlite_ledger, ask(SignNote(note_id=NOTE), by=BOB, occurred_at=later))
    assert said["occurred_at"] == ["it lies in the future"]
    assert said["actor"] == ["Bob Sample did not give this service and cannot sign its note"]
    request = contact(ident("c"), moment("2026-01-05T09:00:00-08:00"), moment("2026-01-05T09:00:01-08:00"))
    assert "ended_at" in refusal(sqlite_ledger, request)
    named = ask(request.command, by=ANN, word="x", occurred_at=later)
    assert refusal(sqlite_ledger, named)["occurred_at"] == ["it lies in the future"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("purpose", ""),
        ("purpose", " "),
        ("command_id", "a\nb"),
        ("command_id", "x" * 129),
        ("command_id", "two words"),
        ("correlation_id", ""),
        ("causation_id", "a\u3000b"),
        ("expected_version", -3),
        ("correlation_id", "\ud800"),
        ("causation_id", "\x00"),
        ("actor_id", "system:"),
        ("actor_id", "\u202e"),
    ],
    ids=range(12),
)
def test_what_cannot_stand_in_an_envelope_is_refused_by_name(sqlite_ledger: Ledger, field: str, value: Any) -> None:
    fields: dict[str, Any] = {"actor_id": "system:x", "purpose": "treatment", "command_id": "c", field: value}
    said = refusal(sqlite_ledger, Request(command=client().command, **fields))
    assert list(said) == [field.removesuffix("_id") if field == "actor_id" else field]


@pytest.mark.parametrize(
    "text",
    ["2026-01-04T09:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-01-04T09:00:00+01:00:30"],
)
def test_times_that_no_record_can_mean_are_refused(sqlite_ledger: Ledger, text: str) -> None:
    assert list(refusal(sqlite_ledger, ask(client().command, occurred_at=moment(text)))) == ["occurred_at"]


def test_ids_are_in_one_piece_of_a_length_that_any_reader_keeps() -> None:
    assert [unfit_id(text) for text in (CLIENT, "система:1", "a" * 128, f"{CLIENT}@1")] == [""] * 4
    assert unfit_id("a" * 129) == "it is longer than 128 characters; shorten it"
    assert unfit_id("a b") == "it holds a space; write an id in one piece, a UUID for example"


def test_labels_in_any_script_are_fit() -> None:
    assert [unfit_label(text) for text in ("система:импорт", "診療 目的", "é", "x" * 200)] == ["", "", "", ""]


def test_nobody_acts_after_their_last_day_whatever_time_they_claim(ledger: Ledger) -> None:
    open_chart(ledger)
    ledger.execute(ask(EndEmployment(staff_id=ANN, last_day=date(2026, 1, 4), reason="moved")))
    claimed = moment("2026-01-03T09:00:00-08:00")
    said = refusal(ledger, ask(SignNote(note_id=NOTE), by=ANN, occurred_at=claimed))
    assert said == {"actor": ["Ann Sample was not employed on 2026-01-05"]}
    said = refusal(ledger, ask(CorrectClientDetails(client_id=CLIENT, reason="r", sex="male"), by=ANN))
    assert said == {"actor": ["Ann Sample was not employed on 2026-01-05"]}


def test_a_refused_command_leaves_no_trace_in_what_is_decided_next(sqlite_ledger: Ledger) -> None:
    open_chart(sqlite_ledger)
    later = moment("2026-01-05T17:00:01+00:00")
    # The decision itself would be taken; only its time is wrong. Nothing of it may stay in memory.
    assert refusal(sqlite_ledger, ask(SignNote(note_id=NOTE), by=ANN, word="early", occurred_at=later))
    result = sqlite_ledger.execute(ask(WriteNote(note_id=NOTE, content=CONTENT), by=ANN, word="still a draft"))
    assert (result.version, result.types) == (2, ("note.content_written",))


def test_ids_of_another_kind_are_not_found_and_taken_ids_are_refused_by_their_field(ledger: Ledger) -> None:
    open_chart(ledger)
    assert "there is no note" in refusal(ledger, ask(SignNote(note_id=CLIENT), by=ANN))["note_id"][0]
    goal = Goal(number="1", text="Home")
    draft = DraftPlan(plan_id=PLAN, client_id=ANN, program="psc", goals=(goal,))
    assert refusal(ledger, ask(draft, by=ANN)) == {"client_id": ["no such client"]}
    taken = DraftPlan(plan_id=CLIENT, client_id=CLIENT, program="psc", goals=(goal,))
    assert refusal(ledger, ask(taken, by=ANN)) == {"plan_id": [f"{CLIENT} exists already"]}
    again = client().command
    assert refusal(ledger, ask(again, word="another")) == {"client_id": [f"{CLIENT} exists already"]}


def test_an_event_that_is_too_large_is_refused(ledger: Ledger) -> None:
    open_chart(ledger)
    content = NoteContent(sections={f"part {n}": "x" * 19_000 for n in range(8)})
    said = refusal(ledger, ask(WriteNote(note_id=NOTE, content=content), by=ANN))
    assert list(said) == ["payload"]
    assert ledger.execute(ask(WriteNote(note_id=NOTE, content=CONTENT), by=ANN)).version == 2


def test_what_the_database_refuses_is_not_called_a_conflict(sqlite_ledger: Ledger, sqlite_recorder: Recorder) -> None:
    with sqlite_recorder.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
    with pytest.raises(LedgerError, match="the database refused to record it: the disk is full") as caught:
        sqlite_ledger.execute(client())
    assert caught.value.exit_code == 1


def test_co_signing_and_addenda_go_on_from_what_is_stored(ledger: Ledger) -> None:
    open_chart(ledger)
    ledger.execute(ask(SignNote(note_id=NOTE), by=ANN))
    elsewhere = Ledger(ledger.recorder, clock=ledger.clock)
    added = AddAddendum(note_id=NOTE, addendum_id=ident("a"), text="𝕬 עברית 漢字\r\n\t")
    assert elsewhere.execute(ask(added, by=SUE)).version == 3
    payload = read(whole_log(ledger.recorder)[-1]).event
    assert getattr(payload, "text") == "𝕬 עברית 漢字\r\n\t"  # noqa: B009 - the event's type is not known here


def test_what_lies_before_the_clients_birth_is_refused_by_its_own_field(sqlite_ledger: Ledger) -> None:
    """The client was born on 1 May 1980; what happened before is not theirs."""
    open_chart(sqlite_ledger)
    before, after = moment("1980-04-30T12:00:00-07:00"), moment("1980-05-01T12:00:00-07:00")
    words = ["it lies before the client's birth on 1980-05-01"]
    late = MarkLateEntry(note_id=NOTE, reason="found in a drawer")
    details = CorrectClientDetails(client_id=CLIENT, reason="misread", phone="555-0100")
    draft = DraftNote(note_id=ident("an old note"), contact_id=CONTACT)
    for command, by in ((late, ANN), (details, SETUP), (draft, ANN)):
        assert (
            refusal(sqlite_ledger, ask(command, by=by, word=f"early {command.NAME}", occurred_at=before))["occurred_at"]
            == words
        )
    assert not sqlite_ledger.execute(ask(details, word="in time", occurred_at=after)).repeated
