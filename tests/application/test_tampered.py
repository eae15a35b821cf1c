"""Nothing is decided on an event that is not what was recorded: an aggregate is rebuilt from checked events alone."""

from __future__ import annotations

import pytest
from tests.application.chart import CONTENT, ask, client, open_chart, whole_log
from tests.integrity.meddling import meddle
from tests.sample import ANN, CLIENT, NOTE

from ledger.aggregates.client_events import CorrectClientDetails
from ledger.aggregates.note_events import SignNote, WriteNote
from ledger.application.commands import Ledger
from ledger.errors import IntegrityFault
from ledger.store.recorder import Recorder

SIGN = ask(SignNote(note_id=NOTE), by=ANN, word="sign")


def another_process(ledger: Ledger) -> Ledger:
    """A ledger that has nothing in memory yet."""
    return Ledger(ledger.recorder, clock=ledger.clock)


def change(recorder: Recorder, column: str, value: object, stream: str = NOTE) -> None:
    meddle(
        recorder,
        f"UPDATE events SET {column} = :value WHERE stream_id = :stream AND version = 1",  # noqa: S608 - our columns
        value=value,
        stream=stream,
    )


@pytest.mark.parametrize(
    ("column", "value"),
    [("payload", None), ("type", "client.registered"), ("type", "never.heard_of"), ("occurred_at", "2026-01-02T00")],
)
def test_a_command_is_not_decided_on_an_event_that_was_changed(ledger: Ledger, column: str, value: object) -> None:
    open_chart(ledger)
    rows = whole_log(ledger.recorder)
    (draft,) = [row for row in rows if row.originator_id == NOTE]
    if value is None:
        value = draft.state.replace(ANN.encode(), CLIENT.encode())
        assert value != draft.state
    change(ledger.recorder, column, value)
    elsewhere = another_process(ledger)
    with pytest.raises(IntegrityFault, match=rf"event {NOTE}@1 .*is not what was recorded") as caught:
        elsewhere.execute(SIGN)
    assert caught.value.exit_code == 5
    with pytest.raises(IntegrityFault):
        elsewhere.execute_batch([SIGN])
    assert ledger.recorder.head() == len(rows)

    # Put right, the same process goes on; what it refused is not kept.
    change(ledger.recorder, column, getattr(draft, {"payload": "state", "type": "topic"}.get(column, column)))
    assert elsewhere.execute(SIGN).version == 2


def test_what_a_decision_only_looks_at_is_checked_too(ledger: Ledger) -> None:
    """The signer's registration: with other roles than were recorded, she would have another standing."""
    open_chart(ledger)
    registered = next(row for row in whole_log(ledger.recorder) if row.event_id == f"{ANN}@1")
    change(ledger.recorder, "payload", registered.state.replace(b"clinician", b"compliance"), ANN)
    with pytest.raises(IntegrityFault, match=f"event {ANN}@1"):
        another_process(ledger).execute(SIGN)


def test_an_event_that_is_gone_from_its_stream_is_missed(sqlite_ledger: Ledger) -> None:
    open_chart(sqlite_ledger)
    for word in ("once", "again"):
        sqlite_ledger.execute(ask(WriteNote(note_id=NOTE, content=CONTENT), by=ANN, word=word))
    meddle(sqlite_ledger.recorder, "DELETE FROM events WHERE stream_id = :stream AND version = 2", stream=NOTE)
    with pytest.raises(IntegrityFault, match=f"event {NOTE}@2 is missing: {NOTE}@3 follows"):
        another_process(sqlite_ledger).execute(SIGN)


def test_an_event_without_its_place_yet_is_decided_on(ledger: Ledger) -> None:
    """On PostgreSQL the place, and with it the leaf hash, comes a moment after the commit; nobody waits for it."""
    ledger.execute(client())
    details = CorrectClientDetails(client_id=CLIENT, reason="misheard", phone="555-0100")
    assert another_process(ledger).execute(ask(details)).version == 2
