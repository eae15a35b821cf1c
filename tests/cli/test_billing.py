"""``ledger billing rows``: the month, the filters, two moments, and the access that is recorded before it shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.cli.agency import Agency, pacific

from ledger.aggregates.access import AccessGranted
from ledger.aggregates.contact import CorrectContact
from ledger.aggregates.note_events import SignNote
from ledger.aggregates.policy import AdoptPolicy
from ledger.consumers.log import LocalLog
from ledger.consumers.rebuild import build_beside, compare, rows_of
from ledger.consumers.runner import Runner
from ledger.errors import BadInput
from ledger.grants import NotGranted
from ledger.projections.base import Projection
from ledger.projections.billing import billing
from ledger.projections.coverage import coverage
from ledger.projections.staffing import staffing
from ledger.projections.supervision import supervision
from ledger.projections.utilisation import utilisation, utilisation_reviews
from ledger.store.codec import read

VIEWS: tuple[Projection[Any], ...] = (billing, coverage, staffing, supervision, utilisation, utilisation_reviews)


@pytest.fixture
def agency(sqlite_url: str) -> Iterator[Agency]:
    made = Agency(sqlite_url)
    yield made
    made.recorder.engine.dispose()


def test_the_month_is_printed_with_units_blocks_and_totals(agency: Agency) -> None:
    agency.service(3, "09:00", 53)
    agency.service(4, "09:00", 30, client=1, sign=False)
    agency.service(4, "11:00", 60, contact_kind="team", service_code=None, sign=False)
    done = agency.run("billing", "rows", "--month", "2025-11")
    assert done.exit_code == 0, done.output
    assert "(53 + 7) = 60 min; 60 ÷ 15 = 4 remainder 0: 4 units" in done.stdout
    assert "Ann Example (mhrs 171M00000X)" in done.stdout
    assert "not-signed: the note is not signed -> have the note signed" in done.stdout
    assert "claimable     1 services      4 units      53 direct minutes" in done.stdout
    assert "blocked       1 services      2 units      30 direct minutes" in done.stdout
    assert "claimable units by code: T1017 4" in done.stdout
    assert "2 services" in done.stdout.splitlines()[0]


def test_the_page_goes_into_a_file_of_each_kind(agency: Agency, tmp_path: Path) -> None:
    agency.service(3, "09:00", 53)
    rows = ("billing", "rows", "--month", "2025-11")
    printed, data = agency.run(*rows).stdout, agency.read(*rows)
    for ending in ("txt", "json", "html"):
        out = tmp_path / f"rows.{ending}"
        done = agency.run(*rows, "--out", str(out))
        assert (done.exit_code, done.stdout) == (0, f"Written to {out}\n"), done.output
        assert out.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "rows.txt").read_text() == printed
    written = json.loads((tmp_path / "rows.json").read_text())
    assert {**written, "position": 0} == {**data, "position": 0}
    page = (tmp_path / "rows.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "(53 + 7) = 60 min; 60 ÷ 15 = 4 remainder 0: 4 units" in page
    changes = tmp_path / "changes.html"
    done = agency.run(*rows, "--changed-since", "2025-11-01T00:00:00-07:00", "--out", str(changes))
    assert done.exit_code == 0, done.output
    assert "by contact.recorded" in changes.read_text()
    shown = [read(row).event for row in agency.recorder.read_log(0, 1000) if row.topic == AccessGranted.TYPE]
    assert [e.resource for e in shown[-2:] if isinstance(e, AccessGranted)] == [
        "billing rows 2025-11 file",
        "billing changes 2025-11 file",
    ]


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_read(agency: Agency, tmp_path: Path) -> None:
    head = agency.recorder.head()
    for out, said in (("rows.pdf", "end it in .txt, .json, .html"), ("none/rows.txt", "does not exist")):
        done = agency.run("billing", "rows", "--month", "2025-11", "--out", str(tmp_path / out))
        assert isinstance(done.exception, BadInput)
        assert said in str(done.exception)
    assert agency.recorder.head() == head


def test_json_is_complete_and_repeats_count_once(agency: Agency) -> None:
    first, second = agency.service(3, "09:00", 20), agency.service(3, "13:00", 20)
    data = agency.read("billing", "rows", "--month", "2025-11")
    assert [row["contact_id"] for row in data["rows"]] == [first, second]
    assert data["totals"]["claimable"] == {"services": 2, "units": 3, "direct_minutes": 40}
    row = data["rows"][0]
    assert row["event_ids"] == [f"{first}@1", f"{agency.note_of(first)}@1", f"{agency.note_of(first)}@2"]
    assert row["claim"]["contact_ids"] == [first, second]
    needed = ("unit_words", "code", "modifiers", "place", "signer_name", "credential", "taxonomy", "blocks", "steps")
    assert all(name in row for name in needed)


def test_the_adopted_reading_of_repeats_decides(agency: Agency) -> None:
    agency.service(3, "09:00", 20)
    agency.service(3, "13:00", 20)
    agency.do(
        AdoptPolicy(
            policy_id=agency.new(),
            rule_id="BILL-COMBINE",
            reading="round_then_sum",
            effective_from=pacific(1, "00:00").date(),
            policy_version="1",
            reason="the payer's answer",
        )
    )
    data = agency.read("billing", "rows", "--month", "2025-11")
    assert data["totals"]["claimable"]["units"] == 2


def test_filters_choose_staff_client_and_status(agency: Agency) -> None:
    good, bad = agency.service(3, "09:00", 53), agency.service(4, "09:00", 30, client=1, sign=False)

    def rows(*words: str) -> list[str]:
        return [row["contact_id"] for row in agency.read("billing", "rows", "--month", "2025-11", *words)["rows"]]

    assert rows("--claimable") == rows("--client", agency.clients[0]) == [good]
    assert rows("--blocked") == rows("--client", agency.clients[1]) == [bad]
    assert rows("--staff", agency.worker) == [good, bad]
    assert rows("--staff", agency.supervisor) == []


def test_the_rows_as_they_were_known_and_what_changed_since(agency: Agency) -> None:
    signed, waiting = agency.service(3, "09:00", 53), agency.service(4, "09:00", 30, client=1, sign=False)
    closed = agency.clock.now().isoformat()
    agency.clock.advance(timedelta(days=2))
    agency.do(SignNote(note_id=agency.note_of(waiting)), agency.worker)
    agency.do(CorrectContact(contact_id=signed, reason="shorter", direct_minutes=30), agency.worker)

    then = agency.read("billing", "rows", "--month", "2025-11", "--as-known-at", closed)
    assert {row["contact_id"]: row["status"] for row in then["rows"]} == {signed: "claimable", waiting: "blocked"}
    assert then["totals"]["claimable"]["units"] == 4
    now = agency.read("billing", "rows", "--month", "2025-11")
    assert now["totals"]["claimable"] == {"services": 2, "units": 4, "direct_minutes": 60}

    changed = agency.read("billing", "rows", "--month", "2025-11", "--changed-since", closed)["changes"]
    assert [(one["contact_id"], [event["event_id"] for event in one["events"]]) for one in changed] == [
        (signed, [f"{signed}@3"]),
        (waiting, [f"{agency.note_of(waiting)}@2"]),
    ]
    told = {one["field"]: (one["before"], one["after"]) for one in changed[0]["differences"]}
    assert told["claim_units"] == ("4", "2")
    text_of = agency.run("billing", "rows", "--month", "2025-11", "--changed-since", closed)
    assert "status: blocked -> claimable" in text_of.stdout
    later = agency.clock.now().isoformat()
    none = agency.read("billing", "rows", "--month", "2025-11", "--changed-since", later)
    assert none["changes"] == []


def test_both_databases_answer_every_question_of_a_month(database_url: str) -> None:
    agency = Agency(database_url)
    agency.service(3, "09:00", 20)
    agency.service(3, "13:00", 20)
    moment = agency.clock.now().isoformat()
    rows = ("billing", "rows", "--month", "2025-11")
    live = agency.read(*rows)
    assert live["totals"]["claimable"]["units"] == 3
    # As known now is what the live views hold: the same folds over the same events.
    assert agency.read(*rows, "--as-known-at", moment)["rows"] == live["rows"]
    assert agency.read(*rows, "--changed-since", moment)["changes"] == []
    assert agency.read("utilisation", "--month", "2025-11")["staff"][0]["billable_minutes"] == 40
    assert agency.read("supervision", "--from", "2025-11-03", "--to", "2025-11-03")["staff"][0]["counts"]["non"] == 1
    agency.recorder.engine.dispose()


def test_the_access_names_every_chart_on_the_page_before_it_is_shown(agency: Agency) -> None:
    agency.service(3, "09:00", 53)
    agency.service(3, "09:30", 30, client=1)
    before = agency.recorder.sequence()
    agency.read("billing", "rows", "--month", "2025-11", "--client", agency.clients[0])
    (access,) = agency.recorder.read_log(before, 10)
    event = read(access).event
    assert isinstance(event, AccessGranted)
    assert event.resource == "billing rows 2025-11"
    # The overlap names a service of the other chart.
    assert {shown.chart_id for shown in event.charts} == set(agency.clients)


def test_nothing_is_shown_when_the_access_cannot_be_recorded(agency: Agency) -> None:
    agency.service(3, "09:00", 53)
    agency.read("billing", "rows", "--month", "2025-11")
    with agency.recorder.engine.execution_options(ledger_write=True).begin() as connection:
        refuse = "CREATE TRIGGER no_more BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'full'); END"
        connection.execute(text(refuse))
    done = agency.run("billing", "rows", "--month", "2025-11")
    assert done.exception is not None
    assert "T1017" not in done.stdout
    assert not isinstance(done.exception, NotGranted)


@pytest.mark.parametrize(
    "words",
    [
        ("--month", "2025-13"),
        ("--month", "2025-11-03"),
        (),
        ("--month", "2025-11", "--as-known-at", "2025-12-01"),
        ("--month", "2025-11", "--blocked", "--changed-since", "2025-12-01T00:00:00-08:00"),
    ],
)
def test_bad_input_is_refused(agency: Agency, words: tuple[str, ...]) -> None:
    done = agency.run("billing", "rows", *words)
    assert done.exit_code == 2 or isinstance(done.exception, BadInput)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_a_rebuild_gives_the_same_bytes(agency: Agency, view: Projection[Any]) -> None:
    contact = agency.service(3, "09:00", 53)
    agency.service(4, "09:00", 30, client=1, sign=False)
    log = LocalLog(agency.recorder)
    runner = Runner(agency.recorder.engine, log, VIEWS, batch=3)
    runner.prepare()
    runner.catch_up()
    agency.do(CorrectContact(contact_id=contact, reason="shorter", direct_minutes=30), agency.worker)
    runner.catch_up()
    _, generation = build_beside(agency.recorder.engine, log, view)
    difference = compare(agency.recorder.engine, view, generation)
    assert difference.same
    assert difference.rows == len(rows_of(agency.recorder.engine, view))
    expected = {"billing": 2, "coverage": 2, "staffing": 2, "utilisation": 2}
    assert difference.rows == expected.get(view.name, 0)


def test_the_page_shows_the_offsets_of_a_service_in_which_the_clocks_go_back(agency: Agency) -> None:
    begun, ended = (datetime.fromisoformat(f"2025-11-02T01:{at}") for at in ("20:00-07:00", "32:00-08:00"))
    agency.service(2, "01:20", 70, started_at=begun, ended_at=ended)
    agency.service(3, "09:00", 30)
    page = agency.run("billing", "rows", "--month", "2025-11").output
    assert "2025-11-02 01:20-07:00 to 01:32-08:00 " in page
    assert "2025-11-03 09:00-09:30 " in page
    assert "the contact says otherwise now" not in page
