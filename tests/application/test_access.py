"""May somebody open this chart? Relationships as they are today, broken glass, audits, refusals on record (ECM-10)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from tests.application.chart import ask, client, open_chart, staff, whole_log
from tests.sample import ANN, ASSIGNMENT, BOB, CLIENT, SUE, ident

from ledger.aggregates.access import AccessGranted, AccessRefused
from ledger.aggregates.client_events import ReleaseCoordinator
from ledger.aggregates.engagement import AssignAuditor, EndEngagement
from ledger.aggregates.privacy_events import BreakGlass, EndSensitive, MarkSensitive, ReviewGlass
from ledger.aggregates.staff import EndEmployment
from ledger.application.commands import Ledger
from ledger.application.reading import open_charts
from ledger.clock import ManualClock
from ledger.errors import LedgerError, NotFound, Refused
from ledger.grants import Grant, NotAllowed, NotGranted
from ledger.policies.access import glass_on
from ledger.store.codec import read

AUDITOR, OFFICER, OTHER, BILL = (ident(word) for word in ("auditor", "officer", "other officer", "bill"))
GLASS, ENGAGEMENT, SECOND = ident("glass"), ident("engagement"), ident("second client")


def people(ledger: Ledger) -> None:
    open_chart(ledger)
    for who, name, role in (
        (AUDITOR, "Audra", "auditor"),
        (OFFICER, "Olive", "privacy_officer"),
        (OTHER, "Otis", "privacy_officer"),
        (BILL, "Bill", "biller"),
    ):
        ledger.execute_batch(staff(who, name, role))


def read_by(ledger: Ledger, reader: str, *charts: str, purpose: str = "treatment", resource: str = "chart") -> Grant:
    return open_charts(
        ledger,
        charts or (CLIENT,),
        reader=reader,
        purpose=purpose,
        surface="cli",
        resource=resource,
        address="192.0.2.7",
    )


def last(ledger: Ledger) -> Any:
    return read(whole_log(ledger.recorder)[-1]).event


def test_whoever_coordinates_care_opens_the_chart_until_they_are_released(ledger: Ledger, clock: ManualClock) -> None:
    people(ledger)
    grant = read_by(ledger, ANN)
    event = last(ledger)
    assert isinstance(event, AccessGranted)
    assert [(one.rule, one.basis, one.charts) for one in event.decided or ()] == [("ACC-1", None, ())]
    assert (event.address, grant.withheld) == ("192.0.2.7", frozenset())
    ledger.execute(
        ask(
            ReleaseCoordinator(
                client_id=CLIENT,
                assignment_id=ASSIGNMENT,
                last_day=clock.now().date() - timedelta(days=1),
                reason="left",
            )
        )
    )
    with pytest.raises(NotAllowed, match="a relationship to the client: care team"):
        read_by(ledger, ANN)


def test_a_refusal_is_on_record_and_shows_nothing(ledger: Ledger) -> None:
    people(ledger)
    before = len(whole_log(ledger.recorder))
    with pytest.raises(NotAllowed):
        read_by(ledger, BOB)
    rows = whole_log(ledger.recorder)
    assert len(rows) == before + 1
    event = read(rows[-1]).event
    assert isinstance(event, AccessRefused)
    assert (event.reader_id, event.resource, event.purpose, event.charts) == (BOB, "chart", "treatment", (CLIENT,))
    assert (rows[-1].actor, rows[-1].chart_id, event.address) == (BOB, None, "192.0.2.7")
    assert "relationship" in event.why


def test_a_refusal_does_not_say_whether_the_chart_is_there(sqlite_ledger: Ledger) -> None:
    people(sqlite_ledger)
    said = []
    for chart_id in (CLIENT, SECOND):
        with pytest.raises(LedgerError) as fault:
            read_by(sqlite_ledger, BOB, chart_id)
        said.append((type(fault.value), str(fault.value)))
    assert said[0] == said[1]
    with pytest.raises(NotFound):
        read_by(sqlite_ledger, "system:auditor", SECOND)


def test_an_attempt_by_nobody_is_on_record_too(sqlite_ledger: Ledger) -> None:
    people(sqlite_ledger)
    with pytest.raises(Refused, match="not a staff member"):
        read_by(sqlite_ledger, ident("nobody"))
    row = whole_log(sqlite_ledger.recorder)[-1]
    event = read(row).event
    assert isinstance(event, AccessRefused)
    assert (row.actor, event.reader_id) == ("system:door", ident("nobody"))


def test_somebody_who_has_left_is_refused_and_the_attempt_is_on_record(
    sqlite_ledger: Ledger, clock: ManualClock
) -> None:
    people(sqlite_ledger)
    sqlite_ledger.execute(
        ask(EndEmployment(staff_id=ANN, last_day=clock.now().date() - timedelta(days=1), reason="moved"))
    )
    with pytest.raises(Refused, match="not employed"):
        read_by(sqlite_ledger, ANN)
    assert last(sqlite_ledger).reader_id == ANN


def test_of_a_page_what_the_reader_may_not_open_is_left_out(ledger: Ledger) -> None:
    people(ledger)
    ledger.execute(client(SECOND))
    grant = read_by(ledger, ANN, CLIENT, SECOND, resource="caseload")
    assert (grant.charts, grant.withheld) == (frozenset((CLIENT,)), frozenset((SECOND,)))
    assert grant.opens(CLIENT)
    assert not grant.opens(SECOND)
    with pytest.raises(NotGranted):
        grant.check(SECOND)
    with pytest.raises(NotGranted):
        grant.opens(ident("third client"))
    event = last(ledger)
    assert ([chart.chart_id for chart in event.charts], event.withheld) == ([CLIENT], 1)


def test_broken_glass_opens_a_chart_for_its_time(ledger: Ledger, clock: ManualClock) -> None:
    people(ledger)
    result = ledger.execute(ask(BreakGlass(client_id=CLIENT, glass_id=GLASS, reason="found unconscious"), BOB))
    assert result.types == ("privacy.glass_broken",)
    read_by(ledger, BOB, purpose="emergency")
    event = last(ledger)
    assert event.charts[0].relationship == "broke the glass"
    assert [(one.rule, one.basis) for one in event.decided] == [("ACC-10", GLASS)]
    with pytest.raises(NotAllowed, match="another purpose than payment"):
        read_by(ledger, BOB, purpose="payment")
    clock.advance(timedelta(minutes=glass_on(clock.now().date()).minutes))
    with pytest.raises(NotAllowed):
        read_by(ledger, BOB, purpose="emergency")


def test_a_broken_glass_is_judged_once_and_never_by_whoever_broke_it(sqlite_ledger: Ledger) -> None:
    people(sqlite_ledger)
    sqlite_ledger.execute(ask(BreakGlass(client_id=CLIENT, glass_id=GLASS, reason="a complaint"), OFFICER))
    judged = ReviewGlass(client_id=CLIENT, glass_id=GLASS, justified=False, comment="no emergency")
    with pytest.raises(Refused, match="nobody reviews the glass that they broke"):
        sqlite_ledger.execute(ask(judged, OFFICER, "own"))
    sqlite_ledger.execute(ask(judged, OTHER))
    assert (last(sqlite_ledger).justified, last(sqlite_ledger).reviewed_by) == (False, OTHER)
    with pytest.raises(Refused, match="reviewed already"):
        sqlite_ledger.execute(ask(judged, OTHER, "again"))


def test_a_sensitive_chart_opens_to_nobody_without_the_glass(ledger: Ledger) -> None:
    people(ledger)
    ledger.execute(ask(MarkSensitive(client_id=CLIENT, why="relative", reason="sister of a clinician"), OFFICER))
    for reader in (ANN, SUE):
        with pytest.raises(NotAllowed, match="sensitive"):
            read_by(ledger, reader)
    ledger.execute(ask(BreakGlass(client_id=CLIENT, glass_id=GLASS, reason="the weekly visit"), ANN))
    read_by(ledger, ANN)
    assert [(one.rule, one.basis) for one in last(ledger).decided] == [("ACC-1", GLASS)]
    with pytest.raises(NotAllowed):
        read_by(ledger, SUE)
    ledger.execute(ask(EndSensitive(client_id=CLIENT, reason="she has moved"), OFFICER))
    read_by(ledger, SUE)


def test_an_auditor_opens_the_charts_of_the_audit_until_its_last_day(ledger: Ledger, clock: ManualClock) -> None:
    people(ledger)
    ledger.execute(client(SECOND))
    with pytest.raises(NotAllowed, match="assigned to the audit"):
        read_by(ledger, AUDITOR, purpose="audit")
    assigned = AssignAuditor(
        auditor_id=AUDITOR,
        engagement_id=ENGAGEMENT,
        charts=(CLIENT,),
        services_from=date(2025, 10, 1),
        services_to=date(2025, 12, 31),
        last_day=clock.now().date() + timedelta(days=2),
        reason="county audit of the fourth quarter",
    )
    with pytest.raises(Refused, match="nobody assigns themselves"):
        ledger.execute(ask(assigned, AUDITOR, "self"))
    ledger.execute(ask(assigned, OFFICER))
    read_by(ledger, AUDITOR, purpose="audit")
    assert [(one.rule, one.basis) for one in last(ledger).decided] == [("ACC-4", ENGAGEMENT)]
    with pytest.raises(NotAllowed):
        read_by(ledger, AUDITOR, SECOND, purpose="audit")
    clock.advance(timedelta(days=4))
    with pytest.raises(NotAllowed):
        read_by(ledger, AUDITOR, purpose="audit")


def test_an_assignment_that_was_ended_opens_nothing(sqlite_ledger: Ledger, clock: ManualClock) -> None:
    people(sqlite_ledger)
    day = clock.now().date()
    for number in (1, 2):
        sqlite_ledger.execute(
            ask(
                AssignAuditor(
                    auditor_id=AUDITOR,
                    engagement_id=ident(f"engagement {number}"),
                    charts=(CLIENT,),
                    services_from=day,
                    services_to=day,
                    last_day=day + timedelta(days=9),
                    reason="audit",
                ),
                OFFICER,
            )
        )
    for number, opens in ((2, True), (1, False)):
        sqlite_ledger.execute(
            ask(EndEngagement(auditor_id=AUDITOR, engagement_id=ident(f"engagement {number}"), reason="done"), OFFICER)
        )
        if opens:
            read_by(sqlite_ledger, AUDITOR, purpose="audit")
        else:
            with pytest.raises(NotAllowed):
                read_by(sqlite_ledger, AUDITOR, purpose="audit")


def test_a_biller_opens_rows_and_no_narrative(sqlite_ledger: Ledger) -> None:
    people(sqlite_ledger)
    read_by(sqlite_ledger, BILL, purpose="payment", resource="billing rows 2026-01")
    for resource in ("chart", "trace", "access audit"):
        with pytest.raises(NotAllowed):
            read_by(sqlite_ledger, BILL, purpose="payment", resource=resource)


def test_a_client_opens_their_own_chart_and_no_other(sqlite_ledger: Ledger) -> None:
    people(sqlite_ledger)
    sqlite_ledger.execute(client(SECOND))
    read_by(sqlite_ledger, CLIENT, purpose="patient-request")
    event = last(sqlite_ledger)
    assert (event.reader_id, event.charts[0].relationship) == (CLIENT, "the client")
    with pytest.raises(NotAllowed):
        read_by(sqlite_ledger, CLIENT, SECOND, purpose="patient-request")


def test_two_who_break_the_glass_of_one_chart_at_once_both_do(ledger: Ledger) -> None:
    people(ledger)
    for number, who in enumerate((BOB, ANN)):
        ledger.execute(ask(BreakGlass(client_id=CLIENT, glass_id=ident(f"glass {number}"), reason="an emergency"), who))
    assert [row.originator_version for row in whole_log(ledger.recorder)[-2:]] == [1, 2]
