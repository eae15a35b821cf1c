"""From one service to one claim line, with every reason that would stop it.

``claim_line`` is pure: the same facts give the same line for ever, under the tables in force on the service date.
What one day's lines do to one another (repeats, overlaps, lockouts) is in ``billing_day`` and offered here too.
"""

from __future__ import annotations

from ledger.policies.billing_checks import (
    code_checks,
    diagnosis_checks,
    inpatient_checks,
    line_modifiers,
    place_checks,
    requirement_checks,
    signature_checks,
    signer_checks,
    signer_class,
    taxonomy_checks,
    time_checks,
)
from ledger.policies.billing_day import (
    DayFinding,
    Interval,
    Overlap,
    combine_same_day,
    day_findings,
    overlaps,
    provider_day,
)
from ledger.policies.billing_facts import (
    BillingLine,
    Block,
    Found,
    InpatientFacts,
    ServiceFacts,
    SignerFacts,
    sort_findings,
)
from ledger.policies.service_codes import code_on, delivery_system, units_on

__all__ = [
    "BillingLine",
    "Block",
    "DayFinding",
    "InpatientFacts",
    "Interval",
    "Overlap",
    "ServiceFacts",
    "SignerFacts",
    "claim_line",
    "combine_same_day",
    "day_findings",
    "overlaps",
    "provider_day",
]


def claim_line(service: ServiceFacts) -> BillingLine:
    """The claim line of one service: units with their arithmetic, modifiers, and every block and flag at once.

    Units come from direct minutes only; travel and documentation are recorded and not billed. Never raises for
    what a person may record: a wrong or missing fact is a block with words and what mends it.
    """
    day, cls = service.service_date, signer_class(service)
    system = delivery_system(service.state, service.system, day)
    row = None
    if service.code is not None:
        row = code_on(service.state, service.system, service.code, service.variant, day)
    units, unit_words = 0, "no code in the table, so no units"
    steps: list[str] = []
    if system is not None:
        steps.append(f"{system.name}, paid by {system.payer} [{system.source}; confidence {system.confidence}]")
    if row is not None:
        answer = units_on(row.unit_rule, max(service.direct_minutes, 0), day)
        units, unit_words = answer.units, answer.words
        steps.append(f"{row.code}: {row.use} [{row.source}; confidence {row.confidence}]")
        if row.note:
            steps.append(f"{row.code}: {row.note}")
        steps.append(f"units: {unit_words} [{answer.source}]")
        if service.group_size is not None:
            steps.append(f"group of {service.group_size}: each member's line carries the full group time")
    if service.travel_minutes > 0 or service.documentation_minutes > 0:
        steps.append(
            f"{service.travel_minutes} travel and {service.documentation_minutes} documentation minutes are recorded, "
            "not billed"
        )
    modifiers, found_modifiers = line_modifiers(service, row, cls)
    found: list[Found] = [
        *signature_checks(service),
        *signer_checks(service, cls),
        *code_checks(service, row, units, unit_words, cls),
        *time_checks(service, system),
        *place_checks(service),
        *requirement_checks(service, system),
        *diagnosis_checks(service, cls),
        *taxonomy_checks(service, cls),
        *inpatient_checks(service),
        *found_modifiers,
    ]
    blocks, flags = sort_findings(found, day)
    steps.append(f"provider class: {cls or 'not known'} (credential {service.signer.credential_kind or 'none'})")
    if modifiers:
        steps.append(f"modifiers: {', '.join(modifiers)}")
    steps.append("nothing blocks the line" if not blocks else f"blocked by {len(blocks)}: {_codes(blocks)}")
    return BillingLine(
        contact_ids=(service.contact_id,),
        client_id=service.client_id,
        provider_id=service.provider_id,
        state=service.state,
        system=service.system,
        service_date=day,
        code=service.code,
        variant=service.variant,
        units=units,
        unit_words=unit_words,
        direct_minutes=service.direct_minutes,
        travel_minutes=service.travel_minutes,
        documentation_minutes=service.documentation_minutes,
        modifiers=modifiers,
        place=service.place_of_service,
        taxonomy=service.signer.taxonomy,
        diagnoses=service.diagnoses,
        blocks=blocks,
        flags=flags,
        steps=tuple(steps),
    )


def _codes(blocks: tuple[Block, ...]) -> str:
    return ", ".join(block.code for block in blocks)
