"""Of two changes to one thing one wins, and the other is told which version it missed; on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest
from tests.application.chart import ask, client, contact, open_chart, whole_log
from tests.sample import ANN, CLIENT, ident

from ledger.aggregates.client_events import CorrectClientDetails
from ledger.aggregates.note_events import DraftNote
from ledger.application.commands import Ledger, Request, Result
from ledger.clock import ManualClock
from ledger.errors import Conflict, LedgerError, Refused
from ledger.store.codec import read
from ledger.store.database import open_store
from ledger.store.recorder import Recorder

WRITERS = 6


def correction(word: str, expected_version: int | None = None) -> Request:
    command = CorrectClientDetails(client_id=CLIENT, reason=word, language=word)
    return ask(command, word=word, expected_version=expected_version)


def all_at_once(tasks: list[Callable[[], Result]]) -> list[Result | LedgerError]:
    """Run tasks in threads that begin together; what each returned or raised."""
    ready = threading.Barrier(len(tasks))
    outcomes: list[Result | LedgerError | None] = [None] * len(tasks)

    def run(number: int, task: Callable[[], Result]) -> None:
        ready.wait()
        try:
            outcomes[number] = task()
        except LedgerError as fault:
            outcomes[number] = fault

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [outcome for outcome in outcomes if outcome is not None]


def test_a_change_to_a_version_that_has_gone_is_refused_and_the_missed_version_named(ledger: Ledger) -> None:
    ledger.execute(client())
    ledger.execute(correction("first", expected_version=1))
    with pytest.raises(Conflict) as caught:
        ledger.execute(correction("second", expected_version=1))
    assert (caught.value.stream_id, caught.value.expected, caught.value.actual) == (CLIENT, 1, 2)
    assert "you decided on version 1, it is now at version 2" in str(caught.value)
    assert caught.value.exit_code == 3
    # A retry of the one that won is not a conflict, though its version has gone as well.
    assert ledger.execute(correction("first", expected_version=1)).version == 2


def test_of_writers_that_decide_on_the_same_version_exactly_one_wins(database_url: str, clock: ManualClock) -> None:
    stores = [open_store(database_url, clock) for _ in range(WRITERS)]
    ledgers = [Ledger(store, clock=clock) for store in stores]
    ledgers[0].execute(client())
    for turn in range(1, 6):
        outcomes = all_at_once(
            [partial(one.execute, correction(f"{turn}-{n}", expected_version=turn)) for n, one in enumerate(ledgers)]
        )
        won = [one for one in outcomes if isinstance(one, Result)]
        lost = [one for one in outcomes if isinstance(one, Conflict)]
        assert (len(won), len(lost)) == (1, WRITERS - 1), outcomes
        assert won[0].version == turn + 1
        assert {(one.stream_id, one.expected, one.actual) for one in lost} == {(CLIENT, turn, turn + 1)}
    versions = [row.originator_version for row in whole_log(stores[0])]
    assert versions == [1, 2, 3, 4, 5, 6]
    close(stores)


def test_writers_without_an_expected_version_lose_no_change_and_leave_no_gap(
    database_url: str, clock: ManualClock
) -> None:
    stores = [open_store(database_url, clock) for _ in range(WRITERS)]
    ledgers = [Ledger(store, clock=clock) for store in stores]
    ledgers[0].execute(client())

    told: list[tuple[int | None, int | None]] = []

    def until_done(ledger: Ledger, word: str) -> Result:
        while True:
            try:
                return ledger.execute(correction(word))
            except Conflict as conflict:
                told.append((conflict.expected, conflict.actual))

    outcomes = all_at_once([partial(until_done, one, f"w{n}") for n, one in enumerate(ledgers)])
    assert all(missed is not None and now is not None and now > missed for missed, now in told)
    assert sorted(one.version for one in outcomes if isinstance(one, Result)) == list(range(2, WRITERS + 2))
    log = whole_log(stores[0])
    assert [row.originator_version for row in log] == list(range(1, WRITERS + 2))
    assert [row.position for row in log] == list(range(1, WRITERS + 2))
    close(stores)


def test_the_same_command_sent_by_many_at_once_has_one_effect(database_url: str, clock: ManualClock) -> None:
    stores = [open_store(database_url, clock) for _ in range(WRITERS)]
    ledgers = [Ledger(store, clock=clock) for store in stores]
    for request in (client(), correction("same"), correction("versioned", expected_version=2)):
        results = all_at_once([partial(one.execute, request) for one in ledgers])
        assert all(isinstance(one, Result) for one in results), results
        assert len({one.events for one in results if isinstance(one, Result)}) == 1
        assert [one.repeated for one in results if isinstance(one, Result)].count(False) == 1
    assert len(whole_log(stores[0])) == 3
    close(stores)


def test_the_same_batch_sent_by_many_at_once_has_one_effect(database_url: str, clock: ManualClock) -> None:
    stores = [open_store(database_url, clock) for _ in range(3)]
    ledgers = [Ledger(store, clock=clock) for store in stores]
    batch = [client(), correction("a"), correction("b")]

    def last_of(ledger: Ledger) -> Result:
        return ledger.execute_batch(batch)[-1]

    outcomes = all_at_once([partial(last_of, one) for one in ledgers])
    assert [getattr(one, "events", one) for one in outcomes] == [(f"{CLIENT}@3",)] * 3
    assert len(whole_log(stores[0])) == 3
    close(stores)


def test_of_two_that_begin_the_same_stream_one_wins_and_the_other_is_told_that_it_exists(
    database_url: str, clock: ManualClock
) -> None:
    stores = [open_store(database_url, clock) for _ in range(4)]
    requests = [ask(client().command, word=f"w{n}") for n in range(4)]
    ledgers = [Ledger(store, clock=clock) for store in stores]
    outcomes = all_at_once([partial(one.execute, request) for one, request in zip(ledgers, requests, strict=True)])
    assert len([one for one in outcomes if isinstance(one, Result)]) == 1
    lost = [one for one in outcomes if isinstance(one, Refused)]
    assert [(r.field, r.code) for one in lost for r in one.reasons] == [("client_id", "exists")] * 3
    close(stores)


def close(stores: list[Recorder]) -> None:
    for store in stores:
        store.engine.dispose()


def test_of_drafts_of_one_contact_that_are_begun_at_once_one_is_recorded(database_url: str, clock: ManualClock) -> None:
    stores = [open_store(database_url, clock) for _ in range(WRITERS)]
    ledgers = [Ledger(store, clock=clock) for store in stores]
    open_chart(ledgers[0])
    service = ident("another service")
    ledgers[0].execute(contact(service))
    drafts = [ask(DraftNote(note_id=ident(f"draft {n}"), contact_id=service), by=ANN) for n in range(WRITERS)]
    outcomes = all_at_once([partial(one.execute, draft) for one, draft in zip(ledgers, drafts, strict=True)])
    (won,) = [one for one in outcomes if isinstance(one, Result)]
    assert (won.version, won.types) == (1, ("contact.note_begun", "note.drafted"))
    # Whoever decided before the first was recorded missed a version; whoever came after is told of the open draft.
    lost = [one for one in outcomes if isinstance(one, Conflict | Refused)]
    assert len(lost) == WRITERS - 1
    assert {(one.stream_id, one.expected) for one in lost if isinstance(one, Conflict)} <= {(service, 1)}
    assert all(one.reasons[0].code == "open-draft" for one in lost if isinstance(one, Refused))
    begun = [row for row in whole_log(stores[0]) if row.topic == "contact.note_begun"]
    assert [getattr(read(row).event, "note_id", "") for row in begun][1:] == [won.stream_id]
    again = ledgers[-1].execute(drafts[[isinstance(one, Result) for one in outcomes].index(True)])
    assert (again.repeated, again.version, again.events) == (True, 1, won.events)
    close(stores)
