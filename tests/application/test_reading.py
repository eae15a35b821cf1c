"""No chart is read without a trace: the access event comes first, or nothing is shown (design §1.8, ECM-10)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from tests.application.chart import ask, client, open_chart, staff, whole_log
from tests.sample import ANN, BOB, CLIENT, SUE, ident, moment

from ledger.aggregates.access import AccessGranted
from ledger.aggregates.client_events import OpenEpisode
from ledger.aggregates.staff import AssignSupervisor, EndEmployment
from ledger.application import reading
from ledger.application.commands import Ledger
from ledger.application.reading import open_charts
from ledger.clock import ManualClock
from ledger.errors import LedgerError, NotFound, Refused
from ledger.grants import Grant, NotAllowed, NotGranted
from ledger.store.codec import read
from ledger.store.recorder import Recorder

SECOND = ident("second client")


def open_one(ledger: Ledger, reader: str = ANN, *charts: str) -> Grant:
    return open_charts(
        ledger,
        charts or (CLIENT,),
        reader=reader,
        purpose="treatment",
        surface="cli",
        resource="chart",
        correlation_id="page-1",
    )


def accesses(recorder: Recorder) -> list[AccessGranted]:
    events = [read(row).event for row in whole_log(recorder)]
    return [event for event in events if isinstance(event, AccessGranted)]


def test_the_access_is_in_the_log_before_the_grant_is_handed_out(ledger: Ledger) -> None:
    open_chart(ledger)
    before = len(whole_log(ledger.recorder))
    grant = open_one(ledger)
    row = whole_log(ledger.recorder)[-1]
    assert (row.topic, row.position, row.originator_id) == ("access.granted", before + 1, grant.access_id)
    assert (row.actor, row.purpose, row.correlation_id, row.chart_id) == (ANN, "treatment", "page-1", CLIENT)
    (event,) = accesses(ledger.recorder)
    assert (event.reader_id, event.surface, event.resource) == (ANN, "cli", "chart")
    assert [(shown.chart_id, shown.position) for shown in event.charts] == [(CLIENT, before)]
    assert grant.position == before
    grant.check(CLIENT)
    with pytest.raises(NotGranted):
        grant.check(SECOND)


@pytest.mark.parametrize(
    ("reader", "relationship"),
    [(ANN, "care team"), (SUE, "supervises the care team"), ("system:report", "system")],
    ids=["ann", "sue", "system"],
)
def test_the_readers_relationship_to_the_chart_is_recorded(
    sqlite_ledger: Ledger, reader: str, relationship: str
) -> None:
    open_chart(sqlite_ledger)
    open_one(sqlite_ledger, reader)
    assert accesses(sqlite_ledger.recorder)[0].charts[0].relationship == relationship


def test_a_supervisor_of_later_is_not_one_today(sqlite_ledger: Ledger) -> None:
    open_chart(sqlite_ledger)
    other = ident("other supervisor")
    sqlite_ledger.execute_batch(staff(other, "Otto", "supervisor"))
    later = AssignSupervisor(staff_id=ANN, supervisor_id=other, effective_from=date(2026, 2, 1))
    sqlite_ledger.execute(ask(later))
    with pytest.raises(NotAllowed, match="supervises the care team"):
        open_one(sqlite_ledger, other)
    open_one(sqlite_ledger, SUE)
    assert [event.charts[0].relationship for event in accesses(sqlite_ledger.recorder)] == ["supervises the care team"]


def test_a_past_moment_is_shown_as_it_was_known_then(ledger: Ledger, clock: ManualClock) -> None:
    ledger.execute(client())
    known = clock.now()
    clock.advance(timedelta(hours=1))
    ledger.execute(
        ask(OpenEpisode(client_id=CLIENT, episode_id=ident("e"), program="psc", opened_on=date(2025, 10, 1)))
    )
    grant = open_charts(
        ledger,
        [CLIENT],
        reader="system:auditor",
        purpose="audit",
        surface="cli",
        resource="chart",
        as_known_at=known,
        as_of=date(2025, 11, 1),
    )
    assert (grant.position, grant.as_known_at, grant.as_of) == (1, known, date(2025, 11, 1))
    (event,) = accesses(ledger.recorder)
    assert (event.as_known_at, event.as_of) == (known, date(2025, 11, 1))


@pytest.mark.parametrize("text", ["2027-01-05T09:00:00-08:00"])
def test_a_moment_still_to_come_shows_what_is_known_now(sqlite_ledger: Ledger, text: str) -> None:
    sqlite_ledger.execute(client())
    grant = open_charts(
        sqlite_ledger,
        [CLIENT],
        reader="system:auditor",
        purpose="audit",
        surface="cli",
        resource="chart",
        as_known_at=moment(text),
    )
    assert grant.position == 1


def test_when_the_access_cannot_be_recorded_nothing_is_granted(ledger: Ledger) -> None:
    open_chart(ledger)
    forbid_inserts(ledger.recorder)
    before = len(whole_log(ledger.recorder))
    with pytest.raises(LedgerError, match=r"could not|refused"):
        open_one(ledger)
    assert len(whole_log(ledger.recorder)) == before


def forbid_inserts(recorder: Recorder) -> None:
    """Let the database refuse every new event, as a full or read-only one does."""
    with recorder.engine.begin() as connection:
        if recorder.engine.dialect.name == "sqlite":
            connection.exec_driver_sql(
                "CREATE TRIGGER read_only BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'read-only'); END"
            )
        else:
            connection.exec_driver_sql("ALTER TABLE events ADD CONSTRAINT read_only CHECK (false) NOT VALID")


def test_strangers_and_former_colleagues_see_nothing(ledger: Ledger) -> None:
    open_chart(ledger)
    ledger.execute(ask(EndEmployment(staff_id=BOB, last_day=date(2026, 1, 4), reason="moved")))
    for reader in (BOB, ident("stranger"), "system:", ""):
        with pytest.raises(Refused, match="actor"):
            open_one(ledger, reader)
    assert accesses(ledger.recorder) == []


def test_a_read_without_a_purpose_is_refused(sqlite_ledger: Ledger) -> None:
    sqlite_ledger.execute(client())
    with pytest.raises(Refused, match="purpose"):
        open_charts(sqlite_ledger, [CLIENT], reader="system:x", purpose="", surface="cli", resource="chart")
    assert accesses(sqlite_ledger.recorder) == []


def test_a_chart_that_is_not_there_is_not_found_and_no_access_recorded(sqlite_ledger: Ledger) -> None:
    open_chart(sqlite_ledger)
    for missing in (SECOND, ANN):
        with pytest.raises(NotFound, match=missing):
            open_one(sqlite_ledger, "system:auditor", CLIENT, missing)
    assert accesses(sqlite_ledger.recorder) == []


def test_a_report_without_a_chart_still_leaves_its_trace(sqlite_ledger: Ledger) -> None:
    grant = open_charts(sqlite_ledger, [], reader="system:x", purpose="audit", surface="cli", resource="billing")
    (event,) = accesses(sqlite_ledger.recorder)
    assert (event.charts, grant.charts) == ((), frozenset())


def test_a_report_over_more_charts_than_one_event_holds_is_recorded_whole(
    sqlite_ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "CHARTS_PER_EVENT", 20)
    charts = [ident(f"client {n}") for n in range(45)]
    sqlite_ledger.execute_batch([client(one) for one in charts])
    grant = open_one(sqlite_ledger, "system:billing", *charts, charts[0])
    events = accesses(sqlite_ledger.recorder)
    assert [len(event.charts) for event in events] == [20, 20, 5]
    assert sorted(shown.chart_id for event in events for shown in event.charts) == sorted(charts)
    assert grant.charts == frozenset(charts)
    assert whole_log(sqlite_ledger.recorder)[45].originator_id == grant.access_id


def test_the_largest_access_event_fits_into_a_payload(sqlite_ledger: Ledger) -> None:
    charts = [ident(f"client {n}") for n in range(reading.CHARTS_PER_EVENT)]
    sqlite_ledger.execute_batch([client(one) for one in charts])
    open_one(sqlite_ledger, "system:billing", *charts)
    (event,) = accesses(sqlite_ledger.recorder)
    assert len(event.charts) == reading.CHARTS_PER_EVENT
