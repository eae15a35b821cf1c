"""What the lines of one day do to one another: repeats of a code, overlapping times, lockouts and ceilings.

Whether repeats are summed before rounding is an open question, so it is a named reading (unit_rules.toml); nothing
here decides it silently.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime

import msgspec

from ledger.policies.billing_facts import BillingLine, Found, ServiceFacts, sort_findings
from ledger.policies.service_codes import (
    LockoutPair,
    UnitRule,
    code_on,
    combine_readings,
    delivery_system,
    lockout_tables,
    modifiers_for,
    unit_rule,
    units_for,
)


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """When one provider was with someone. Members of one group session share ``session_id`` and do not overlap.

    The same client twice in one session is no group: it is the one hour recorded twice.
    """

    contact_id: str
    client_id: str
    provider_id: str
    started_at: datetime
    ended_at: datetime
    session_id: str | None = None


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """Two services of one provider that share time; ``minutes`` is the shared time, part minutes counted up."""

    provider_id: str
    first: str
    second: str
    minutes: int
    words: str


class DayFinding(msgspec.Struct, frozen=True, kw_only=True):
    """Something about several lines of a member's day, with the contacts it concerns and its source."""

    code: str
    contact_ids: tuple[str, ...]
    words: str
    source: str


def overlaps(intervals: Iterable[Interval]) -> tuple[Overlap, ...]:
    """Every pair of a provider's intervals that share time; touching ends do not. Times must carry an offset."""
    by_provider: dict[str, list[Interval]] = defaultdict(list)
    for interval in intervals:
        by_provider[interval.provider_id].append(interval)
    found: list[Overlap] = []
    for provider, own in sorted(by_provider.items()):
        own.sort(key=lambda i: (i.started_at, i.ended_at, i.contact_id))
        for index, first in enumerate(own):
            for second in own[index + 1 :]:
                if second.started_at >= first.ended_at:
                    break
                if first.session_id == second.session_id is not None and first.client_id != second.client_id:
                    continue
                shared = (min(first.ended_at, second.ended_at) - second.started_at).total_seconds()
                if shared <= 0:
                    continue
                minutes = int(-(-shared // 60))
                words = f"{first.contact_id} and {second.contact_id} share {minutes} min from {second.started_at:%H:%M}"
                found.append(
                    Overlap(
                        provider_id=provider,
                        first=first.contact_id,
                        second=second.contact_id,
                        minutes=minutes,
                        words=words,
                    )
                )
    return tuple(found)


def provider_day(services: Sequence[ServiceFacts]) -> tuple[DayFinding, ...]:
    """Overlapping intervals and days over the maximum, per provider; entered-in-error services are left out.

    Services that share a ``session_id`` (one group, a line a member) are one stretch of the provider's time: its
    minutes count once, the longest of the lines. Services without both times cannot overlap and are only counted.
    """
    live = [service for service in services if not service.entered_in_error]
    found = [
        DayFinding(
            code="overlap",
            contact_ids=(pair.first, pair.second),
            words=f"{pair.provider_id}: {pair.words}",
            source="domain-facts A, Time: no overlapping intervals per provider",
        )
        for pair in overlaps(
            Interval(
                contact_id=service.contact_id,
                client_id=service.client_id,
                provider_id=service.provider_id,
                started_at=service.started_at,
                ended_at=service.ended_at,
                session_id=service.session_id,
            )
            for service in live
            if service.started_at is not None and service.ended_at is not None
        )
    ]
    days: dict[tuple[str, str, str, date], list[ServiceFacts]] = {}
    for service in live:
        key = (service.provider_id, service.state, service.system, service.service_date)
        days.setdefault(key, []).append(service)
    for (provider, state, system, day), own in sorted(days.items()):
        limit = delivery_system(state, system, day)
        longest: dict[tuple[str, str], int] = {}
        for service in own:
            shared = ("session", service.session_id) if service.session_id else ("contact", service.contact_id)
            minutes = service.direct_minutes + service.travel_minutes + service.documentation_minutes
            longest[shared] = max(longest.get(shared, 0), minutes)
        total = sum(longest.values())
        if limit is not None and total > limit.max_minutes_per_day:
            words = f"{provider} has {total} minutes on {day.isoformat()}, over {limit.max_minutes_per_day}"
            contacts = tuple(service.contact_id for service in own)
            found.append(DayFinding(code="minutes-over-day", contact_ids=contacts, words=words, source=limit.source))
    return (*found, *_long_days(live))


def _long_days(live: Sequence[ServiceFacts]) -> Iterator[DayFinding]:
    """The days on which a person's direct minutes, all clients and payers together, are over what is flagged."""
    days: dict[tuple[str, date], list[ServiceFacts]] = {}
    for service in live:
        days.setdefault((service.provider_id, service.service_date), []).append(service)
    for (provider, day), own in sorted(days.items()):
        systems = [delivery_system(state, system, day) for state, system in sorted({(s.state, s.system) for s in own})]
        known = [system for system in systems if system is not None]
        if not known:
            continue
        limit = min(known, key=lambda system: system.flag_direct_minutes_over)
        longest: dict[str, int] = {}
        for service in own:
            stretch = service.session_id or service.contact_id
            longest[stretch] = max(longest.get(stretch, 0), service.direct_minutes)
        total = sum(longest.values())
        most = limit.flag_direct_minutes_over
        if total > most:
            yield DayFinding(
                code="direct-over-eight-hours",
                contact_ids=tuple(service.contact_id for service in own),
                words=f"{provider} has {total} direct minutes on {day.isoformat()}, over {most}",
                source=limit.source,
            )


def combine_same_day(lines: Sequence[BillingLine], reading: str | None = None) -> tuple[BillingLine, ...]:
    """The day's lines with repeats of one code by one provider for one member made into one line.

    ``reading`` is ``sum_then_round`` or ``round_then_sum`` (None: the table's default); another raises ``ValueError``.
    A line blocked for more than giving no units stays out. Repeats that differ in modifiers, place or taxonomy stay
    apart, flagged.
    """
    for line in lines:
        _reading(reading, line.service_date)
    kept: list[BillingLine] = []
    repeats: dict[tuple[object, ...], list[BillingLine]] = {}
    for line in lines:
        # Zero units by itself may be cured by the sum; every other block stands whatever the others say.
        if line.code is None or any(block.code != "zero-units" for block in line.blocks):
            kept.append(line)
        else:
            key = (line.state, line.system, line.code, line.variant, line.provider_id, line.client_id)
            repeats.setdefault((*key, line.service_date), []).append(line)
    for group in repeats.values():
        alike: dict[tuple[object, ...], list[BillingLine]] = {}
        for line in group:
            alike.setdefault((line.modifiers, line.place, line.taxonomy), []).append(line)
        made = [_combine(members, reading) for members in alike.values()]
        kept.extend(made if len(made) == 1 else [_flag_apart(line, len(made)) for line in made])
    return tuple(sorted(kept, key=lambda line: (line.service_date, line.client_id, line.code or "", line.contact_ids)))


def _reading(reading: str | None, day: date) -> tuple[str, str]:
    rows = combine_readings(day)
    chosen = next((row for row in rows if reading is None or row.id == reading), None)
    if chosen is None:
        raise ValueError(f"no reading {reading} of same-day repeats on {day.isoformat()}")
    return chosen.id, f"{chosen.words} [{chosen.source}]"


def _combine(members: list[BillingLine], reading: str | None) -> BillingLine:
    first = members[0]
    reading_id, reading_words = _reading(reading, first.service_date)
    row = code_on(first.state, first.system, first.code or "", first.variant, first.service_date)
    if len(members) == 1 or row is None:
        return first
    rule = unit_rule(row.unit_rule, first.service_date)
    minutes = sum(line.direct_minutes for line in members)
    units, words = _units(members, rule, minutes, reading_id)
    found: list[Found] = []
    if units == 0:
        found.append(Found("zero-units", words))
    if row.max_units is not None and units > row.max_units:
        found.append(Found("max-units", f"{units} units, over {row.max_units} a day", row.source))
    system = delivery_system(first.state, first.system, first.service_date)
    if system is not None and minutes > system.flag_direct_minutes_over:
        found.append(
            Found("direct-over-eight-hours", f"{minutes} direct minutes, over {system.flag_direct_minutes_over}")
        )
    total = minutes + sum(line.travel_minutes + line.documentation_minutes for line in members)
    if system is not None and total > system.max_minutes_per_day:
        found.append(Found("minutes-over-day", f"{total} minutes in one day, over {system.max_minutes_per_day}"))
    blocks, flags = sort_findings(found, first.service_date)
    again = {flag.code for flag in flags}
    old = {(flag.code, flag.words): flag for line in members for flag in line.flags if flag.code not in again}
    diagnoses = tuple(dict.fromkeys(code for line in members for code in line.diagnoses))
    return msgspec.structs.replace(
        first,
        contact_ids=tuple(contact for line in members for contact in line.contact_ids),
        units=units,
        unit_words=words,
        direct_minutes=minutes,
        travel_minutes=sum(line.travel_minutes for line in members),
        documentation_minutes=sum(line.documentation_minutes for line in members),
        diagnoses=diagnoses,
        blocks=blocks,
        flags=(*old.values(), *flags),
        steps=(f"{len(members)} repeats of {first.code} combined: {reading_words}", f"units: {words}"),
    )


def _units(members: list[BillingLine], rule: UnitRule, minutes: int, reading_id: str) -> tuple[int, str]:
    # A code billed once for each service has no minutes to add.
    if reading_id == "round_then_sum" or rule.kind == "each":
        units = sum(line.units for line in members)
        return units, f"{' + '.join(str(line.units) for line in members)} = {units} units"
    answer = units_for(rule, minutes)
    return answer.units, f"{' + '.join(str(line.direct_minutes) for line in members)} = {minutes} min; {answer.words}"


def _flag_apart(line: BillingLine, count: int) -> BillingLine:
    words = f"{line.code} stands on {count} lines of this day with different modifiers, place or taxonomy"
    blocks, flags = sort_findings([Found("group-of-repeats", words)], line.service_date)
    return msgspec.structs.replace(line, blocks=(*line.blocks, *blocks), flags=(*line.flags, *flags))


def day_findings(lines: Sequence[BillingLine]) -> tuple[DayFinding, ...]:
    """What blocks some of the unblocked lines of each member's day: code pairs, ceilings, add-ons without a primary.

    Give combined lines; blocked ones are passed over. What concerns the provider's own day is ``provider_day``.
    """
    days: dict[tuple[str, str, date], list[BillingLine]] = {}
    for line in lines:
        if line.billable:
            days.setdefault((line.client_id, line.system, line.service_date), []).append(line)
    found: list[DayFinding] = []
    for (_, system, day), own in sorted(days.items()):
        found.extend(_pairs(own, system, day))
        found.extend(_ceilings(own, system, day))
        found.extend(_add_ons(own, day))
    return tuple(found)


def _finding(code: str, lines: Sequence[BillingLine], words: str, source: str) -> DayFinding:
    contacts = tuple(contact for line in lines for contact in line.contact_ids)
    return DayFinding(code=code, contact_ids=contacts, words=words, source=source)


def _pairs(lines: list[BillingLine], system: str, day: date) -> list[DayFinding]:
    overriding = {m.modifier for m in modifiers_for(system, day) if m.lockout_override}
    found: list[DayFinding] = []
    for pair in lockout_tables().pair:
        if pair.system != system or not pair.in_force(day):
            continue
        for a in lines:
            for b in lines:
                if a.code != pair.code_a or b.code != pair.code_b:
                    continue
                if pair.same_provider and a.provider_id != b.provider_id:
                    continue
                if not _overridden(pair, a, b, overriding):
                    found.append(_finding("lockout", (a, b), _pair_words(pair), f"{pair.source} ({pair.confidence})"))
    return found


def _overridden(pair: LockoutPair, a: BillingLine, b: BillingLine, overriding: set[str]) -> bool:
    carrier = a if pair.override_on == pair.code_a else b
    return pair.override_allowed and bool(overriding.intersection(carrier.modifiers))


def _pair_words(pair: LockoutPair) -> str:
    whose = "by one provider " if pair.same_provider else ""
    ways = f"an override modifier on {pair.override_on} lifts it" if pair.override_allowed else "no override"
    return f"{pair.code_a} and {pair.code_b} {whose}lock each other out on one day; {ways}"


def _ceilings(lines: list[BillingLine], system: str, day: date) -> list[DayFinding]:
    found: list[DayFinding] = []
    for ceiling in lockout_tables().ceiling:
        if ceiling.system != system or not ceiling.in_force(day):
            continue
        own = [line for line in lines if line.code in ceiling.codes]
        minutes = sum(line.direct_minutes for line in own)
        if minutes > ceiling.max_minutes:
            words = f"{ceiling.words}; this day has {minutes} min, the most is {ceiling.max_minutes}"
            found.append(_finding("ceiling", own, words, f"{ceiling.source} ({ceiling.confidence})"))
    return found


def _add_ons(lines: list[BillingLine], day: date) -> list[DayFinding]:
    found: list[DayFinding] = []
    for line in lines:
        row = code_on(line.state, line.system, line.code or "", line.variant, day)
        if row is None or not row.add_on_to:
            continue
        primaries = [p for p in lines if p is not line and p.code != line.code and _is_primary(p, row.add_on_to, day)]
        if not primaries:
            words = f"{line.code} is added to {', '.join(row.add_on_to)} on the same day; there is none"
            found.append(_finding("add-on-alone", (line,), words, row.source))
        elif row.never_above_primary and line.units > sum(p.units for p in primaries):
            most = sum(p.units for p in primaries)
            words = f"{line.code} has {line.units} units, the primary services {most}"
            found.append(_finding("add-on-above-primary", (line, *primaries), words, row.source))
    return found


def _is_primary(line: BillingLine, wanted: tuple[str, ...], day: date) -> bool:
    row = code_on(line.state, line.system, line.code or "", line.variant, day)
    return row is not None and not row.add_on_to and (line.code in wanted or "any" in wanted)
