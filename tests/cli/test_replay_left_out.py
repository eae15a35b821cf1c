"""A page of which something was left out is made again with the same left out: decided again, as the record stood."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from tests.cli.agency import Agency
from tests.cli.test_replay_view import changed, events, founded, read, replayed

from ledger.aggregates.client_events import AssignCoordinator
from ledger.aggregates.privacy_events import MarkSegment
from ledger.aggregates.staff import PersonName, RegisterStaff


@pytest.fixture
def small(sqlite_url: str) -> Iterator[Agency]:
    made = founded(sqlite_url)
    yield made
    made.recorder.engine.dispose()


@pytest.mark.parametrize(
    "page",
    [
        ("billing", "rows", "--month", "2025-11"),
        ("timeliness", "--month", "2025-11"),
        ("timeliness", "--month", "2025-11", "--as-known-at", "2025-12-01T09:00:00-08:00"),
        ("caseload",),
    ],
    ids=" ".join,
)
def test_a_page_of_which_charts_were_left_out_is_made_again_with_the_same_left_out(
    small: Agency, page: tuple[str, ...]
) -> None:
    """A clinician sees their own clients; whose else the page would have shown is decided again, as it stood then."""
    other = small.new()
    small.do(
        RegisterStaff(
            staff_id=other, name=PersonName(family="Other", given="Olu"), roles=("clinician",),
            programs=("psc",), hired_on=date(2025, 1, 1),
        )
    )  # fmt: skip
    given_to = AssignCoordinator(
        client_id=small.clients[1],
        assignment_id=small.new(),
        staff_id=other,
        program="psc",
        first_day=date(2025, 11, 1),
    )
    small.do(given_to)
    printed, access = read(small, "--as", other, *page)
    assert small.clients[0][:8] not in printed
    small.do(
        AssignCoordinator(
            client_id=small.clients[0], assignment_id=small.new(), staff_id=other, program="psc",
            first_day=date(2025, 12, 1),
        )
    )  # fmt: skip
    found = replayed(small, access)
    assert (found["shown"], found["not_shown_because"]) == (printed, None)


def test_a_page_of_which_documents_stayed_shut_is_made_again_without_them(small: Agency) -> None:
    biller = small.new()
    small.do(
        RegisterStaff(
            staff_id=biller, name=PersonName(family="Biller", given="Bo"), roles=("biller",),
            programs=("psc",), hired_on=date(2025, 1, 1),
        )
    )  # fmt: skip
    rows = ("--as", biller, "--purpose", "payment", "billing", "rows", "--month", "2025-11")
    whole, _ = read(small, *rows)
    note = next(str(row.originator_id) for row in events(small) if row.topic == "note.signed")
    marked = MarkSegment(client_id=small.clients[0], document_id=note, segment="substance-use", reason="drinking")
    small.do(marked, small.worker)
    printed, access = read(small, *rows)
    assert printed != whole
    assert small.clients[0][:8] in whole
    assert small.clients[0][:8] not in printed
    changed(small)
    assert replayed(small, access)["shown"] == printed
