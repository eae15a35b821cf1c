"""The checks of one claim line: each reads the facts and says in words what it found, all of them every time.

No check stops another, so a person sees every reason at once. Numbers and lists come from the tables. What a check says
of the same facts on the same day is worked out once, since many services of a day share them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from functools import lru_cache

from ledger.policies.billing_facts import Found, ServiceFacts
from ledger.policies.credentials import Credential, held_on, kind_named, provider_class
from ledger.policies.service_codes import (
    DeliverySystem,
    Modifier,
    RequiredField,
    ServiceCode,
    delivery_system,
    diagnosis_rules,
    lockout_tables,
    modifiers_for,
    place_on,
)
from ledger.policies.taxonomy import check_taxonomy, class_named, expand_classes

#: The shape of an ICD-10-CM code: a letter, a digit, a digit or letter, then up to four after an optional dot.
_ICD10 = re.compile(r"[A-Z][0-9][0-9A-Z](\.?[0-9A-Z]{1,4})?")


def signature_checks(facts: ServiceFacts) -> list[Found]:
    """Signed, cosigned, not entered in error."""
    found = [] if facts.signed else [Found("not-signed", "the note is not signed")]
    if facts.entered_in_error:
        found.append(Found("entered-in-error", "the record was entered in error"))
    if facts.cosign_needed and not facts.cosign_present:
        found.append(Found("cosign-missing", "a cosignature is needed and not there"))
    return found


def signer_class(facts: ServiceFacts) -> str | None:
    """The class the line is billed under: the one on the signature, else the one the credential gives."""
    if facts.signer.provider_class is not None:
        return facts.signer.provider_class
    if facts.signer.credential_kind is None:
        return None
    return provider_class(facts.signer.credential_kind, facts.service_date).provider_class


def signer_known(facts: ServiceFacts) -> bool:
    """Whether there is a signer to check. Before the signature there may be none: then that alone is missing."""
    return facts.signed or facts.signer.credential_kind is not None or facts.signer.provider_class is not None


def signer_checks(facts: ServiceFacts, cls: str | None) -> tuple[Found, ...]:
    """The credential signs, was held on the service date, and gives the class on the signature (PSC-23)."""
    signer = facts.signer
    if not signer_known(facts):
        return ()
    return _signer(
        signer.credential_kind, cls, signer.provider_class, signer.credentials, facts.state, facts.service_date
    )


@lru_cache(maxsize=8192)
def _signer(
    kind: str | None, cls: str | None, stated: str | None, credentials: tuple[Credential, ...], state: str, day: date
) -> tuple[Found, ...]:
    found: list[Found] = []
    if kind is None or cls is None or class_named(cls, day) is None:
        found.append(Found("provider-unknown", "no provider class is known for the signer"))
    if kind is None:
        return tuple(found)
    row = kind_named(kind, day)
    if row is not None and not row.signing:
        found.append(Found("credential-not-signing", f"a {row.name} does not sign", row.source))
    if row is not None and state not in row.states:
        words = f"a {row.name} counts in {', '.join(row.states)}, not in {state}"
        found.append(Found("credential-state", words, row.source))
    answers = [a for a in held_on(credentials, day).answers if a.credential.kind == kind]
    if not any(a.held for a in answers):
        reasons = "; ".join(a.words for a in answers) or f"no {kind} is recorded"
        found.append(Found("credential-not-held", f"{kind} was not held on {day.isoformat()}: {reasons}"))
    if row is not None and stated is not None:
        gives = tuple(c for c in (row.provider_class, *row.may_act_as) if c)
        if stated not in gives:
            words = f"{kind} gives {', '.join(gives) or 'no class'}, the signature says {stated}"
            found.append(Found("class-mismatch", words, row.source))
    return tuple(found)


def time_checks(facts: ServiceFacts, system: DeliverySystem | None) -> list[Found]:
    """Minutes and interval agree with each other and with the day."""
    direct, travel, documentation = facts.direct_minutes, facts.travel_minutes, facts.documentation_minutes
    found: list[Found] = []
    if direct < 0 or travel < 0 or documentation < 0:
        parts = {"direct": direct, "travel": travel, "documentation": documentation}
        found += [
            Found("minutes-negative", f"{name} minutes are {minutes}") for name, minutes in parts.items() if minutes < 0
        ]
    if system is not None:
        total = direct + travel + documentation
        if total > system.max_minutes_per_day:
            words = f"{total} minutes in one day, over {system.max_minutes_per_day}"
            found.append(Found("minutes-over-day", words))
        if direct > system.flag_direct_minutes_over:
            words = f"{direct} direct minutes, over {system.flag_direct_minutes_over}"
            found.append(Found("direct-over-eight-hours", words, system.source))
    started, ended = facts.started_at, facts.ended_at
    if (started is not None and started.utcoffset() is None) or (ended is not None and ended.utcoffset() is None):
        # Without an offset a time cannot be compared with another one.
        return [*found, Found("times-offset", "a begin or end time has no offset from UTC")]
    if started is not None and started.date() != facts.service_date:
        words = f"it began {started.isoformat()}, not on {facts.service_date.isoformat()}"
        found.append(Found("times-date", words))
    if started is not None and ended is not None:
        seconds = (ended - started).total_seconds()
        if seconds <= 0:
            found.append(Found("times-reversed", f"it ended {ended.isoformat()}, not after it began"))
        elif direct * 60 > seconds:
            words = f"{direct} direct minutes in an interval of {int(seconds // 60)}"
            found.append(Found("minutes-exceed-interval", words))
    return found


def code_checks(
    facts: ServiceFacts, row: ServiceCode | None, units: int, unit_words: str, cls: str | None
) -> Iterator[Found]:
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


def place_checks(facts: ServiceFacts) -> tuple[Found, ...]:
    """The place is known, carries a federal share, and agrees with how the service was given."""
    remote = facts.delivery_mode != "in_person"
    found = _place(facts.place_of_service, facts.delivery_mode if remote else None, facts.service_date)
    if facts.group_size is not None and facts.group_size < 2:
        return (Found("group-size", f"a group of {facts.group_size}"), *found)
    return found


@lru_cache(maxsize=8192)
def _place(code: str | None, given_by: str | None, day: date) -> tuple[Found, ...]:
    """``given_by`` is how a service was given that was not in person."""
    if code is None:
        return (Found("place-missing", "no place of service"),)
    place = place_on(code, day)
    if place is None:
        return (Found("place-unknown", f"place {code} is not in the table"),)
    found: list[Found] = []
    if not place.federal_share:
        words = f"place {place.code} ({place.name}) has no federal share"
        found.append(Found("place-no-federal-share", words, place.source))
    if place.telehealth and given_by is None:
        found.append(Found("place-mode", f"place {place.code} ({place.name}), but the service was in person"))
    if given_by is not None and not place.telehealth:
        found.append(Found("remote-place", f"given by {given_by} with place {place.code} ({place.name})"))
    return tuple(found)


def requirement_checks(facts: ServiceFacts, system: DeliverySystem | None) -> tuple[Found, ...]:
    """What the delivery system requires or expects on a line, and whether the programme bills there."""
    present: dict[RequiredField, bool] = {
        "payer_id": facts.payer_id_present,
        "taxonomy": bool(facts.signer.taxonomy) or not signer_known(facts),
        "diagnosis": bool(facts.diagnoses),
        "plan": facts.plan_linked,
        "times": facts.started_at is not None and facts.ended_at is not None,
    }
    missing = tuple(field for field, there in present.items() if not there)
    if system is None:
        words = f"no delivery system {facts.system} in {facts.state} on {facts.service_date.isoformat()}"
        return (Found("system-unknown", words),)
    # A reason meets what is expected of a note (PSC-10), not what a delivery system requires of a claim.
    excused: tuple[RequiredField, ...] = ("plan",) if facts.plan_reason_given else ()
    return _requirement(facts.state, facts.system, facts.program, missing, excused, facts.service_date)


@lru_cache(maxsize=8192)
def _requirement(
    state: str,
    system_id: str,
    program: str,
    missing: tuple[RequiredField, ...],
    excused: tuple[RequiredField, ...],
    day: date,
) -> tuple[Found, ...]:
    system = delivery_system(state, system_id, day)
    if system is None:  # never: the caller has found it
        return ()
    found: list[Found] = []
    if program not in system.programs:
        words = f"{program} does not bill in {system.name} ({', '.join(system.programs)} do)"
        found.append(Found("program-system", words))
    source = f"{system.source} (confidence {system.confidence})"
    names: dict[RequiredField, tuple[str, str]] = {
        "payer_id": ("payer-id-missing", f"no {system.payer_id_name}"),
        "taxonomy": ("taxonomy-missing", "no taxonomy code for the provider"),
        "diagnosis": ("diagnosis-missing", "no diagnosis"),
        "plan": ("plan-missing", "no objective of a plan is linked"),
        "times": ("times-missing", "begin or end time is not recorded"),
    }
    found += [Found(*names[field], source) for field in system.requires if field in missing]
    for field in system.expects:
        if field in missing and field not in excused:
            found.append(Found(names[field][0].replace("-missing", "-expected"), names[field][1]))
    return tuple(found)


def diagnosis_checks(facts: ServiceFacts, cls: str | None) -> Iterator[Found]:
    """Each diagnosis has the shape of a code and is open to the provider's class."""
    for diagnosis in facts.diagnoses:
        for found in _diagnosis(diagnosis, cls, facts.system, facts.service_date):
            if found.code != "diagnosis-class" or signer_known(facts):
                yield found


@lru_cache(maxsize=8192)
def _diagnosis(diagnosis: str, cls: str | None, system: str, day: date) -> tuple[Found, ...]:
    code = diagnosis.upper()
    if not _ICD10.fullmatch(code):
        return (Found("diagnosis-malformed", f"{diagnosis} is not an ICD-10 code"),)
    dotted = code if "." in code or len(code) <= 3 else f"{code[:3]}.{code[3:]}"
    found: list[Found] = []
    for rule in diagnosis_rules(system, day):
        if rule.covers(dotted) and cls not in expand_classes(rule.who, day):
            words = f"{dotted} by {cls or 'an unknown class'}: {rule.words}"
            found.append(Found("diagnosis-class", words, f"{rule.source} (confidence {rule.confidence})"))
    return tuple(found)


def taxonomy_checks(facts: ServiceFacts, cls: str | None) -> Iterator[Found]:
    """The taxonomy code belongs to the provider's class, where the table can say."""
    taxonomy = facts.signer.taxonomy
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


def line_modifiers(
    facts: ServiceFacts, row: ServiceCode | None, cls: str | None
) -> tuple[tuple[str, ...], list[Found]]:
    """The modifiers of the line, in order, and what was found about suggested and requested ones."""
    fitting: tuple[Modifier, ...] = ()
    if row is not None:
        used = (row.code, row.code_set, row.variant, facts.delivery_mode, facts.place_of_service, cls)
        fitting = _fitting(facts.system, used, facts.group_size is not None, facts.service_date)
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


@lru_cache(maxsize=8192)
def _fitting(system: str, used: tuple[str | None, ...], grouped: bool, day: date) -> tuple[Modifier, ...]:
    """The modifiers that fit a service: its code, code set, variant, delivery, place and class, alone or in a group."""

    def fits(modifier: Modifier) -> bool:
        allowed = (
            modifier.codes,
            modifier.code_sets,
            modifier.variants,
            modifier.delivery,
            modifier.places,
            modifier.classes,
        )
        return (grouped or not modifier.group) and all(
            not names or value in names for names, value in zip(allowed, used, strict=True)
        )

    return tuple(modifier for modifier in modifiers_for(system, day) if fits(modifier))
