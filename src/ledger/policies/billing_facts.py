"""What a claim line is made from, what it is, and the table of checks that can stop it.

The facts come from the signed record (the signer's credential and taxonomy as they were at signing); the answer holds
every reason at once. Which check blocks and which only flags is data (billing_checks.toml).
"""

from __future__ import annotations

from datetime import date, datetime
from functools import cache, lru_cache
from typing import Literal

import msgspec

from ledger.policies.credentials import Credential
from ledger.policies.provenance import Confidence, Provenance, load_data
from ledger.policies.service_codes import DeliveryMode, Variant


class SignerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Who signed (or would sign) and under what. ``credentials`` is everything recorded, expired ones included."""

    credential_kind: str | None
    provider_class: str | None = None
    taxonomy: str | None = None
    credentials: tuple[Credential, ...] = ()


class InpatientFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The member's psychiatric inpatient stay around the service date, if any; dates are local."""

    admitted_on: date
    discharged_on: date | None = None
    expected_discharge_on: date | None = None
    for_placement: bool = False


class ServiceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One service to one member. Minutes are whole; times carry the offset the person meant."""

    contact_id: str
    client_id: str
    provider_id: str
    program: str
    state: str
    system: str
    service_date: date
    direct_minutes: int
    code: str | None
    place_of_service: str | None
    delivery_mode: DeliveryMode
    signer: SignerFacts
    signed: bool
    payer_id_present: bool
    started_at: datetime | None = None
    ended_at: datetime | None = None
    travel_minutes: int = 0
    documentation_minutes: int = 0
    variant: Variant = "service"
    modifiers: tuple[str, ...] = ()
    group_size: int | None = None
    session_id: str | None = None  # shared by the services of one group session
    diagnoses: tuple[str, ...] = ()
    plan_linked: bool = False
    plan_reason_given: bool = False  # the note says why it names no objective (intake, crisis)
    cosign_needed: bool = False
    cosign_present: bool = False
    entered_in_error: bool = False
    member_age: int | None = None
    inpatient: InpatientFacts | None = None


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One finding about a line: what was found, what mends it, the rule it comes from."""

    code: str
    words: str
    mend: str
    source: str
    confidence: Confidence


class BillingLine(msgspec.Struct, frozen=True, kw_only=True):
    """A claim line. It may be billed when nothing blocks it; flags inform and do not block."""

    contact_ids: tuple[str, ...]
    client_id: str
    provider_id: str
    state: str
    system: str
    service_date: date
    code: str | None
    variant: Variant
    units: int
    unit_words: str
    direct_minutes: int
    travel_minutes: int
    documentation_minutes: int
    modifiers: tuple[str, ...]
    place: str | None
    taxonomy: str | None
    diagnoses: tuple[str, ...]
    blocks: tuple[Block, ...]
    flags: tuple[Block, ...]
    steps: tuple[str, ...]

    @property
    def billable(self) -> bool:
        """Whether nothing blocks the line."""
        return not self.blocks


class CheckRow(Provenance, frozen=True, kw_only=True):
    """One check: whether it blocks or flags from a date, and what mends what it finds."""

    code: str
    severity: Literal["block", "flag"]
    mend: str


class _Checks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    check: tuple[CheckRow, ...]


class Found(msgspec.Struct, frozen=True):
    """What a check found: the check's code, the words, and a narrower source where there is one."""

    code: str
    words: str
    source: str | None = None


@cache
def check_rows() -> tuple[CheckRow, ...]:
    """Every row of the check table, all dates."""
    return load_data("billing_checks", _Checks).check


def sort_findings(found: list[Found], day: date) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
    """The findings as (blocks, flags) by the check table in force on ``day``.

    A check whose rows have ended finds nothing that day. A day before the first row of a check takes that first row, so
    that an old date never passes unchecked. A check without any row raises ``LookupError``.
    """
    blocks: list[Block] = []
    flags: list[Block] = []
    for item in found:
        for row in _rows_of(item.code, day):
            made = Block(
                code=item.code,
                words=item.words,
                mend=row.mend,
                source=item.source or row.source,
                confidence=row.confidence,
            )
            (blocks if row.severity == "block" else flags).append(made)
    return tuple(blocks), tuple(flags)


@lru_cache(maxsize=8192)
def _rows_of(code: str, day: date) -> tuple[CheckRow, ...]:
    rows = sorted((row for row in check_rows() if row.code == code), key=lambda row: row.effective_from)
    if not rows:
        raise LookupError(f"no check {code} in the check table")
    return tuple(row for row in rows if row.in_force(day) or (day < rows[0].effective_from and row is rows[0]))
