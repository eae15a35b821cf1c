"""Where a programme bills, which code a service has when nobody chose one, and the checks between services.

All of it is dated rows (billing_programs.toml), so that a county or a plan replaces a row. The agency's day of a
service is the date in the zone of the programme's calendar, whatever offset the time was recorded with.
"""

from __future__ import annotations

from datetime import date, datetime
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

import msgspec

from ledger.policies.billing_facts import Block, CheckRow
from ledger.policies.calendar import calendars
from ledger.policies.credentials import provider_class
from ledger.policies.deadline_rules import rule_book
from ledger.policies.documents import contact_kinds
from ledger.policies.provenance import Provenance, load_data
from ledger.policies.service_codes import Variant, code_on, unit_rule, units_on


class BillingProgram(Provenance, frozen=True, kw_only=True):
    """The state and delivery system a programme bills in."""

    program: str
    state: str
    system: str


class DefaultCode(Provenance, frozen=True, kw_only=True):
    """The code proposed for some kinds of contact, for some provider classes (none named: for all)."""

    state: str
    system: str
    kinds: tuple[str, ...]
    code: str
    classes: tuple[str, ...] = ()
    variant: Variant = "service"


class CosignRule(Provenance, frozen=True, kw_only=True):
    """Whose notes need a supervisor's cosignature before the service is billed."""

    state: str
    system: str
    credential_kinds: tuple[str, ...]


class _Tables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    program: tuple[BillingProgram, ...]
    default_code: tuple[DefaultCode, ...]
    cosign: tuple[CosignRule, ...]
    check: tuple[CheckRow, ...]


class CodeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The code of a service, whether it is a default, where it comes from, and the units of its minutes by itself.

    ``billed_minutes`` are what those units stand for: so many of the minutes that the code counts by. A unit that is
    one whatever its length stands for the minutes of the service.
    """

    state: str
    system: str
    code: str | None
    variant: Variant
    default: bool
    billable: bool
    units: int
    billed_minutes: int
    words: str


@cache
def _tables() -> _Tables:
    return load_data("billing_programs", _Tables)


@cache
def program_zone(program: str) -> ZoneInfo | None:
    """The time zone of a programme's calendar; None for a programme that the rule book does not know."""
    row = next((row for row in rule_book().programs if row.id == program), None)
    return None if row is None else ZoneInfo(calendars().get(row.calendar).zone)


def local_time(program: str, moment: datetime) -> datetime:
    """A moment as the agency's clock showed it; for a programme without a calendar, with the offset it carries."""
    zone = program_zone(program)
    return moment if zone is None else moment.astimezone(zone)


def code_of(
    program: str,
    contact_kind: str,
    service_code: str | None,
    credential_kind: str | None,
    direct_minutes: int,
    started_at: datetime,
) -> CodeAnswer:
    """Which code a service has and its units: the code that was recorded, else the table's default for its kind.

    A service is billable when its kind is, when it names a code, or when the table has a code for its kind in the
    programme's delivery system. Sources: PSC-1, domain facts A, E and F.
    """
    day = local_time(program, started_at).date()
    return code_on_day(program, contact_kind, service_code, credential_kind, direct_minutes, day)


@lru_cache(maxsize=8192)
def code_on_day(
    program: str,
    contact_kind: str,
    service_code: str | None,
    credential_kind: str | None,
    direct_minutes: int,
    day: date,
) -> CodeAnswer:
    """As :func:`code_of`, for a service of the agency's day."""
    place = next((row for row in _tables().program if row.program == program and row.in_force(day)), None)
    kind = contact_kinds().get(contact_kind)
    by_kind = kind is not None and kind.billable
    if place is None:
        return CodeAnswer(
            state="any state",
            system=f"for program {program}",
            code=service_code,
            variant="service",
            default=False,
            billable=by_kind or service_code is not None,
            units=0,
            billed_minutes=0,
            words=f"{program} bills in no delivery system on {day.isoformat()}",
        )
    cls = None if credential_kind is None else provider_class(credential_kind, day).provider_class
    rows = [
        row
        for row in _tables().default_code
        if (row.state, row.system) == (place.state, place.system) and contact_kind in row.kinds and row.in_force(day)
    ]
    variant: Variant = "service"
    if service_code is not None:
        chosen: str | None = service_code
        named = next((row for row in rows if row.code == service_code), None)
        variant = named.variant if named else "service"
        words = f"{service_code} was recorded with the contact"
    else:
        fitting = next((row for row in rows if not row.classes or cls in row.classes), None)
        chosen = fitting.code if fitting else None
        if fitting is not None:
            variant = fitting.variant
            words = (
                f"{fitting.code} is the default for {contact_kind}: no code was recorded with the contact "
                f"[{fitting.source}; confidence {fitting.confidence}]"
            )
        else:
            words = f"no code was recorded, and the table has no default for {contact_kind} by {cls or 'nobody yet'}"
    units = billed = 0
    code_row = None if chosen is None else code_on(place.state, place.system, chosen, variant, day)
    if code_row is not None:
        units = units_on(code_row.unit_rule, direct_minutes, day).units
        rule = unit_rule(code_row.unit_rule, day)
        billed = units * (direct_minutes if rule.kind == "each" else rule.unit_minutes)
    return CodeAnswer(
        state=place.state,
        system=place.system,
        code=chosen,
        variant=variant,
        default=service_code is None and chosen is not None,
        billable=by_kind or service_code is not None or bool(rows),
        units=units,
        billed_minutes=billed,
        words=words,
    )


@lru_cache(maxsize=8192)
def cosign_needed(state: str, system: str, credential_kind: str | None, day: date) -> bool:
    """Whether a note signed under this credential needs a supervisor's cosignature before it is billed."""
    return any(
        credential_kind in row.credential_kinds
        for row in _tables().cosign
        if (row.state, row.system) == (state, system) and row.in_force(day)
    )


def finding(code: str, words: str, source: str, day: date) -> tuple[Block | None, Block | None]:
    """What a check between services found, as (block, flag) by the table in force on the day.

    A day before the first row of a check takes that first row; a check without a row raises ``LookupError``.
    """
    rows = sorted((row for row in _tables().check if row.code == code), key=lambda row: row.effective_from)
    if not rows:
        raise LookupError(f"no check {code} in the table of checks between services")
    row = next((row for row in rows if row.in_force(day)), rows[0] if day < rows[0].effective_from else None)
    if row is None:
        return None, None
    made = Block(code=code, words=words, mend=row.mend, source=source or row.source, confidence=row.confidence)
    return (made, None) if row.severity == "block" else (None, made)
