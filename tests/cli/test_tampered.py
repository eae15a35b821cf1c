"""What shows or derives something from events refuses one that is not what was recorded, and names it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.agency import Agency
from tests.integrity.meddling import meddle

from ledger.aggregates.note_events import AddAddendum
from ledger.aggregates.policy import AdoptPolicy
from ledger.errors import IntegrityFault
from ledger.store.envelope import StoredRow

KNOWN = ("--as-known-at", "2025-12-01T17:00:00+00:00")


@pytest.fixture
def agency(tmp_path: Path) -> Agency:
    agency = Agency(f"sqlite:///{tmp_path / 'ledger.db'}")
    agency.service(3, "09:00", 60)
    return agency


def the(agency: Agency, topic: str, key: str | None = None) -> StoredRow:
    """The last event of a type (of one chart or staff member)."""
    rows = agency.recorder.read_log(0, 1000)
    return [row for row in rows if row.topic == topic and key in (None, row.key)][-1]


def spoil(
    agency: Agency, row: StoredRow, column: str = "occurred_at", value: object = "2025-11-03T17:00:00.000000Z"
) -> str:
    """Change an event behind the store's back; answers its id."""
    meddle(
        agency.recorder,
        f"UPDATE events SET {column} = :value WHERE position = :position",  # noqa: S608 - our columns
        value=value,
        position=row.position,
    )
    return row.event_id


def refused(agency: Agency, event_id: str, *words: str) -> None:
    done = agency.run(*words)
    assert isinstance(done.exception, IntegrityFault), done.output
    assert f"event {event_id}" in str(done.exception)
    assert "is not what was recorded" in str(done.exception)
    assert done.stdout == ""


def note(agency: Agency) -> str:
    return str(the(agency, "note.drafted").originator_id)


@pytest.mark.parametrize("topic", ["note.signed", "note.drafted", "contact.recorded", "client.registered"])
def test_a_trace_checks_every_event_of_the_chart(agency: Agency, topic: str) -> None:
    assert agency.run("trace", note(agency)).exit_code == 0
    of_note = note(agency)
    refused(agency, spoil(agency, the(agency, topic, agency.clients[0])), "trace", of_note)


def test_a_trace_checks_the_names_it_shows(agency: Agency) -> None:
    row = the(agency, "staff.registered", agency.worker)
    event_id = spoil(agency, row, "actor", "somebody")
    refused(agency, event_id, "trace", note(agency))
    refused(agency, event_id, "chart", agency.clients[0])


def test_a_trace_is_not_made_under_a_policy_that_was_changed(agency: Agency) -> None:
    adopt(agency)
    refused(agency, spoil(agency, the(agency, "policy.adopted"), "actor", "somebody"), "trace", note(agency))


def test_a_read_of_many_charts_is_not_hidden_from_a_trace(agency: Agency) -> None:
    """The chart's id is taken out of an access event that named it beside others."""
    agency.service(4, "09:00", 60, client=1)
    assert agency.run("billing", "rows", "--month", "2025-11").exit_code == 0
    shared = the(agency, "access.granted")
    assert shared.chart_id is None
    agency.service(5, "09:00", 60)
    first = str(next(row for row in agency.recorder.read_log(0, 1000) if row.topic == "note.drafted").originator_id)
    agency.do(AddAddendum(note_id=first, addendum_id=agency.new(), text="more"), agency.worker)
    payload = shared.state.replace(agency.clients[0].encode(), agency.clients[1].encode())
    event_id = spoil(agency, shared, "payload", payload)
    refused(agency, event_id, "trace", first)


def test_a_deadline_is_not_answered_from_an_adoption_that_was_changed(agency: Agency) -> None:
    adopt(agency)
    words = ("deadline", "progress_note", "--program", "psc", "--at", "2026-11-20T15:00:00-08:00")
    assert agency.run(*words).exit_code == 0
    refused(agency, spoil(agency, the(agency, "policy.adopted"), "actor", "somebody"), *words)


@pytest.mark.parametrize(
    "words",
    [
        ("timeliness", "--month", "2025-11", *KNOWN),
        ("billing", "rows", "--month", "2025-11", *KNOWN),
        ("utilisation", "--month", "2025-11", *KNOWN),
        ("supervision", "--from", "2025-11-01", *KNOWN),
    ],
    ids=lambda words: words[0],
)
def test_what_was_known_earlier_is_not_folded_from_a_changed_event(agency: Agency, words: tuple[str, ...]) -> None:
    assert agency.run(*words).exit_code == 0
    refused(agency, spoil(agency, the(agency, "note.signed")), *words)


def test_a_rebuild_names_the_event_and_switches_nothing(agency: Agency) -> None:
    assert agency.run("rebuild").exit_code == 0
    before = agency.read("billing", "rows", "--month", "2025-11")["rows"]
    refused(agency, spoil(agency, the(agency, "note.signed")), "rebuild")
    assert agency.read("billing", "rows", "--month", "2025-11")["rows"] == before


def test_the_views_park_the_chart_and_status_names_the_event(agency: Agency) -> None:
    event_id = spoil(agency, the(agency, "note.signed"))
    assert agency.run("run", "--once").exit_code == 0
    (kept, *_) = agency.read("status")["parked"]
    assert kept["key"] == agency.clients[0]
    assert event_id in kept["error"]
    assert "parked" in agency.run("billing", "rows", "--month", "2025-11").stdout


def adopt(agency: Agency) -> None:
    agency.do(
        AdoptPolicy(
            policy_id=agency.new(),
            rule_id="PSC-13",
            reading="3-business-days",
            effective_from=agency.clock.now().date().replace(month=10),
            policy_version="1",
            reason="board decision",
        )
    )
