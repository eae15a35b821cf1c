"""The dated code tables: what may be billed, by whom, in which units, where and how.

Keyed by state, delivery system (``smhs`` Medi-Cal specialty mental health, ``cprc`` Missouri, ``ecm`` enhanced care
management) and service date. Every row carries its source and confidence, so a county replaces a row, never a
function. The tables: service_codes, unit_rules, modifiers, places, lockouts, diagnoses, billing_systems.
"""

from __future__ import annotations

from datetime import date
from functools import cache, lru_cache
from typing import Literal

import msgspec

from ledger.policies.provenance import Confidence, Provenance, load_data

DeliveryMode = Literal["in_person", "video", "telephone"]
Variant = Literal["service", "outreach"]
RequiredField = Literal["payer_id", "taxonomy", "diagnosis", "plan", "times"]


class ServiceCode(Provenance, frozen=True, kw_only=True):
    """One code: its use, unit rule, who may provide it, the most units a day (None where the table has none)."""

    state: str
    system: str
    code: str
    code_set: Literal["hcpcs", "cpt"]
    use: str
    unit_rule: str
    who: tuple[str, ...]
    telehealth: bool
    who_confidence: Confidence
    limits_confidence: Confidence
    variant: Variant = "service"
    max_units: int | None = None
    group: bool = False
    max_age: int | None = None
    add_on_to: tuple[str, ...] = ()
    never_above_primary: bool = False
    note: str | None = None


class UnitBand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Minutes from ``first`` to ``last`` (both included; no ``last`` means no end) give ``units``."""

    units: int
    first: int = msgspec.field(name="from")
    last: int | None = msgspec.field(name="to", default=None)


class UnitRule(Provenance, frozen=True, kw_only=True):
    """How minutes become units; ``min_minutes`` is the fewest that give one."""

    id: str
    kind: Literal["rounded", "bands", "each"]
    unit_minutes: int
    min_minutes: int
    add_minutes: int = 0
    bands: tuple[UnitBand, ...] = ()


class CombineReading(Provenance, frozen=True, kw_only=True):
    """A named reading of how a day's repeats of one code combine."""

    id: str
    words: str
    default: bool = False


class Modifier(Provenance, frozen=True, kw_only=True):
    """A modifier and when it applies: every condition given must hold."""

    modifier: str
    meaning: str
    systems: tuple[str, ...]
    apply: Literal["always", "suggest", "request"]
    order: int
    codes: tuple[str, ...] = ()
    code_sets: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    delivery: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    group: bool = False
    lockout_override: bool = False


class Place(Provenance, frozen=True, kw_only=True):
    """A place of service."""

    code: str
    name: str
    telehealth: bool = False
    inpatient: bool = False
    federal_share: bool = True


class LockoutPair(Provenance, frozen=True, kw_only=True):
    """Two codes that may not stand on one member's day; with ``same_provider`` only by one provider."""

    system: str
    code_a: str
    code_b: str
    same_provider: bool
    override_allowed: bool
    override_on: str


class Ceiling(Provenance, frozen=True, kw_only=True):
    """The most minutes of the codes together that one member may have in a day."""

    system: str
    codes: tuple[str, ...]
    max_minutes: int
    words: str


class InpatientRule(Provenance, frozen=True, kw_only=True):
    """What may be billed on a psychiatric inpatient day."""

    system: str
    admission_day_allowed: bool
    placement_codes: tuple[str, ...]
    placement_days_before_discharge: int
    placement_periods: int


class DiagnosisRule(Provenance, frozen=True, kw_only=True):
    """Who may put diagnoses from ``first`` to ``last`` on a claim."""

    id: str
    systems: tuple[str, ...]
    first: str
    last: str
    who: tuple[str, ...]
    words: str

    def covers(self, icd10: str) -> bool:
        """Whether the code, cut to the length of each bound, lies between them."""
        code = icd10.upper()
        return self.first <= code[: len(self.first)] and code[: len(self.last)] <= self.last


class DeliverySystem(Provenance, frozen=True, kw_only=True):
    """A delivery system: the payer, the programmes that bill there, and what a line must have."""

    state: str
    system: str
    name: str
    payer: str
    payer_id_name: str
    programs: tuple[str, ...]
    requires: tuple[RequiredField, ...]
    expects: tuple[RequiredField, ...]
    max_minutes_per_day: int
    flag_direct_minutes_over: int


class UnitsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Units with their arithmetic in words."""

    units: int
    words: str
    source: str


class _Codes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: tuple[ServiceCode, ...]


class _Units(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    unit_rule: tuple[UnitRule, ...]
    combine_reading: tuple[CombineReading, ...]


class _Modifiers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    modifier: tuple[Modifier, ...]


class _Places(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    place: tuple[Place, ...]


class Lockouts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The lockout tables: code pairs, ceilings of a day, inpatient days."""

    pair: tuple[LockoutPair, ...]
    ceiling: tuple[Ceiling, ...]
    inpatient: tuple[InpatientRule, ...]


class _Diagnoses(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    diagnosis: tuple[DiagnosisRule, ...]


class _Systems(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    system: tuple[DeliverySystem, ...]


@cache
def _codes() -> tuple[ServiceCode, ...]:
    return load_data("service_codes", _Codes).code


@cache
def _units() -> _Units:
    return load_data("unit_rules", _Units)


@cache
def _modifiers() -> tuple[Modifier, ...]:
    return load_data("modifiers", _Modifiers).modifier


@cache
def _places() -> tuple[Place, ...]:
    return load_data("places", _Places).place


@cache
def lockout_tables() -> Lockouts:
    """The lockout tables, every date; the reader asks each row whether it is in force."""
    return load_data("lockouts", Lockouts)


@cache
def _diagnoses() -> tuple[DiagnosisRule, ...]:
    return load_data("diagnoses", _Diagnoses).diagnosis


@cache
def _systems() -> tuple[DeliverySystem, ...]:
    return load_data("billing_systems", _Systems).system


@lru_cache(maxsize=8192)
def codes_for(state: str, system: str, day: date) -> tuple[ServiceCode, ...]:
    """Every code the table holds for the system on the service date, in the table's order."""
    return tuple(row for row in _codes() if row.state == state and row.system == system and row.in_force(day))


@lru_cache(maxsize=8192)
def code_on(state: str, system: str, code: str, variant: Variant, day: date) -> ServiceCode | None:
    """The row of one code on the service date, or None."""
    return next((row for row in codes_for(state, system, day) if row.code == code and row.variant == variant), None)


@lru_cache(maxsize=8192)
def unit_rule(rule_id: str, day: date) -> UnitRule:
    """The unit rule of that id on ``day``. Raises ``LookupError`` when the table has none."""
    for row in _units().unit_rule:
        if row.id == rule_id and row.in_force(day):
            return row
    raise LookupError(f"no unit rule {rule_id} on {day.isoformat()}")


def combine_readings(day: date) -> tuple[CombineReading, ...]:
    """The readings of same-day repeats in force on ``day``, the default first."""
    rows = [row for row in _units().combine_reading if row.in_force(day)]
    return tuple(sorted(rows, key=lambda row: not row.default))


@lru_cache(maxsize=8192)
def modifiers_for(system: str, day: date) -> tuple[Modifier, ...]:
    """The modifiers a system knows on ``day``, in the order they stand on a line."""
    rows = [row for row in _modifiers() if system in row.systems and row.in_force(day)]
    return tuple(sorted(rows, key=lambda row: (row.order, row.modifier)))


@lru_cache(maxsize=8192)
def places_on(day: date) -> tuple[Place, ...]:
    """The places of service in force on ``day``."""
    return tuple(row for row in _places() if row.in_force(day))


@lru_cache(maxsize=8192)
def place_on(code: str, day: date) -> Place | None:
    """The place of that code on ``day``, or None."""
    return next((row for row in places_on(day) if row.code == code), None)


@lru_cache(maxsize=8192)
def diagnosis_rules(system: str, day: date) -> tuple[DiagnosisRule, ...]:
    """The diagnosis rules of a system on ``day``."""
    return tuple(row for row in _diagnoses() if system in row.systems and row.in_force(day))


@lru_cache(maxsize=8192)
def delivery_system(state: str, system: str, day: date) -> DeliverySystem | None:
    """The delivery system on ``day``, or None."""
    return next((r for r in _systems() if r.state == state and r.system == system and r.in_force(day)), None)


@lru_cache(maxsize=8192)
def units_on(rule_id: str, minutes: int, day: date) -> UnitsAnswer:
    """Units for ``minutes`` of direct time under a rule as it is on ``day``; errors as for the two that it asks."""
    return units_for(unit_rule(rule_id, day), minutes)


def units_for(rule: UnitRule, minutes: int) -> UnitsAnswer:
    """Units for ``minutes`` of direct time under ``rule``. Raises ``ValueError`` for negative minutes."""
    if minutes < 0:
        raise ValueError("minutes cannot be negative")
    source = f"unit rule {rule.id}: {rule.source} (confidence {rule.confidence})"
    if rule.kind == "rounded":
        padded = minutes + rule.add_minutes
        units, rest = divmod(padded, rule.unit_minutes)
        words = (
            f"({minutes} + {rule.add_minutes}) = {padded} min; "
            f"{padded} ÷ {rule.unit_minutes} = {units} remainder {rest}: {_count(units)}"
        )
        return UnitsAnswer(units=units, words=words, source=source)
    if rule.kind == "each":
        units = int(minutes >= rule.min_minutes)
        return UnitsAnswer(units=units, words=f"{_count(units)} for the service, whatever its length", source=source)
    for band in rule.bands:
        if band.first <= minutes and (band.last is None or minutes <= band.last):
            span = f"{band.first} min and more" if band.last is None else f"{band.first}–{band.last} min"
            words = f"{minutes} min lies in {span}: {_count(band.units)}"
            return UnitsAnswer(units=band.units, words=words, source=source)
    spans = ", ".join(
        f"{b.first}–{b.last} min" if b.last is not None else f"{b.first} min and more" for b in rule.bands
    )
    return UnitsAnswer(units=0, words=f"{minutes} min lies in no band of this code ({spans}): 0 units", source=source)


def _count(units: int) -> str:
    return "1 unit" if units == 1 else f"{units} units"
