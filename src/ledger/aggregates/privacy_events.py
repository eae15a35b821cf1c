"""What is on record of a chart's privacy: marks, broken glass and its review, consents, and the commands for it.

Sources: ECM-10; 45 CFR 164.312(a)(2)(ii) (emergency access), 164.308(a)(1)(ii)(D) (review of activity); 42 CFR 2.12
(substance use content), 2.31 (consent), as amended by 89 FR 12472.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec

from ledger.aggregates.vocabulary import Command, Date, Event, Id, Label, Text, event


@event("privacy.marked_sensitive")
class MarkedSensitive(Event, frozen=True, kw_only=True):
    """From now on the chart opens only to somebody who has broken the glass on it. ``why`` is of whom it is."""

    client_id: str
    why: str
    reason: str


@event("privacy.sensitive_ended")
class SensitiveEnded(Event, frozen=True, kw_only=True):
    """The chart opens as any other again."""

    client_id: str
    reason: str


@event("privacy.glass_broken")
class GlassBroken(Event, frozen=True, kw_only=True):
    """Somebody opened the chart to themselves without a relationship, or although it is sensitive, until a time."""

    client_id: str
    glass_id: str
    reader_id: str
    reason: str
    until: datetime
    sensitive: bool = False


@event("privacy.glass_reviewed")
class GlassReviewed(Event, frozen=True, kw_only=True):
    """The privacy officer judged a broken glass: justified, or not."""

    client_id: str
    glass_id: str
    justified: bool
    reviewed_by: str
    comment: str


@event("privacy.segment_marked")
class SegmentMarked(Event, frozen=True, kw_only=True):
    """A document of the chart holds content of a segment: without consent it stays shut to whoever needs one."""

    client_id: str
    document_id: str
    segment: str
    reason: str


@event("privacy.consent_given")
class ConsentGiven(Event, frozen=True, kw_only=True):
    """The client consented to uses and disclosures: what, by whom, to whom, what for, until when (42 CFR 2.31(a))."""

    client_id: str
    consent_id: str
    kind: str
    segments: tuple[str, ...]
    description: str
    discloser: str
    recipient: str
    purposes: tuple[str, ...]
    expires_on: date | None
    expires_when: str | None
    signed_by: str
    signed_as: str
    signed_on: date


@event("privacy.consent_revoked")
class ConsentRevoked(Event, frozen=True, kw_only=True):
    """The client took a consent back; what was disclosed before stays disclosed (42 CFR 2.31(a)(6))."""

    client_id: str
    consent_id: str
    revoked_on: date
    reason: str


class MarkSensitive(Command, frozen=True, kw_only=True):
    """Mark a chart as sensitive: from then on it opens only to somebody who breaks the glass, with a reason."""

    NAME = "mark-sensitive"
    client_id: Id
    why: Literal["staff", "relative", "vip", "other"]
    reason: Text


class EndSensitive(Command, frozen=True, kw_only=True):
    """Let a chart that was marked as sensitive open as any other."""

    NAME = "end-sensitive"
    client_id: Id
    reason: Text


class BreakGlass(Command, frozen=True, kw_only=True):
    """Open a chart to yourself in an emergency: for a short time, flagged at once, and reviewed."""

    NAME = "break-glass"
    client_id: Id
    glass_id: Id
    reason: Text


class ReviewGlass(Command, frozen=True, kw_only=True):
    """Judge a broken glass: was it justified?"""

    NAME = "review-glass"
    client_id: Id
    glass_id: Id
    justified: bool
    comment: Text


class MarkSegment(Command, frozen=True, kw_only=True):
    """Mark a document of a chart as holding content of a segment, as substance use."""

    NAME = "mark-segment"
    client_id: Id
    document_id: Id
    segment: Label
    reason: Text


class GiveConsent(Command, frozen=True, kw_only=True):
    """Record a client's written consent. Every element that the regulation asks for is needed.

    The kind "tpo" is the single consent to treatment, payment and health care operations of the 2024 rule.
    """

    NAME = "give-consent"
    client_id: Id
    consent_id: Id
    kind: Literal["tpo", "specific", "counselling-notes", "legal"]
    segments: Annotated[tuple[Label, ...], msgspec.Meta(min_length=1, description="segments, as substance-use")]
    description: Text
    discloser: Label
    recipient: Label
    purposes: Annotated[tuple[Label, ...], msgspec.Meta(min_length=1, description="purposes of use")]
    signed_by: Label
    signed_as: Literal["client", "parent", "guardian", "representative"]
    signed_on: Date
    told_how_to_revoke: bool
    told_of_redisclosure: bool
    told_of_refusing: bool
    expires_on: Date | None = None
    expires_when: Label | None = None


class RevokeConsent(Command, frozen=True, kw_only=True):
    """Record that a client took a consent back."""

    NAME = "revoke-consent"
    client_id: Id
    consent_id: Id
    revoked_on: Date
    reason: Text
