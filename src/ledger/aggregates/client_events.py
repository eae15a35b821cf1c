"""What can happen to a client and their chart: its events and its commands, as plain data.

The client's id is the chart's id. Sources: PSC-16, ECM-1 (assignment with history), domain facts A (payer id,
diagnoses).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec

from ledger.aggregates.staff import PersonName
from ledger.aggregates.vocabulary import Command, Date, Event, Id, Label, event


class Identifier(msgspec.Struct, frozen=True, kw_only=True):
    """A number somebody else gave this person: ``system`` says who, ``value`` is the number."""

    system: Label
    value: Label


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A postal address."""

    line: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""


@event("client.registered")
class ClientRegistered(Event, frozen=True, kw_only=True):
    """A person became a client; their chart begins. ``cin`` is the Medi-Cal client index number, the payer's id."""

    name: PersonName
    birth_date: date
    sex: str
    cin: str | None = None
    identifiers: tuple[Identifier, ...] = ()
    address: Address | None = None
    phone: str | None = None
    language: str | None = None
    source: str | None = None
    late_entry: bool = False


@event("client.details_corrected")
class ClientDetailsCorrected(Event, frozen=True, kw_only=True):
    """Details were wrong or have changed; only the fields that changed are given. The earlier ones stay readable."""

    reason: str
    name: PersonName | None = None
    birth_date: date | None = None
    sex: str | None = None
    cin: str | None = None
    address: Address | None = None
    phone: str | None = None
    language: str | None = None


@event("client.episode_opened")
class EpisodeOpened(Event, frozen=True, kw_only=True):
    """An episode of care in one program began."""

    episode_id: str
    program: str
    opened_on: date
    referral: str | None = None


@event("client.episode_closed")
class EpisodeClosed(Event, frozen=True, kw_only=True):
    """An episode of care ended; ``closed_on`` is its last day."""

    episode_id: str
    program: str
    closed_on: date
    reason: str


@event("client.coordinator_assigned")
class CoordinatorAssigned(Event, frozen=True, kw_only=True):
    """A staff member coordinates this client's care in a program from a day on (ECM-1, PSC-16)."""

    assignment_id: str
    staff_id: str
    program: str
    first_day: date
    lead: bool = True


@event("client.coordinator_released")
class CoordinatorReleased(Event, frozen=True, kw_only=True):
    """An assignment ended; ``last_day`` is its last day."""

    assignment_id: str
    staff_id: str
    program: str
    last_day: date
    reason: str


@event("client.diagnosis_recorded")
class DiagnosisRecorded(Event, frozen=True, kw_only=True):
    """A diagnosis or problem was put on the list: who, when, under which code system."""

    diagnosis_id: str
    system: str
    code: str
    display: str
    onset: date
    source: str | None = None
    late_entry: bool = False


@event("client.diagnosis_resolved")
class DiagnosisResolved(Event, frozen=True, kw_only=True):
    """A diagnosis or problem was taken off the list."""

    diagnosis_id: str
    resolved_on: date


Sex = Annotated[
    str, msgspec.Meta(pattern=r"^(female|male|other|unknown)\Z", description="female, male, other, unknown")
]
Cin = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{8}[A-Z]\Z", description="eight digits and a letter")]


class RegisterClient(Command, frozen=True, kw_only=True):
    """Register a client and begin their chart."""

    NAME = "register-client"
    client_id: Id
    name: PersonName
    birth_date: Date
    sex: Sex = "unknown"
    cin: Cin | None = None
    identifiers: tuple[Identifier, ...] = ()
    address: Address | None = None
    phone: Label | None = None
    language: Label | None = None
    source: Label | None = None
    late_entry: bool = False


class CorrectClientDetails(Command, frozen=True, kw_only=True):
    """Correct a client's details; give only what changes, and why."""

    NAME = "correct-client-details"
    client_id: Id
    reason: Label
    name: PersonName | None = None
    birth_date: Date | None = None
    sex: Sex | None = None
    cin: Cin | None = None
    address: Address | None = None
    phone: Label | None = None
    language: Label | None = None


class OpenEpisode(Command, frozen=True, kw_only=True):
    """Open an episode of care in a program."""

    NAME = "open-episode"
    client_id: Id
    episode_id: Id
    program: Label
    opened_on: Date
    referral: Label | None = None


class CloseEpisode(Command, frozen=True, kw_only=True):
    """Close an episode of care."""

    NAME = "close-episode"
    client_id: Id
    episode_id: Id
    closed_on: Date
    reason: Label


class AssignCoordinator(Command, frozen=True, kw_only=True):
    """Assign a staff member to coordinate this client's care."""

    NAME = "assign-coordinator"
    client_id: Id
    assignment_id: Id
    staff_id: Id
    program: Label
    first_day: Date
    lead: bool = True


class ReleaseCoordinator(Command, frozen=True, kw_only=True):
    """End a coordinator's assignment."""

    NAME = "release-coordinator"
    client_id: Id
    assignment_id: Id
    last_day: Date
    reason: Label


class RecordDiagnosis(Command, frozen=True, kw_only=True):
    """Put a diagnosis or problem on the client's list."""

    NAME = "record-diagnosis"
    client_id: Id
    diagnosis_id: Id
    system: Label
    code: Label
    display: Label
    onset: Date
    source: Label | None = None
    late_entry: bool = False


class ResolveDiagnosis(Command, frozen=True, kw_only=True):
    """Take a diagnosis or problem off the client's list."""

    NAME = "resolve-diagnosis"
    client_id: Id
    diagnosis_id: Id
    resolved_on: Date
