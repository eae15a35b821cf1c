"""What stays shut of a chart: content of a segment without consent, services outside an audit's days (42 CFR 2.12)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from tests.application.chart import ask, open_chart, staff
from tests.sample import ANN, CLIENT, CONTACT, NOTE, STARTED, ident

from ledger.aggregates.client_events import DiagnosisRecorded, RecordDiagnosis
from ledger.aggregates.privacy_events import GiveConsent, MarkSegment, RevokeConsent
from ledger.application.commands import Ledger
from ledger.application.reading import open_charts
from ledger.clock import ManualClock
from ledger.consumers.log import LocalLog
from ledger.consumers.runner import Runner
from ledger.errors import Refused
from ledger.evidence import gather as evidence
from ledger.grants import Grant, Limits, NotAllowed
from ledger.projections.billing_page import live_record, month_page
from ledger.projections.caseload import board
from ledger.projections.every import PROJECTIONS
from ledger.projections.seen import seen
from ledger.projections.timeliness import services_between
from ledger.proof.between import Trusted
from ledger.replay.verified import read_verified
from ledger.tracing.story import gather

BILL, OFFICER, CONSENT = ident("bill"), ident("officer"), ident("consent")
SHUT = Limits(segments=frozenset(("substance-use",)))


def a_consent(**other: Any) -> GiveConsent:
    said: dict[str, Any] = {
        "client_id": CLIENT,
        "consent_id": CONSENT,
        "kind": "tpo",
        "segments": ("substance-use",),
        "description": "everything about my treatment",
        "discloser": "Example Agency",
        "recipient": "Example Health Plan",
        "purposes": ("treatment", "payment", "operations"),
        "signed_by": "Jo Doe",
        "signed_as": "client",
        "signed_on": date(2026, 1, 5),
        "told_how_to_revoke": True,
        "told_of_redisclosure": True,
        "told_of_refusing": True,
        "expires_when": "none",
    }
    return GiveConsent(**{**said, **other})


def chart_with_substance_use(ledger: Ledger) -> None:
    open_chart(ledger)
    ledger.execute_batch(staff(BILL, "Bill", "biller"))
    ledger.execute_batch(staff(OFFICER, "Olive", "privacy_officer"))
    for code, display in (("F10.20", "Alcohol dependence"), ("F41.1", "Generalized anxiety disorder")):
        ledger.execute(
            ask(
                RecordDiagnosis(
                    client_id=CLIENT,
                    diagnosis_id=ident(code),
                    system="icd-10-cm",
                    code=code,
                    display=display,
                    onset=date(2025, 11, 1),
                ),
                ANN,
            )
        )
    marked = MarkSegment(client_id=CLIENT, document_id=NOTE, segment="substance-use", reason="speaks of drinking")
    ledger.execute(ask(marked, ANN))


def opened(ledger: Ledger, reader: str, purpose: str, resource: str) -> Grant:
    return open_charts(ledger, [CLIENT], reader=reader, purpose=purpose, surface="cli", resource=resource)


def documents(ledger: Ledger, grant: Grant) -> set[str]:
    return {str(one.row.originator_id) for one in read_verified(ledger.recorder, grant, CLIENT)}


def test_who_needs_no_consent_sees_all_of_it(ledger: Ledger) -> None:
    chart_with_substance_use(ledger)
    grant = opened(ledger, ANN, "treatment", "chart")
    assert grant.limits == {}
    assert {CONTACT, NOTE} <= documents(ledger, grant)


def test_without_consent_a_marked_note_and_its_contact_and_the_diagnosis_stay_shut(ledger: Ledger) -> None:
    chart_with_substance_use(ledger)
    grant = opened(ledger, BILL, "payment", "billing rows 2026-01")
    assert grant.limits[CLIENT] == replace(SHUT, marked=frozenset((NOTE,)))
    events = read_verified(ledger.recorder, grant, CLIENT)
    assert not {CONTACT, NOTE} & {str(one.row.originator_id) for one in events}
    codes = [one.event.code for one in events if isinstance(one.event, DiagnosisRecorded)]
    assert codes == ["F41.1"]


def test_a_consent_opens_it_for_its_purposes_while_it_lasts(ledger: Ledger, clock: ManualClock) -> None:
    chart_with_substance_use(ledger)
    ledger.execute(ask(a_consent(), OFFICER))
    assert opened(ledger, BILL, "payment", "billing rows 2026-01").limits == {}
    revoked = RevokeConsent(
        client_id=CLIENT, consent_id=CONSENT, revoked_on=clock.now().date(), reason="changed my mind"
    )
    ledger.execute(ask(revoked, OFFICER))
    assert opened(ledger, BILL, "payment", "billing rows 2026-01").limits != {}


def test_a_consent_for_another_purpose_opens_nothing(ledger: Ledger) -> None:
    chart_with_substance_use(ledger)
    ledger.execute(ask(a_consent(kind="specific", purposes=("treatment",)), OFFICER))
    assert opened(ledger, BILL, "payment", "billing rows 2026-01").limits != {}


def test_a_consent_that_has_run_out_opens_nothing(ledger: Ledger) -> None:
    chart_with_substance_use(ledger)
    ledger.execute(ask(a_consent(expires_when=None, signed_on=date(2026, 1, 2), expires_on=date(2026, 1, 2)), OFFICER))
    assert opened(ledger, BILL, "payment", "billing rows 2026-01").limits != {}


@pytest.mark.parametrize(
    ("missing", "field"),
    [
        ({"told_how_to_revoke": False}, "told_how_to_revoke"),
        ({"told_of_redisclosure": False}, "told_of_redisclosure"),
        ({"told_of_refusing": False}, "told_of_refusing"),
        ({"expires_when": None}, "expires_on"),
        ({"expires_on": date(2027, 1, 1)}, "expires_on"),
        ({"segments": ("tobacco",)}, "segments"),
        ({"signed_on": date(2030, 1, 1)}, "signed_on"),
        ({"kind": "legal", "segments": ("substance-use", "substance-use")}, "segments"),
    ],
)
def test_a_consent_without_an_element_is_none(sqlite_ledger: Ledger, missing: dict[str, Any], field: str) -> None:
    chart_with_substance_use(sqlite_ledger)
    with pytest.raises(Refused) as fault:
        sqlite_ledger.execute(ask(a_consent(**missing), OFFICER))
    assert field in [reason.field for reason in fault.value.reasons]


def test_a_document_of_another_chart_is_not_marked(sqlite_ledger: Ledger) -> None:
    chart_with_substance_use(sqlite_ledger)
    for document in (ANN, CLIENT, ident("nothing")):
        with pytest.raises(Refused, match="no such document"):
            sqlite_ledger.execute(
                ask(MarkSegment(client_id=CLIENT, document_id=document, segment="substance-use", reason="x"), ANN)
            )


def test_services_outside_the_days_of_an_audit_stay_shut(ledger: Ledger) -> None:
    open_chart(ledger)
    events = read_verified(ledger.recorder, opened(ledger, ANN, "treatment", "chart"), CLIENT)
    day = STARTED.date()
    inside = seen(events, Limits(first=day, last=day))
    outside = seen(events, Limits(first=date(2025, 1, 1), last=date(2025, 12, 31)))
    assert inside == events
    left = {str(one.row.originator_id) for one in events} - {str(one.row.originator_id) for one in outside}
    assert left == {CONTACT, NOTE}


def test_a_note_that_stays_shut_is_not_traced_and_no_bundle_is_cut(sqlite_ledger: Ledger) -> None:
    open_chart(sqlite_ledger)
    recorder, now = sqlite_ledger.recorder, sqlite_ledger.clock.now()
    grant = opened(sqlite_ledger, ANN, "treatment", "trace")
    assert gather(recorder, grant, NOTE).note_id == NOTE
    shut = replace(grant, limits={CLIENT: Limits(first=date(2025, 1, 1), last=date(2025, 12, 31))})
    with pytest.raises(NotAllowed, match="stays shut"):
        gather(recorder, shut, NOTE)
    with pytest.raises(NotAllowed, match="stays shut"):
        evidence.gather(
            recorder,
            shut,
            evidence.subject_of(recorder, NOTE),
            as_at=now,
            zone="America/Los_Angeles",
            trusted=Trusted(),
        )


def test_a_view_leaves_out_the_rows_of_what_stays_shut(sqlite_ledger: Ledger) -> None:
    chart_with_substance_use(sqlite_ledger)
    recorder = sqlite_ledger.recorder
    runner = Runner(recorder.engine, LocalLog(recorder), PROJECTIONS)
    runner.prepare()
    runner.catch_up()
    month = date(2026, 1, 1), date(2026, 1, 31)
    grant = opened(sqlite_ledger, BILL, "payment", "billing rows 2026-01")
    all_of_it = replace(grant, limits={})
    diagnoses = replace(grant, limits={CLIENT: SHUT})
    programs = replace(grant, limits={CLIENT: Limits(programs=frozenset(("psc",)))})
    with recorder.reading() as connection:
        page = month_page(live_record(connection, *month), *month)
        assert [service.row.contact_id for service in page.open(all_of_it)] == [CONTACT]
        assert page.open(grant) == ()
        (service,) = page.open(all_of_it)
        assert {*service.row.diagnoses, *service.diagnoses} == {"F10.20", "F41.1"}
        (service,) = page.open(diagnoses)
        assert {*service.row.diagnoses, *service.diagnoses} == {"F41.1"}
        assert len(services_between(connection, all_of_it, *month)) == 1
        assert services_between(connection, grant, *month) == []
        assert len(board(connection, all_of_it, STARTED.date())) == 1
        assert board(connection, programs, STARTED.date()) == []
