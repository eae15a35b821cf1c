"""The FHIR R4 resources we take, in the shape we take them: required elements are named, unknown ones are ignored.

Element names, types and cardinalities are FHIR's (https://hl7.org/fhir/R4), narrowed to what a record here can hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import fields

from ledger.imports.fhir_types import (
    NO_CONCEPT,
    NO_PERIOD,
    NO_REFERENCE,
    SOME,
    Address,
    AddressShape,
    Coding,
    CodingShape,
    Communication,
    CommunicationShape,
    Concept,
    ConceptShape,
    Identifier,
    IdentifierShape,
    IdField,
    Name,
    NameShape,
    Period,
    PeriodShape,
    Reference,
    ReferenceShape,
    Shape,
    Telecom,
    TelecomShape,
    TextField,
    When,
    WhenField,
)


@dataclass(frozen=True)
class Patient:
    name: tuple[Name, ...]
    birth: When
    id: str = ""
    identifier: tuple[Identifier, ...] = ()
    gender: str = "unknown"
    address: tuple[Address, ...] = ()
    telecom: tuple[Telecom, ...] = ()
    communication: tuple[Communication, ...] = ()
    deceased_at: When | None = None
    deceased: bool = False


class PatientShape(Shape):
    MAKES = Patient
    id = IdField()
    identifier = fields.List(fields.Nested(IdentifierShape))
    name = fields.List(fields.Nested(NameShape), required=True, validate=SOME)
    birth = WhenField(data_key="birthDate", required=True)
    gender = TextField()
    address = fields.List(fields.Nested(AddressShape))
    telecom = fields.List(fields.Nested(TelecomShape))
    communication = fields.List(fields.Nested(CommunicationShape))
    deceased_at = WhenField(data_key="deceasedDateTime")
    deceased = fields.Boolean(data_key="deceasedBoolean", truthy={True}, falsy={False})


@dataclass(frozen=True)
class Practitioner:
    name: tuple[Name, ...]
    id: str = ""
    identifier: tuple[Identifier, ...] = ()


class PractitionerShape(Shape):
    MAKES = Practitioner
    id = IdField()
    identifier = fields.List(fields.Nested(IdentifierShape))
    name = fields.List(fields.Nested(NameShape), required=True, validate=SOME)


@dataclass(frozen=True)
class Participant:
    individual: Reference = NO_REFERENCE


class ParticipantShape(Shape):
    MAKES = Participant
    individual = fields.Nested(ReferenceShape)


@dataclass(frozen=True)
class Encounter:
    status: str
    encounter_class: Coding
    id: str = ""
    type: tuple[Concept, ...] = ()
    subject: Reference = NO_REFERENCE
    participant: tuple[Participant, ...] = ()
    period: Period = NO_PERIOD


class EncounterShape(Shape):
    MAKES = Encounter
    id = IdField()
    status = TextField(required=True)
    encounter_class = fields.Nested(CodingShape, data_key="class", required=True)
    type = fields.List(fields.Nested(ConceptShape))
    subject = fields.Nested(ReferenceShape)
    participant = fields.List(fields.Nested(ParticipantShape))
    period = fields.Nested(PeriodShape)


@dataclass(frozen=True)
class Condition:
    subject: Reference
    id: str = ""
    code: Concept = NO_CONCEPT
    verification: Concept = NO_CONCEPT
    clinical: Concept = NO_CONCEPT
    onset: When | None = None
    recorded: When | None = None
    abatement: When | None = None


class ConditionShape(Shape):
    MAKES = Condition
    id = IdField()
    subject = fields.Nested(ReferenceShape, required=True)
    code = fields.Nested(ConceptShape)
    verification = fields.Nested(ConceptShape, data_key="verificationStatus")
    clinical = fields.Nested(ConceptShape, data_key="clinicalStatus")
    onset = WhenField(data_key="onsetDateTime")
    recorded = WhenField(data_key="recordedDate")
    abatement = WhenField(data_key="abatementDateTime")


@dataclass(frozen=True)
class Quantity:
    value: float | None = None
    unit: str = ""
    comparator: str = ""


NO_QUANTITY = Quantity()


class QuantityShape(Shape):
    MAKES = Quantity
    value = fields.Float(allow_nan=False)
    unit = TextField()
    comparator = TextField()


@dataclass(frozen=True)
class Target:
    measure: Concept = NO_CONCEPT
    quantity: Quantity = NO_QUANTITY
    text: str = ""
    due: When | None = None


class TargetShape(Shape):
    MAKES = Target
    measure = fields.Nested(ConceptShape)
    quantity = fields.Nested(QuantityShape, data_key="detailQuantity")
    text = TextField(data_key="detailString")
    due = WhenField(data_key="dueDate")


class GoalConceptShape(ConceptShape):
    text = TextField(longest=20_000)


@dataclass(frozen=True)
class Goal:
    status: str
    description: Concept
    id: str = ""
    target: tuple[Target, ...] = ()


class GoalShape(Shape):
    MAKES = Goal
    id = IdField()
    status = TextField(data_key="lifecycleStatus", required=True)
    description = fields.Nested(GoalConceptShape, required=True)
    target = fields.List(fields.Nested(TargetShape))


@dataclass(frozen=True)
class ActivityDetail:
    code: Concept = NO_CONCEPT
    description: str = ""
    scheduled: str = ""


class ActivityDetailShape(Shape):
    MAKES = ActivityDetail
    code = fields.Nested(ConceptShape)
    description = TextField(longest=20_000)
    scheduled = TextField(data_key="scheduledString")


@dataclass(frozen=True)
class Activity:
    detail: ActivityDetail | None = None


class ActivityShape(Shape):
    MAKES = Activity
    detail = fields.Nested(ActivityDetailShape)


@dataclass(frozen=True)
class CarePlan:
    status: str
    subject: Reference
    id: str = ""
    title: str = ""
    category: tuple[Concept, ...] = ()
    period: Period = NO_PERIOD
    goal: tuple[Reference, ...] = ()
    activity: tuple[Activity, ...] = ()


class CarePlanShape(Shape):
    MAKES = CarePlan
    id = IdField()
    status = TextField(required=True)
    subject = fields.Nested(ReferenceShape, required=True)
    title = TextField()
    category = fields.List(fields.Nested(ConceptShape))
    period = fields.Nested(PeriodShape)
    goal = fields.List(fields.Nested(ReferenceShape))
    activity = fields.List(fields.Nested(ActivityShape))


#: The resources we take, in the order in which they become commands.
SHAPES: dict[str, Shape] = {
    "Practitioner": PractitionerShape(),
    "Patient": PatientShape(),
    "Encounter": EncounterShape(),
    "Condition": ConditionShape(),
    "Goal": GoalShape(),
    "CarePlan": CarePlanShape(),
}


def faults_of(errors: Any, place: str) -> Iterator[tuple[str, str]]:
    """marshmallow's nested messages as (place, message), the place written as FHIR writes a path."""
    if isinstance(errors, Mapping):
        for key, inside in errors.items():
            step = "" if key == "_schema" else f"[{key}]" if isinstance(key, int) else f".{key}"
            yield from faults_of(inside, place + step)
    else:
        for message in errors if isinstance(errors, list) else [errors]:
            yield place, str(message).rstrip(".")
