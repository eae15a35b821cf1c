"""The privacy of a chart: whether it is sensitive, who has broken the glass on it, what the client consented to.

Every reading looks here.

One stream a chart, beside the client's own, so that what somebody may see is decided on a short stream. It begins with
the first thing there is to say. Sources: ECM-10; 45 CFR 164.312(a)(2)(ii), 164.502(b); 42 CFR 2.31.
"""

from __future__ import annotations

import uuid
from datetime import date, datetime, timedelta

import msgspec

from ledger.aggregates.base import Aggregate, Given, decides
from ledger.aggregates.client import Client
from ledger.aggregates.days import day_of
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
from ledger.aggregates.vocabulary import Command, Event
from ledger.errors import Reasons
from ledger.policies.access import glass_on
from ledger.policies.segments import segment_names

_NAMESPACE = uuid.UUID("0f2f4c57-5a1d-5d8e-8a55-64f7a2b9d3c1")


def privacy_id(client_id: str) -> str:
    """The stream that a chart's privacy is kept in."""
    return str(uuid.uuid5(_NAMESPACE, client_id))


class Privacy(Aggregate):
    """What decides, beside role and relationship, whether a chart opens."""

    KIND = "privacy"

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier)
        self.sensitive = False
        self.broken: dict[str, GlassBroken] = {}
        self.reviewed: dict[str, GlassReviewed] = {}
        #: The documents that hold content of a segment: which.
        self.marked: dict[str, str] = {}
        self.consents: dict[str, ConsentGiven] = {}
        self.revoked: dict[str, ConsentRevoked] = {}

    def apply(self, event: Event, occurred_at: datetime) -> None:
        match event:
            case MarkedSensitive():
                self.sensitive = True
            case SensitiveEnded():
                self.sensitive = False
            case GlassBroken():
                self.broken[event.glass_id] = event
            case GlassReviewed():
                self.reviewed[event.glass_id] = event
            case SegmentMarked():
                self.marked[event.document_id] = event.segment
            case ConsentGiven():
                self.consents[event.consent_id] = event
            case ConsentRevoked():
                self.revoked[event.consent_id] = event
            case _:
                raise TypeError(f"a chart's privacy cannot hold {event.TYPE}")
        self.key = self.chart_id = event.client_id

    def glass_of(self, reader_id: str, moment: datetime) -> GlassBroken | None:
        """The glass that somebody has broken and that is still open at a moment; none when there is none."""
        for broken in reversed(self.broken.values()):
            if broken.reader_id == reader_id and moment < broken.until:
                return broken
        return None

    def consent_to(self, segment: str, purpose: str, day: date, recipient: str | None = None) -> ConsentGiven | None:
        """The consent that covers a segment for a purpose on a day, and a recipient where one is named."""
        for consent in reversed(self.consents.values()):
            if (
                segment in consent.segments
                and purpose in consent.purposes
                and self.consent_holds(consent.consent_id, day)
                and (recipient is None or recipient.casefold() == consent.recipient.casefold())
            ):
                return consent
        return None

    def consent_holds(self, consent_id: str, day: date) -> bool:
        """Whether a consent is in force on a day: signed by then, not run out, not taken back."""
        consent, revoked = self.consents.get(consent_id), self.revoked.get(consent_id)
        return (
            consent is not None
            and consent.signed_on <= day
            and (consent.expires_on is None or day <= consent.expires_on)
            and (revoked is None or day < revoked.revoked_on)
        )

    def owners(self, command: Command, given: Given) -> frozenset[str]:
        """Of a review, whoever broke the glass: nobody judges their own."""
        if isinstance(command, ReviewGlass) and command.glass_id in self.broken:
            return frozenset((self.broken[command.glass_id].reader_id,))
        return frozenset()

    @decides(MarkSensitive, on="client_id", stream=privacy_id)
    def mark(self, command: MarkSensitive, given: Given) -> None:
        reasons = Reasons()
        _check_client(reasons, given, command.client_id)
        reasons.unless(
            not self.sensitive, "client_id", "the chart is marked as sensitive already", "nothing to do", "unchanged"
        )
        reasons.refuse_if_any()
        self.record(
            MarkedSensitive(client_id=command.client_id, why=command.why, reason=command.reason), given.occurred_at
        )

    @decides(EndSensitive, on="client_id", stream=privacy_id)
    def end(self, command: EndSensitive, given: Given) -> None:
        reasons = Reasons()
        _check_client(reasons, given, command.client_id)
        reasons.unless(self.sensitive, "client_id", "the chart is not marked as sensitive", "check the id", "unchanged")
        reasons.refuse_if_any()
        self.record(SensitiveEnded(client_id=command.client_id, reason=command.reason), given.occurred_at)

    @decides(BreakGlass, on="client_id", stream=privacy_id, parts=("glass_id",))
    def break_glass(self, command: BreakGlass, given: Given) -> None:
        """Open until so many minutes from now as the rule of today says (``access.toml``, glass)."""
        reasons = Reasons()
        _check_client(reasons, given, command.client_id)
        reasons.unless(
            command.glass_id not in self.broken, "glass_id", "it is in use already", "use a new id", "exists"
        )
        reasons.refuse_if_any()
        minutes = glass_on(day_of(given, given.now)).minutes
        self.record(
            GlassBroken(
                client_id=command.client_id,
                glass_id=command.glass_id,
                reader_id=given.actor.id,
                reason=command.reason,
                until=given.now + timedelta(minutes=minutes),
                sensitive=self.sensitive,
            ),
            given.occurred_at,
        )

    @decides(ReviewGlass, on="client_id", stream=privacy_id)
    def review(self, command: ReviewGlass, given: Given) -> None:
        reasons = Reasons()
        reasons.unless(
            command.glass_id in self.broken,
            "glass_id",
            "no such glass was broken on this chart",
            "check the id",
            "unknown",
        )
        reasons.unless(
            command.glass_id not in self.reviewed, "glass_id", "it was reviewed already", "nothing to do", "reviewed"
        )
        reasons.refuse_if_any()
        self.record(
            GlassReviewed(
                client_id=command.client_id,
                glass_id=command.glass_id,
                justified=command.justified,
                reviewed_by=given.actor.id,
                comment=command.comment,
            ),
            given.occurred_at,
        )

    @decides(MarkSegment, on="client_id", stream=privacy_id)
    def mark_segment(self, command: MarkSegment, given: Given) -> None:
        reasons = Reasons()
        _check_client(reasons, given, command.client_id)
        _check_segments(reasons, "segment", (command.segment,))
        document = given.find(Aggregate, command.document_id)  # type: ignore[type-abstract]  # of whatever kind it is
        reasons.unless(
            document is not None
            and document.chart_id == command.client_id
            and command.document_id != command.client_id,
            "document_id",
            "the chart has no such document",
            "give the id of one of its contacts, notes or plans",
            "unknown",
        )
        reasons.unless(
            self.marked.get(command.document_id) != command.segment,
            "document_id",
            "it is marked so already",
            "nothing to do",
            "unchanged",
        )
        reasons.refuse_if_any()
        self.record(
            SegmentMarked(
                client_id=command.client_id,
                document_id=command.document_id,
                segment=command.segment,
                reason=command.reason,
            ),
            given.occurred_at,
        )

    @decides(GiveConsent, on="client_id", stream=privacy_id, parts=("consent_id",))
    def give_consent(self, command: GiveConsent, given: Given) -> None:
        reasons = Reasons()
        _check_client(reasons, given, command.client_id)
        _check_segments(reasons, "segments", command.segments)
        check_consent(reasons, command, day_of(given, given.now))
        reasons.unless(
            command.consent_id not in self.consents, "consent_id", "it is in use already", "use a new id", "exists"
        )
        reasons.refuse_if_any()
        said = msgspec.structs.asdict(command)
        for told in ("told_how_to_revoke", "told_of_redisclosure", "told_of_refusing"):
            del said[told]  # without each of them there is no consent
        self.record(ConsentGiven(**said), given.occurred_at)

    @decides(RevokeConsent, on="client_id", stream=privacy_id)
    def revoke_consent(self, command: RevokeConsent, given: Given) -> None:
        reasons = Reasons()
        consent = self.consents.get(command.consent_id)
        if consent is None:
            reasons.add("consent_id", "the client has given no such consent", "check the id", "unknown")
        else:
            reasons.unless(
                consent.signed_on <= command.revoked_on <= day_of(given, given.now),
                "revoked_on",
                f"it is not between the signature, {consent.signed_on}, and today",
                "give the day on which the client took it back",
                "order",
            )
        reasons.unless(
            command.consent_id not in self.revoked, "consent_id", "it was revoked already", "nothing to do", "unchanged"
        )
        reasons.refuse_if_any()
        self.record(ConsentRevoked(**msgspec.structs.asdict(command)), given.occurred_at)


def check_consent(reasons: Reasons, command: GiveConsent, today: date) -> None:
    """Note every element of a consent that is missing or does not hold (42 CFR 2.31(a))."""
    for field_name, holds, what in (
        ("told_how_to_revoke", command.told_how_to_revoke, "how the consent is taken back"),
        ("told_of_redisclosure", command.told_of_redisclosure, "that a recipient may disclose it again"),
        ("told_of_refusing", command.told_of_refusing, "what follows from not consenting"),
    ):
        reasons.unless(
            holds, field_name, f"the form does not say {what}", "have the client sign one that does", "element"
        )
    reasons.unless(
        (command.expires_on is None) != (command.expires_when is None),
        "expires_on",
        "a consent ends on a day or with an event",
        "give expires_on, or expires_when (for a tpo consent: none)",
        "element",
    )
    reasons.unless(command.signed_on <= today, "signed_on", "it lies in the future", "check the date", "future")
    if command.expires_on is not None:
        reasons.unless(
            command.signed_on <= command.expires_on,
            "expires_on",
            "it is before the signature",
            "check the dates",
            "order",
        )
    alone = command.kind in ("counselling-notes", "legal")
    reasons.unless(
        not alone or len(command.segments) == 1,
        "segments",
        f"a consent for {command.kind} stands alone",
        "record the others apart",
        "element",
    )


def _check_segments(reasons: Reasons, field_name: str, segments: tuple[str, ...]) -> None:
    for segment in segments:
        reasons.unless(
            segment in segment_names(),
            field_name,
            f"there is no segment {segment!r}",
            f"use one of {', '.join(sorted(segment_names()))}",
            "unknown",
        )


def _check_client(reasons: Reasons, given: Given, client_id: str) -> None:
    reasons.unless(
        given.find(Client, client_id) is not None,
        "client_id",
        f"there is no client {client_id}",
        "check the id",
        "unknown",
    )
