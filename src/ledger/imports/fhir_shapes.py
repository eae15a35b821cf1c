"""The FHIR R4 resources we take, in the shape we take them: required elements are named, unknown ones are ignored.

Element names, types and cardinalities are FHIR's (https://hl7.org/fhir/R4), narrowed to what a record here can hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import fields

from ledger.imports import fhir_types as types
from ledger.imports.fhir_types import Element, IdField, Many, Part, TextField, WhenField

_LONG = 20_000


class Communication(Element, frozen=True):
    language: types.Concept = types.Concept()


class Patient(Element, frozen=True):
    name: tuple[types.Name, ...]
    birth: types.When
    id: str = ""
    identifier: tuple[types.Identifier, ...] = ()
    gender: str = "unknown"
    address: tuple[types.Address, ...] = ()
    telecom: tuple[types.Telecom, ...] = ()
    communication: tuple[Communication, ...] = ()
    deceased_at: types.When | None = None
    deceased: bool = False


PATIENT = Part(
    Patient,
    id=IdField(),
    identifier=Many(types.identifier()),
    name=Many(types.name(), required=True, least=1),
    birth=WhenField(data_key="birthDate", required=True),
    gender=TextField(),
    address=Many(types.address()),
    telecom=Many(types.telecom()),
    communication=Many(Part(Communication, language=types.concept())),
    deceased_at=WhenField(data_key="deceasedDateTime"),
    deceased=fields.Boolean(data_key="deceasedBoolean", truthy={True}, falsy={False}),
)


class Practitioner(Element, frozen=True):
    name: tuple[types.Name, ...]
    id: str = ""
    identifier: tuple[types.Identifier, ...] = ()


PRACTITIONER = Part(
    Practitioner,
    id=IdField(),
    identifier=Many(types.identifier()),
    name=Many(types.name(), required=True, least=1),
)


class Participant(Element, frozen=True):
    individual: types.Reference = types.Reference()


class Encounter(Element, frozen=True):
    status: str
    encounter_class: types.Coding
    id: str = ""
    type: tuple[types.Concept, ...] = ()
    subject: types.Reference = types.Reference()
    participant: tuple[Participant, ...] = ()
    period: types.Period = types.Period()


ENCOUNTER = Part(
    Encounter,
    id=IdField(),
    status=TextField(required=True),
    encounter_class=types.coding(data_key="class", required=True),
    type=Many(types.concept()),
    subject=types.reference(),
    participant=Many(Part(Participant, individual=types.reference())),
    period=types.period(),
)


class Condition(Element, frozen=True):
    subject: types.Reference
    id: str = ""
    code: types.Concept = types.Concept()
    verification: types.Concept = types.Concept()
    clinical: types.Concept = types.Concept()
    onset: types.When | None = None
    recorded: types.When | None = None
    abatement: types.When | None = None


CONDITION = Part(
    Condition,
    id=IdField(),
    subject=types.reference(required=True),
    code=types.concept(),
    verification=types.concept(data_key="verificationStatus"),
    clinical=types.concept(data_key="clinicalStatus"),
    onset=WhenField(data_key="onsetDateTime"),
    recorded=WhenField(data_key="recordedDate"),
    abatement=WhenField(data_key="abatementDateTime"),
)


class Target(Element, frozen=True):
    measure: types.Concept = types.Concept()
    quantity: types.Quantity = types.Quantity()
    text: str = ""
    due: types.When | None = None


class Goal(Element, frozen=True):
    status: str
    description: types.Concept
    id: str = ""
    target: tuple[Target, ...] = ()


GOAL = Part(
    Goal,
    id=IdField(),
    status=TextField(data_key="lifecycleStatus", required=True),
    description=types.concept(_LONG, required=True),
    target=Many(
        Part(
            Target,
            measure=types.concept(),
            quantity=types.quantity(data_key="detailQuantity"),
            text=TextField(data_key="detailString"),
            due=WhenField(data_key="dueDate"),
        )
    ),
)


class ActivityDetail(Element, frozen=True):
    code: types.Concept = types.Concept()
    description: str = ""
    scheduled: str = ""


class Activity(Element, frozen=True):
    detail: ActivityDetail | None = None


class CarePlan(Element, frozen=True):
    status: str
    subject: types.Reference
    id: str = ""
    title: str = ""
    category: tuple[types.Concept, ...] = ()
    period: types.Period = types.Period()
    goal: tuple[types.Reference, ...] = ()
    activity: tuple[Activity, ...] = ()


CARE_PLAN = Part(
    CarePlan,
    id=IdField(),
    status=TextField(required=True),
    subject=types.reference(required=True),
    title=TextField(),
    category=Many(types.concept()),
    period=types.period(),
    goal=Many(types.reference()),
    activity=Many(
        Part(
            Activity,
            detail=Part(
                ActivityDetail,
                code=types.concept(),
                description=TextField(_LONG),
                scheduled=TextField(data_key="scheduledString"),
            ),
        )
    ),
)


#: The resources we take, by type.
SHAPES = {
    "Practitioner": PRACTITIONER,
    "Patient": PATIENT,
    "Encounter": ENCOUNTER,
    "Condition": CONDITION,
    "Goal": GOAL,
    "CarePlan": CARE_PLAN,
}


def faults_of(errors: Any, place: str) -> Iterator[tuple[str, str]]:
    """marshmallow's nested messages as (place, message), the place written as FHIR writes a path."""
    if isinstance(errors, Mapping):
        for key, inside in errors.items():
            step = f"[{key}]" if isinstance(key, int) else f".{key}"
            yield from faults_of(inside, place + step)
    else:
        for message in errors if isinstance(errors, list) else [errors]:
            yield place, str(message).rstrip(".")
