"""A chart's privacy and an auditor's assignments (ECM-10; 45 CFR 164.312(a)(2)(ii), 164.514(d); 42 CFR 2.31)."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest
from tests.notation import given, of
from tests.sample import ANN, BOB, CHART, CLIENT, COLE, COMPLIANCE, CONTACT, SUE, ident, moment, person

from ledger.aggregates.access import AccessRefused, RefuseAccess
from ledger.aggregates.engagement import (
    AssignAuditor,
    AuditorAssigned,
    EndEngagement,
    EngagementEnded,
    engagements_id,
)
from ledger.aggregates.privacy import privacy_id
from ledger.aggregates.privacy_events import (
    BreakGlass,
    ConsentGiven,
    ConsentRevoked,
    EndSensitive,
    GiveConsent,
    GlassBroken,
    GlassReviewed,
    MarkedSensitive,
    MarkSegment,
    MarkSensitive,
    ReviewGlass,
    RevokeConsent,
    SegmentMarked,
    SensitiveEnded,
)

GLASS, CONSENT, AUDIT, AUDITOR = ident("glass"), ident("consent"), ident("audit"), ident("auditor")
DAY = date(2026, 1, 5)
PRIVACY = privacy_id(CLIENT)
MARKED = of(PRIVACY, MarkedSensitive(client_id=CLIENT, why="staff", reason="works here"))
BROKEN = of(
    PRIVACY,
    GlassBroken(
        client_id=CLIENT,
        glass_id=GLASS,
        reader_id=BOB,
        reason="found unconscious",
        until=moment("2026-01-02T20:00:00-08:00"),
    ),
)
A_CONSENT = GiveConsent(
    client_id=CLIENT,
    consent_id=CONSENT,
    kind="tpo",
    segments=("substance-use",),
    description="everything about my treatment",
    discloser="Example Agency",
    recipient="Example Health Plan",
    purposes=("treatment", "payment", "operations"),
    signed_by="Jo Doe",
    signed_as="client",
    signed_on=DAY,
    told_how_to_revoke=True,
    told_of_redisclosure=True,
    told_of_refusing=True,
    expires_when="none",
)
GIVEN = ConsentGiven(
    client_id=CLIENT,
    consent_id=CONSENT,
    kind="tpo",
    segments=("substance-use",),
    description="everything about my treatment",
    discloser="Example Agency",
    recipient="Example Health Plan",
    purposes=("treatment", "payment", "operations"),
    expires_on=None,
    expires_when="none",
    signed_by="Jo Doe",
    signed_as="client",
    signed_on=DAY,
)
ASSIGN = AssignAuditor(
    auditor_id=AUDITOR,
    engagement_id=AUDIT,
    charts=(CLIENT, CLIENT),
    services_from=date(2025, 10, 1),
    services_to=date(2025, 12, 31),
    last_day=date(2026, 1, 31),
    reason="county audit",
)
ASSIGNED = AuditorAssigned(
    auditor_id=AUDITOR,
    engagement_id=AUDIT,
    charts=(CLIENT,),
    services_from=date(2025, 10, 1),
    services_to=date(2025, 12, 31),
    last_day=date(2026, 1, 31),
    reason="county audit",
)
OTTO = person(AUDITOR, "Audra", "auditor", credential=None)


def test_a_chart_is_marked_as_sensitive_and_is_so_until_that_is_ended() -> None:
    mark = MarkSensitive(client_id=CLIENT, why="relative", reason="sister of a clinician")
    given(*CHART, COMPLIANCE).when(mark, by=COLE).then(
        MarkedSensitive(client_id=CLIENT, why="relative", reason="sister of a clinician")
    )
    given(*CHART, COMPLIANCE, MARKED).when(mark, by=COLE).then_refused("client_id", "marked as sensitive already")
    ended = EndSensitive(client_id=CLIENT, reason="has left")
    given(*CHART, COMPLIANCE, MARKED).when(ended, by=COLE).then(SensitiveEnded(client_id=CLIENT, reason="has left"))
    given(*CHART, COMPLIANCE).when(ended, by=COLE).then_refused("client_id", "not marked as sensitive")


def test_a_client_who_is_not_there_has_no_chart_to_mark() -> None:
    nobody = MarkSensitive(client_id=ident("nobody"), why="vip", reason="well known")
    given(*CHART, COMPLIANCE).when(nobody, by=COLE).then_refused("client_id", "there is no client")


def test_the_glass_is_broken_for_four_hours_from_the_servers_time_whatever_is_claimed() -> None:
    command = BreakGlass(client_id=CLIENT, glass_id=GLASS, reason="found unconscious")
    given(*CHART).when(command, by=BOB, at="2026-01-05T09:00:00-08:00", now="2026-01-05T10:00:00-08:00").then_a(
        GlassBroken, reader_id=BOB, until=moment("2026-01-05T14:00:00-08:00"), sensitive=False
    )
    given(*CHART, MARKED).when(command, by=ANN).then_a(GlassBroken, reader_id=ANN, sensitive=True)
    given(*CHART, BROKEN).when(command, by=ANN).then_refused("glass_id", "in use already")


def test_broken_glass_is_judged_once_by_somebody_else() -> None:
    command = ReviewGlass(client_id=CLIENT, glass_id=GLASS, justified=True, comment="the crisis team confirmed it")
    judged = GlassReviewed(
        client_id=CLIENT, glass_id=GLASS, justified=True, reviewed_by=COLE, comment="the crisis team confirmed it"
    )
    given(*CHART, COMPLIANCE, BROKEN).when(command, by=COLE).then(judged)
    given(*CHART, COMPLIANCE, BROKEN.and_then(judged)).when(command, by=COLE).then_refused("glass_id", "already")
    given(*CHART, COMPLIANCE, MARKED).when(command, by=COLE).then_refused("glass_id", "no such glass")
    own = of(PRIVACY, msgspec.structs.replace(BROKEN.events[0], reader_id=COLE))
    given(*CHART, COMPLIANCE, own).when(command, by=COLE).then_refused("actor", "the glass that they broke")


def test_a_document_of_the_chart_is_marked_as_of_a_segment() -> None:
    command = MarkSegment(client_id=CLIENT, document_id=CONTACT, segment="substance-use", reason="speaks of drinking")
    marked = SegmentMarked(client_id=CLIENT, document_id=CONTACT, segment="substance-use", reason="speaks of drinking")
    given(*CHART).when(command, by=ANN).then(marked)
    given(*CHART, of(PRIVACY, marked)).when(command, by=ANN).then_refused("document_id", "marked so already")
    other = msgspec.structs.replace(command, document_id=ANN, segment="tobacco")
    given(*CHART).when(other, by=ANN).then_refused(
        "document_id", "no such document", ("segment", "there is no segment 'tobacco'")
    )


def test_a_consent_has_every_element_of_the_regulation() -> None:
    given(*CHART).when(A_CONSENT, by=ANN).then(GIVEN)
    without = msgspec.structs.replace(
        A_CONSENT, told_how_to_revoke=False, told_of_redisclosure=False, told_of_refusing=False, expires_when=None
    )
    given(*CHART).when(without, by=ANN).then_refused(
        "told_how_to_revoke",
        "how the consent is taken back",
        ("told_of_redisclosure", "disclose it again"),
        ("told_of_refusing", "not consenting"),
        ("expires_on", "ends on a day or with an event"),
    )
    given(*CHART, of(PRIVACY, GIVEN)).when(A_CONSENT, by=ANN).then_refused("consent_id", "in use already")


def test_a_consent_is_taken_back_on_a_day_between_the_signature_and_today() -> None:
    command = RevokeConsent(client_id=CLIENT, consent_id=CONSENT, revoked_on=DAY, reason="changed my mind")
    revoked = ConsentRevoked(client_id=CLIENT, consent_id=CONSENT, revoked_on=DAY, reason="changed my mind")
    given(*CHART, of(PRIVACY, GIVEN)).when(command, by=ANN).then(revoked)
    given(*CHART, of(PRIVACY, GIVEN, revoked)).when(command, by=ANN).then_refused("consent_id", "revoked already")
    given(*CHART, MARKED).when(command, by=ANN).then_refused("consent_id", "no such consent")
    for day in (date(2026, 1, 4), date(2026, 1, 6)):
        late = msgspec.structs.replace(command, revoked_on=day)
        given(*CHART, of(PRIVACY, GIVEN)).when(late, by=ANN).then_refused("revoked_on", "not between the signature")


def test_an_auditor_is_assigned_to_charts_until_a_day() -> None:
    given(*CHART, COMPLIANCE, OTTO).when(ASSIGN, by=COLE).then(ASSIGNED)
    stream = of(engagements_id(AUDITOR), ASSIGNED)
    given(*CHART, COMPLIANCE, OTTO, stream).when(ASSIGN, by=COLE).then_refused("engagement_id", "in use")
    wrong = msgspec.structs.replace(
        ASSIGN,
        auditor_id=SUE,
        charts=(CLIENT, ident("nothing")),
        services_to=date(2025, 1, 1),
        last_day=date(2026, 1, 1),
    )
    given(*CHART, COMPLIANCE).when(wrong, by=COLE).then_refused(
        "auditor_id",
        "is no auditor",
        ("charts", "there is no chart"),
        ("services_to", "before services_from"),
        ("last_day", "it has passed"),
    )


def test_an_assignment_is_ended_once() -> None:
    command = EndEngagement(auditor_id=AUDITOR, engagement_id=AUDIT, reason="done")
    ended = EngagementEnded(auditor_id=AUDITOR, engagement_id=AUDIT, reason="done")
    stream = of(engagements_id(AUDITOR), ASSIGNED)
    given(*CHART, COMPLIANCE, OTTO, stream).when(command, by=COLE).then(ended)
    given(*CHART, COMPLIANCE, OTTO, stream.and_then(ended)).when(command, by=COLE).then_refused(
        "engagement_id", "it has ended"
    )
    given(*CHART, COMPLIANCE, OTTO).when(command, by=COLE).then_refused("engagement_id", "no such assignment")


@pytest.mark.parametrize("reader", [BOB, ident("nobody")])
def test_whoever_was_refused_is_on_record(reader: str) -> None:
    command = RefuseAccess(
        access_id=ident("x"),
        reader_id=reader,
        surface="cli",
        resource="chart",
        purpose="treatment",
        charts=(CLIENT,),
        why="no relationship",
    )
    given(*CHART).when(command, by="system:door").then_a(AccessRefused, reader_id=reader, why="no relationship")
