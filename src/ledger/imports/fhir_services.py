"""Encounter and Condition: contacts, and diagnoses on the client's list."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from ledger.aggregates.client_events import RecordDiagnosis, ResolveDiagnosis
from ledger.aggregates.contact import RecordContact
from ledger.clock import derived_id
from ledger.imports.fhir_bundle import Draft, Entry
from ledger.imports.fhir_shapes import Condition, Encounter
from ledger.imports.fhir_types import When

Delivery = Literal["in_person", "video", "telephone"]

#: The kind of contact that an import records: another system's visit, never billable here.
KIND = "visit"

#: HL7 v3 ActCode of an encounter's class → CMS place-of-service code; another class is ``99``, other.
_PLACES = {
    "AMB": "11",
    "EMER": "23",
    "IMP": "21",
    "ACUTE": "21",
    "NONAC": "21",
    "SS": "22",
    "OBSENC": "22",
    "HH": "12",
    "VR": "02",
}
_OTHER_PLACE = "99"
_DELIVERIES: dict[str, Delivery] = {"VR": "video"}
#: Classes of a stay: its period is time in a bed, not minutes with the client.
_STAYS = frozenset({"IMP", "ACUTE", "NONAC", "OBSENC"})
#: Nothing longer is one service, whatever its class says.
_LONGEST_SERVICE = timedelta(hours=24)
#: Condition.verificationStatus of what is not a diagnosis.
_NOT_HELD = frozenset({"refuted", "entered-in-error"})


def take_encounters(draft: Draft) -> None:
    """Each finished Encounter with a practitioner and both times becomes a contact, marked as a late entry."""
    for entry in draft.of("Encounter"):
        encounter: Encounter = entry.resource
        period = encounter.period
        if encounter.status != "finished":
            draft.leave(entry, f"its status is {encounter.status}")
        elif not encounter.subject.reference:
            draft.leave(entry, "without a subject")
        elif period.start is None or period.end is None:
            draft.leave(entry, "without a start or an end")
        elif period.start.moment is None or period.end.moment is None:
            draft.leave(entry, "its times are known only as dates")
        else:
            _take_encounter(draft, entry, period.start.moment, period.end.moment)


def _take_encounter(draft: Draft, entry: Entry, started_at: datetime, ended_at: datetime) -> None:
    encounter: Encounter = entry.resource
    client_id = draft.client_of(entry, encounter.subject.reference)
    if ended_at < started_at:
        draft.faults.add(
            f"{entry.place}.period.end", "it is before the period's start", "check both times and their offsets"
        )
        return
    faults = len(draft.faults.found)
    staff_id = _first_practitioner(draft, entry)
    if client_id is None or len(draft.faults.found) > faults:
        return
    if staff_id is None:
        draft.leave(entry, "without a practitioner")
        return
    class_code = encounter.encounter_class.code
    span = ended_at - started_at
    stay = class_code in _STAYS or span > _LONGEST_SERVICE
    if stay:
        draft.notes["encounters that are stays: recorded with their period and no direct minutes"] += 1
    contact_id = derived_id("fhir", "Encounter", client_id, entry.own_id)
    known = draft.first_contact.get(client_id)
    draft.first_contact[client_id] = started_at if known is None else min(known, started_at, key=_local_day)
    draft.take(entry)
    draft.add(
        entry,
        RecordContact(
            contact_id=contact_id,
            client_id=client_id,
            staff_id=staff_id,
            program=draft.program,
            contact_kind=KIND,
            started_at=started_at,
            ended_at=ended_at,
            direct_minutes=0 if stay else int(span.total_seconds() // 60),
            place=_PLACES.get(class_code, _OTHER_PLACE),
            delivery=_DELIVERIES.get(class_code, "in_person"),
            outcome=next((concept.label for concept in encounter.type if concept.label), None),
            late_entry=True,
            source=draft.source,
        ),
        target=contact_id,
        occurred_at=ended_at,
        client_id=client_id,
    )


def _local_day(moment: datetime) -> tuple[object, datetime]:
    """An episode opens on a day as it is written in the source, so the day decides before the instant does."""
    return (moment.date(), moment)


def _first_practitioner(draft: Draft, entry: Entry) -> str | None:
    encounter: Encounter = entry.resource
    for number, participant in enumerate(encounter.participant):
        if participant.individual.reference:
            path = f"participant[{number}].individual.reference"
            staff_id = draft.staff_of(entry, participant.individual.reference, path)
            if staff_id is not None:
                return staff_id
    return None


def take_conditions(draft: Draft) -> None:
    """Each Condition that is held becomes a diagnosis; one that abated is also resolved."""
    for entry in draft.of("Condition"):
        condition: Condition = entry.resource
        onset = condition.onset or condition.recorded
        if condition.verification.code in _NOT_HELD:
            draft.leave(entry, f"its verification status is {condition.verification.code}")
        elif not condition.code.code:
            draft.leave(entry, "without a code")
        elif onset is None or onset.day is None:
            draft.leave(entry, "without a full date of onset or recording")
        else:
            _take_condition(draft, entry, onset)


def _take_condition(draft: Draft, entry: Entry, onset: When) -> None:
    condition: Condition = entry.resource
    client_id = draft.client_of(entry, condition.subject.reference)
    if client_id is None or onset.day is None:
        return
    diagnosis_id = derived_id("fhir", "Condition", client_id, entry.own_id)
    draft.take(entry)
    coding = next(c for c in condition.code.coding if c.code)
    draft.add(
        entry,
        RecordDiagnosis(
            client_id=client_id,
            diagnosis_id=diagnosis_id,
            system=coding.system or "not stated",
            code=coding.code,
            display=condition.code.label,
            onset=onset.day,
            source=draft.source,
            late_entry=True,
        ),
        target=client_id,
        part=diagnosis_id,
        occurred_at=draft.moment(onset),
        client_id=client_id,
    )
    abated = condition.abatement
    if abated is None or abated.day is None:
        if abated is not None or condition.clinical.code in ("resolved", "inactive", "remission"):
            draft.notes["conditions over without a full date: left on the list"] += 1
        return
    if abated.day < onset.day:
        draft.faults.add(f"{entry.place}.abatementDateTime", f"it is before the onset, {onset.text}", "check both")
        return
    draft.add(
        entry,
        ResolveDiagnosis(client_id=client_id, diagnosis_id=diagnosis_id, resolved_on=abated.day),
        target=client_id,
        part=diagnosis_id,
        occurred_at=draft.moment(abated),
        client_id=client_id,
    )
