"""The checks of one claim line: each reads the facts and says in words what it found, all of them every time.

No check stops another, so a person sees every reason at once. Numbers and lists come from the tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ledger.policies.billing_facts import Found, ServiceFacts
from ledger.policies.credentials import held_on, kind_named, provider_class
from ledger.policies.service_codes import (
    DeliverySystem,
    Modifier,
    RequiredField,
    ServiceCode,
    diagnosis_rules,
    lockout_tables,
    modifiers_for,
    place_on,
)
from ledger.policies.taxonomy import check_taxonomy, class_named, expand_classes

#: The shape of an ICD-10-CM code: a letter, a digit, a digit or letter, then up to four after an optional dot.
_ICD10 = re.compile(r"[A-Z][0-9][0-9A-Z](\.?[0-9A-Z]{1,4})?")


def signature_checks(facts: ServiceFacts) -> Iterator[Found]:
    """Signed, cosigned, not entered in error."""
    if not facts.signed:
        yield Found("not-signed", "the note is not signed")
    if facts.entered_in_error:
        yield Found("entered-in-error", "the record was entered in error")
    if facts.cosign_needed and not facts.cosign_present:
        yield Found("cosign-missing", "a cosignature is needed and not there")


def signer_class(facts: ServiceFacts) -> str | None:
    """The class the line is billed under: the one on the signature, else the one the credential gives."""
    if facts.signer.provider_class is not None:
        return facts.signer.provider_class
    if facts.signer.credential_kind is None:
        return None
    return provider_class(facts.signer.credential_kind, facts.service_date).provider_class


def signer_checks(facts: ServiceFacts) -> Iterator[Found]:
    """The credential signs, was held on the service date, and gives the class on the signature (PSC-23)."""
    day, kind = facts.service_date, facts.signer.credential_kind
    cls = signer_class(facts)
    if kind is None or cls is None or class_named(cls, day) is None:
        yield Found("provider-unknown", "no provider class is known for the signer")
    if kind is None:
        return
    row = kind_named(kind, day)
    if row is not None and not row.signing:
        yield Found("credential-not-signing", f"a {row.name} does not sign", row.source)
    if row is not None and facts.state not in row.states:
        words = f"a {row.name} counts in {', '.join(row.states)}, not in {facts.state}"
        yield Found("credential-state", words, row.source)
    answers = [a for a in held_on(facts.signer.credentials, day).answers if a.credential.kind == kind]
    if not any(a.held for a in answers):
        reasons = "; ".join(a.words for a in answers) or f"no {kind} is recorded"
        yield Found("credential-not-held", f"{kind} was not held on {day.isoformat()}: {reasons}")
    if row is not None and facts.signer.provider_class is not None:
        gives = tuple(c for c in (row.provider_class, *row.may_act_as) if c)
        if facts.signer.provider_class not in gives:
            words = f"{kind} gives {', '.join(gives) or 'no class'}, the signature says {facts.signer.provider_class}"
            yield Found("class-mismatch", words, row.source)


def time_checks(facts: ServiceFacts, system: DeliverySystem | None) -> Iterator[Found]:
    """Minutes and interval agree with each other and with the day."""
    parts = {
        "direct": facts.direct_minutes,
        "travel": facts.travel_minutes,
        "documentation": facts.documentation_minutes,
    }
    for name, minutes in parts.items():
        if minutes < 0:
            yield Found("minutes-negative", f"{name} minutes are {minutes}")
    if system is not None:
        total = sum(parts.values())
        if total > system.max_minutes_per_day:
            yield Found("minutes-over-day", f"{total} minutes in one day, over {system.max_minutes_per_day}")
        if facts.direct_minutes > system.flag_direct_minutes_over:
            words = f"{facts.direct_minutes} direct minutes, over {system.flag_direct_minutes_over}"
            yield Found("direct-over-eight-hours", words, system.source)
    if any(time is not None and time.utcoffset() is None for time in (facts.started_at, facts.ended_at)):
        # Without an offset a time cannot be compared with another one.
        yield Found("times-offset", "a begin or end time has no offset from UTC")
        return
    if facts.started_at is not None and facts.started_at.date() != facts.service_date:
        words = f"it began {facts.started_at.isoformat()}, not on {facts.service_date.isoformat()}"
        yield Found("times-date", words)
    if facts.started_at is not None and facts.ended_at is not None:
        seconds = (facts.ended_at - facts.started_at).total_seconds()
        if seconds <= 0:
            yield Found("times-reversed", f"it ended {facts.ended_at.isoformat()}, not after it began")
        elif facts.direct_minutes * 60 > seconds:
            words = f"{facts.direct_minutes} direct minutes in an interval of {int(seconds // 60)}"
            yield Found("minutes-exceed-interval", words)


def code_checks(facts: ServiceFacts, row: ServiceCode | None, units: int, unit_words: str) -> Iterator[Found]:
    """The code exists that day, its units are within its limits, and the provider's class may provide it."""
    if row is None:
        if facts.code is None:
            yield Found("code-missing", "no service code")
        else:
            where = f"{facts.state} {facts.system} on {facts.service_date.isoformat()}"
            yield Found("code-unknown", f"{facts.code} ({facts.variant}) is not in the table of {where}")
        return
    source = f"{row.source} (code {row.code})"
    if units == 0:
        yield Found("zero-units", unit_words)
    if row.max_units is None:
        yield Found("maximum-not-held", f"the most units a day of {row.code} is not held here", source)
    elif units > row.max_units:
        yield Found("max-units", f"{units} units, over {row.max_units} a day", source)
    cls = signer_class(facts)
    allowed = expand_classes(row.who, facts.service_date)
    if cls is not None and cls not in allowed:
        words = f"{cls} may not provide {row.code}; {', '.join(sorted(allowed))} may"
        yield Found("provider-class", words, f"{row.source}, who (confidence {row.who_confidence})")
    if facts.delivery_mode != "in_person" and not row.telehealth:
        words = f"{row.code} by {facts.delivery_mode} is not allowed"
        yield Found("telehealth-not-allowed", words, f"{row.source}, tele (confidence {row.limits_confidence})")
    if facts.group_size is not None and not row.group:
        yield Found("group-not-allowed", f"{row.code} is not a group code", source)
    if row.max_age is not None:
        if facts.member_age is None:
            yield Found("age-unknown", f"{row.code} is for members up to {row.max_age}; the age is not known", source)
        elif facts.member_age > row.max_age:
            yield Found("age-limit", f"{row.code} is for members up to {row.max_age}, this one is {facts.member_age}")


def place_checks(facts: ServiceFacts) -> Iterator[Found]:
    """The place is known, carries a federal share, and agrees with how the service was given."""
    if facts.group_size is not None and facts.group_size < 2:
        yield Found("group-size", f"a group of {facts.group_size}")
    if facts.place_of_service is None:
        yield Found("place-missing", "no place of service")
        return
    place = place_on(facts.place_of_service, facts.service_date)
    if place is None:
        yield Found("place-unknown", f"place {facts.place_of_service} is not in the table")
        return
    remote = facts.delivery_mode != "in_person"
    if not place.federal_share:
        yield Found("place-no-federal-share", f"place {place.code} ({place.name}) has no federal share", place.source)
    if place.telehealth and not remote:
        yield Found("place-mode", f"place {place.code} ({place.name}), but the service was in person")
    if remote and not place.telehealth:
        yield Found("remote-place", f"given by {facts.delivery_mode} with place {place.code} ({place.name})")


def _present(facts: ServiceFacts, field: RequiredField) -> bool:
    return {
        "payer_id": facts.payer_id_present,
        "taxonomy": bool(facts.signer.taxonomy),
        "diagnosis": bool(facts.diagnoses),
        "plan": facts.plan_linked,
        "times": facts.started_at is not None and facts.ended_at is not None,
    }[field]


def requirement_checks(facts: ServiceFacts, system: DeliverySystem | None) -> Iterator[Found]:
    """What the delivery system requires or expects on a line, and whether the programme bills there."""
    if system is None:
        words = f"no delivery system {facts.system} in {facts.state} on {facts.service_date.isoformat()}"
        yield Found("system-unknown", words)
        return
    if facts.program not in system.programs:
        words = f"{facts.program} does not bill in {system.name} ({', '.join(system.programs)} do)"
        yield Found("program-system", words)
    source = f"{system.source} (confidence {system.confidence})"
    names: dict[RequiredField, tuple[str, str]] = {
        "payer_id": ("payer-id-missing", f"no {system.payer_id_name}"),
        "taxonomy": ("taxonomy-missing", "no taxonomy code for the provider"),
        "diagnosis": ("diagnosis-missing", "no diagnosis"),
        "plan": ("plan-missing", "no objective of a plan is linked"),
        "times": ("times-missing", "begin or end time is not recorded"),
    }
    for field in system.requires:
        if not _present(facts, field):
            yield Found(*names[field], source)
    for field in system.expects:
        if not _present(facts, field):
            yield Found(names[field][0].replace("-missing", "-expected"), names[field][1])


def diagnosis_checks(facts: ServiceFacts) -> Iterator[Found]:
    """Each diagnosis has the shape of a code and is open to the provider's class."""
    cls = signer_class(facts)
    for diagnosis in facts.diagnoses:
        code = diagnosis.upper()
        if not _ICD10.fullmatch(code):
            yield Found("diagnosis-malformed", f"{diagnosis} is not an ICD-10 code")
            continue
        dotted = code if "." in code or len(code) <= 3 else f"{code[:3]}.{code[3:]}"
        for rule in diagnosis_rules(facts.system, facts.service_date):
            if rule.covers(dotted) and cls not in expand_classes(rule.who, facts.service_date):
                words = f"{dotted} by {cls or 'an unknown class'}: {rule.words}"
                yield Found("diagnosis-class", words, f"{rule.source} (confidence {rule.confidence})")


def taxonomy_checks(facts: ServiceFacts) -> Iterator[Found]:
    """The taxonomy code belongs to the provider's class, where the table can say."""
    cls, taxonomy = signer_class(facts), facts.signer.taxonomy
    if not taxonomy or cls is None:
        return
    answer = check_taxonomy(taxonomy, cls, facts.signer.credential_kind, facts.system, facts.service_date)
    if answer.fits is None:
        yield Found("taxonomy-unchecked", answer.steps[0])
    elif not answer.fits:
        yield Found("taxonomy-class", answer.steps[0], answer.source)


def inpatient_checks(facts: ServiceFacts) -> Iterator[Found]:
    """On a psychiatric inpatient day only what the lockout allows (9 CCR 1840.360–.374)."""
    stay = facts.inpatient
    day = facts.service_date
    if stay is None or day < stay.admitted_on or (stay.discharged_on is not None and day >= stay.discharged_on):
        return
    for rule in lockout_tables().inpatient:
        if rule.system != facts.system or not rule.in_force(day):
            continue
        if rule.admission_day_allowed and day == stay.admitted_on:
            continue
        discharge = stay.discharged_on or stay.expected_discharge_on
        near = discharge is not None and (discharge - day).days <= rule.placement_days_before_discharge
        if facts.code in rule.placement_codes and stay.for_placement and near:
            words = f"placement service; at most {rule.placement_periods} periods of a stay"
            yield Found("placement-periods", words, rule.source)
            continue
        words = f"{day.isoformat()} is an inpatient day of the stay from {stay.admitted_on.isoformat()}"
        if facts.code in rule.placement_codes:
            words += (
                f"; {facts.code} only for placement within {rule.placement_days_before_discharge} days of discharge"
            )
        yield Found("inpatient-lockout", words, rule.source)


def line_modifiers(facts: ServiceFacts, row: ServiceCode | None) -> tuple[tuple[str, ...], list[Found]]:
    """The modifiers of the line, in order, and what was found about suggested and requested ones."""
    known = modifiers_for(facts.system, facts.service_date)
    fitting = [m for m in known if row is not None and _applies(m, facts, row)]
    found: list[Found] = []
    chosen = {m.modifier for m in fitting if m.apply == "always"}
    for wanted in facts.modifiers:
        if any(m.modifier == wanted for m in fitting):
            chosen.add(wanted)
        else:
            found.append(Found("modifier-unknown", f"modifier {wanted} is not allowed with {facts.code}"))
    found.extend(
        Found("modifier-suggested", f"{m.modifier} ({m.meaning}), confidence {m.confidence}")
        for m in fitting
        if m.apply == "suggest" and m.modifier not in chosen
    )
    return tuple(dict.fromkeys(m.modifier for m in fitting if m.modifier in chosen)), found


def _applies(modifier: Modifier, facts: ServiceFacts, row: ServiceCode) -> bool:
    conditions: tuple[tuple[tuple[str, ...], str | None], ...] = (
        (modifier.codes, row.code),
        (modifier.code_sets, row.code_set),
        (modifier.variants, row.variant),
        (modifier.delivery, facts.delivery_mode),
        (modifier.places, facts.place_of_service),
        (modifier.classes, signer_class(facts)),
    )
    if modifier.group and facts.group_size is None:
        return False
    return all(not allowed or value in allowed for allowed, value in conditions)
