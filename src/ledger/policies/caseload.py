"""Caseload bands by programme: 25–30 (PSC-16), 40–60 (ECM-2), up to 30 with acuity weights (CSS-12).

The count of people is the rule; where a programme has acuity weights, the weighted count is a second reading, shown
beside it. Weights are hundredths, so the arithmetic is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from functools import cache
from typing import Literal

import msgspec

from ledger.policies.provenance import Confidence, Provenance, load_data

BandValue = Literal["under", "within", "over"]
CaseloadReading = Literal["head_count", "acuity_weighted"]


class BandRule(Provenance, frozen=True, kw_only=True):
    """A programme's band of people per worker, both ends included."""

    rule: str
    program: str
    low: int
    high: int
    default_reading: CaseloadReading


class AcuityWeight(Provenance, frozen=True, kw_only=True):
    """What one person of an acuity level counts, in hundredths."""

    rule: str
    program: str
    level: str
    weight: int


class _Tables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    band: tuple[BandRule, ...]
    acuity: tuple[AcuityWeight, ...]


class BandAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Where a caseload stands; ``by_head_count`` and ``by_weight`` are both readings, ``value`` the chosen one."""

    program: str
    value: BandValue
    reading: CaseloadReading
    count: int
    weighted_count: Fraction | None
    by_head_count: BandValue
    by_weight: BandValue | None
    low: int
    high: int
    steps: tuple[str, ...]
    source: str
    confidence: Confidence


@cache
def _tables() -> _Tables:
    return load_data("caseload", _Tables)


def band_rule(program: str, day: date) -> BandRule:
    """The band of a programme on ``day``. Raises ``LookupError`` when it has none."""
    for row in _tables().band:
        if row.program == program and row.in_force(day):
            return row
    raise LookupError(f"no caseload band for {program} on {day.isoformat()}")


def acuity_weights(program: str, day: date) -> dict[str, int]:
    """Hundredths by acuity level, empty for a programme without weights."""
    return {row.level: row.weight for row in _tables().acuity if row.program == program and row.in_force(day)}


def _place(amount: Fraction | int, rule: BandRule) -> BandValue:
    if amount < rule.low:
        return "under"
    return "over" if amount > rule.high else "within"


def band(
    program: str,
    count: int,
    acuity: Mapping[str, int] | None = None,
    *,
    day: date,
    reading: CaseloadReading | None = None,
) -> BandAnswer:
    """Where ``count`` people stand in the programme's band on ``day``, and under acuity weights where given.

    ``acuity`` maps an acuity level to how many of the people have it; those left over count as one each. Raises
    ``ValueError`` for a negative count, an unknown level, more people in levels than counted, or the weighted reading
    without levels.
    """
    rule = band_rule(program, day)
    if count < 0:
        raise ValueError("a caseload cannot be negative")
    by_head = _place(count, rule)
    span = f"{rule.low}–{rule.high}" if rule.low else f"up to {rule.high}"
    steps = [f"{rule.rule}: {count} people, the band is {span}: {by_head}"]
    weighted: Fraction | None = None
    by_weight: BandValue | None = None
    if acuity is not None:
        weights = acuity_weights(program, day)
        unknown = sorted(set(acuity) - set(weights))
        levelled = sum(acuity.values())
        if unknown or any(people < 0 for people in acuity.values()) or levelled > count:
            raise ValueError(f"acuity levels do not fit: unknown {unknown}, {levelled} people of {count}")
        hundredths = sum(weights[level] * people for level, people in acuity.items()) + 100 * (count - levelled)
        weighted = Fraction(hundredths, 100)
        by_weight = _place(weighted, rule)
        parts = [f"{people} × {weights[level]}" for level, people in sorted(acuity.items())]
        parts += [f"{count - levelled} × 100"] if count > levelled else []
        steps.append(f"weighted: ({' + '.join(parts) or '0'}) ÷ 100 = {weighted}: {by_weight}")
    chosen = reading or rule.default_reading
    if chosen == "acuity_weighted" and by_weight is None:
        raise ValueError("the weighted reading needs acuity levels")
    value = by_weight if chosen == "acuity_weighted" and by_weight is not None else by_head
    return BandAnswer(
        program=program,
        value=value,
        reading=chosen,
        count=count,
        weighted_count=weighted,
        by_head_count=by_head,
        by_weight=by_weight,
        low=rule.low,
        high=rule.high,
        steps=tuple(steps),
        source=rule.source,
        confidence=rule.confidence,
    )
