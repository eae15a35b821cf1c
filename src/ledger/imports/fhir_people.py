"""Patient and Practitioner: clients with their episode, and staff members."""

from __future__ import annotations

from datetime import date, datetime

from ledger.aggregates.client_events import Address, CloseEpisode, Identifier, OpenEpisode, RegisterClient
from ledger.aggregates.staff import PersonName, RegisterStaff
from ledger.clock import derived_id
from ledger.imports.fhir_bundle import CLIENT, END, EPISODE, STAFF, Draft, Entry
from ledger.imports.fhir_shapes import Patient, Practitioner
from ledger.imports.fhir_types import Name

#: FHIR does not say when a practitioner was hired. One fixed day, before any service a bundle may hold, keeps the
#: command the same whichever bundle brings the practitioner.
HIRED_ON = date(1900, 1, 1)
NPI = "http://hl7.org/fhir/sid/us-npi"

#: Identifier types that a chart does not need, and that could never be removed from it again: social security number,
#: driver's licence, passport (45 CFR 164.502(b), the minimum necessary). HL7 v2 table 0203.
_LEFT_OUT = frozenset({"SS", "DL", "PPN"})
_SEXES = frozenset({"female", "male", "other", "unknown"})


def official(names: tuple[Name, ...]) -> PersonName:
    """The official name, or else the first."""
    name = next((n for n in names if n.use == "official"), names[0])
    return PersonName(family=name.family, given=" ".join(name.given))


def take_practitioners(draft: Draft) -> None:
    """Each Practitioner becomes a staff member with the role clinician; the source says no hire date."""
    for entry in draft.of("Practitioner"):
        practitioner: Practitioner = entry.resource
        staff_id = draft.person_id(entry)
        draft.take(entry)
        draft.add(
            entry,
            RegisterStaff(
                staff_id=staff_id,
                name=official(practitioner.name),
                roles=("clinician",),
                programs=(),
                hired_on=HIRED_ON,
                npi=next((i.value for i in practitioner.identifier if i.system == NPI and i.value), None),
                source="fhir",
                late_entry=True,  # not the bundle's own: a practitioner may come from several sources
            ),
            target=staff_id,
            occurred_at=None,
            stage=STAFF,
        )


def take_patients(draft: Draft) -> None:
    """Each Patient becomes a client with one episode, open from the first contact; taken last, when that is known."""
    for entry in draft.of("Patient"):
        client_id = draft.person_id(entry)
        draft.take(entry)
        _register(draft, entry, client_id)
        opened_on = _open_episode(draft, entry, client_id)
        _note_death(draft, entry, client_id, opened_on)


def _register(draft: Draft, entry: Entry, client_id: str) -> None:
    patient: Patient = entry.resource
    if patient.birth.day is None:
        draft.faults.add(f"{entry.place}.birthDate", f"{patient.birth.text} is not a full date", "write YYYY-MM-DD")
        return
    if patient.gender not in _SEXES:
        draft.faults.add(
            f"{entry.place}.gender",
            f"{patient.gender!r} is not an administrative gender",
            f"use one of {', '.join(sorted(_SEXES))}",
        )
        return
    kept = [i for i in patient.identifier if i.system and i.value and i.type.code not in _LEFT_OUT]
    unkept = len(patient.identifier) - len(kept)
    if unkept:
        draft.notes["identifiers of clients left out (social security, licence, passport, or incomplete)"] += unkept
    command = RegisterClient(
        client_id=client_id,
        name=official(patient.name),
        birth_date=patient.birth.day,
        sex=patient.gender,
        identifiers=tuple(Identifier(system=i.system, value=i.value) for i in kept),
        address=_address(patient),
        phone=next((t.value for t in patient.telecom if t.system == "phone" and t.value), None),
        language=next((c.language.label for c in patient.communication if c.language.label), None),
        source=draft.source,
        late_entry=True,
    )
    dated = [s.occurred_at for s in draft.steps if s.client_id == client_id and s.occurred_at is not None]
    if client_id in draft.first_contact:
        dated.append(draft.first_contact[client_id])
    occurred_at = draft.said_at(command, client_id, min(dated, default=None))
    draft.add(entry, command, target=client_id, occurred_at=occurred_at, client_id=client_id, stage=CLIENT)


def _address(patient: Patient) -> Address | None:
    if not patient.address:
        return None
    found = patient.address[0]
    return Address(line=", ".join(found.line), city=found.city, state=found.state, postal_code=found.postal_code)


def _open_episode(draft: Draft, entry: Entry, client_id: str) -> date | None:
    """Open the episode on the day of the first contact, or as it was opened by an earlier bundle of this client."""
    first = draft.first_contact.get(client_id)
    if first is None:
        draft.notes["clients without a contact: no episode opened"] += 1
        return None
    episode_id = episode_of(client_id, draft.program)
    earlier = draft.earlier(client_id)
    opened_on, occurred_at = first.date(), first
    if earlier is not None and episode_id in earlier.episodes:
        opened_on, occurred_at = earlier.episodes[episode_id]
    draft.add(
        entry,
        OpenEpisode(client_id=client_id, episode_id=episode_id, program=draft.program, opened_on=opened_on),
        target=client_id,
        part=episode_id,
        occurred_at=occurred_at,
        client_id=client_id,
        stage=EPISODE,
    )
    return opened_on


def _note_death(draft: Draft, entry: Entry, client_id: str, opened_on: date | None) -> None:
    """A death with its date closes the episode on that day; without one it is only counted."""
    patient: Patient = entry.resource
    died_at: datetime | None = draft.moment(patient.deceased_at)
    if patient.deceased_at is None and not patient.deceased:
        return
    if died_at is None or opened_on is None or patient.deceased_at is None or patient.deceased_at.day is None:
        draft.notes["clients who died, without a full date or an episode: nothing closed"] += 1
        return
    if patient.deceased_at.day < opened_on:
        draft.faults.add(
            f"{entry.place}.deceasedDateTime",
            f"{patient.deceased_at.text} is before the first contact, on {opened_on}",
            "check both dates",
        )
        return
    draft.notes["clients who died: the episode closed on that day"] += 1
    draft.add(
        entry,
        CloseEpisode(
            client_id=client_id,
            episode_id=episode_of(client_id, draft.program),
            closed_on=patient.deceased_at.day,
            reason="deceased",
        ),
        target=client_id,
        part=episode_of(client_id, draft.program),
        occurred_at=died_at,
        client_id=client_id,
        stage=END,
    )


def episode_of(client_id: str, program: str) -> str:
    """The id of the one episode that an import opens for a client in a program."""
    return derived_id("fhir", "episode", client_id, program)
