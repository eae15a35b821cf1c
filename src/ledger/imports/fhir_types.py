"""The FHIR R4 data types that the resources we take are made of: times, texts, ids, names, codes, references.

marshmallow stands at this edge: its fields read each element into a small frozen struct, ignore what is not named, and
say what is wrong in words. Source: https://hl7.org/fhir/R4/datatypes.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

import msgspec
from marshmallow import ValidationError, fields

#: FHIR's ``id``: https://hl7.org/fhir/R4/datatypes.html#id
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
#: FHIR's ``dateTime``, with the offset optional here so that its absence can be named.
_DATE_TIME = re.compile(
    r"(?P<date>\d{4}(-\d\d(-\d\d)?)?)"
    r"(T(?P<clock>\d\d:\d\d:\d\d)(\.(?P<fraction>\d{1,9}))?(?P<zone>Z|[+-]\d\d:\d\d)?)?"
)
#: Tab, line feed and carriage return are text; every other control character is refused.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_YEARS = range(1000, 9999)

Reader = Callable[[Any, str | None, Mapping[str, Any] | None], Any]


class When(msgspec.Struct, frozen=True):
    """A FHIR ``dateTime``: an instant with its offset, or only a day, or less than a day (both empty)."""

    text: str
    day: date | None
    moment: datetime | None


class WhenField(fields.Field[When]):
    """Reads a ``dateTime``; a time of day without an offset is refused, because it names no instant."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> When:
        if not isinstance(value, str):
            raise ValidationError("a dateTime is text, such as 2026-11-20T15:00:00-08:00")
        match = _DATE_TIME.fullmatch(value)
        if match is None:
            raise ValidationError(f"{value[:40]!r} is not a dateTime; write it as 2026-11-20T15:00:00-08:00")
        if int(value[:4]) not in _YEARS:
            raise ValidationError(f"the year {value[:4]} is outside what a record can hold")
        try:
            if match["clock"] is None:
                return When(value, date.fromisoformat(value) if len(value) == 10 else None, None)
            if match["zone"] is None:
                raise ValidationError(f"{value!r} has no UTC offset; write it as {match['date']}T15:00:00-08:00")
            fraction = (match["fraction"] or "0")[:6].ljust(6, "0")
            moment = datetime.fromisoformat(f"{match['date']}T{match['clock']}.{fraction}{match['zone']}")
        except ValueError as fault:
            raise ValidationError(f"{value!r} is not a date or time of the calendar") from fault
        return When(value, moment.date(), moment)


class TextField(fields.String):
    """Text in any script, of at most ``longest`` characters, without control characters."""

    def __init__(self, longest: int = 200, **options: Any) -> None:
        super().__init__(**options)
        self.longest = longest

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        if found := _CONTROL.search(value):
            raise ValidationError(f"holds the control character U+{ord(found[0]):04X} at character {found.start() + 1}")
        if len(value) > self.longest:
            raise ValidationError(f"holds {len(value):,} characters; at most {self.longest:,} can be taken")
        if not value or value.isspace():
            raise ValidationError("is empty; leave the element out instead")
        return value


class IdField(fields.String):
    """A FHIR ``id``."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **options)
        if not _ID.fullmatch(text):
            raise ValidationError(f"{text[:80]!r} is not an id: letters, digits, '-' and '.', at most 64")
        return text


def _reader(field: fields.Field[Any]) -> Reader:
    """How a field reads a value that is there. No field here has validators or hooks of marshmallow's to go through."""
    return field._deserialize


class Many(fields.Field[tuple[Any, ...]]):
    """A list of elements, of at least ``least``; kept as a tuple."""

    def __init__(self, inner: fields.Field[Any], *, least: int = 0, required: bool = False) -> None:
        super().__init__(required=required)
        self.read = _reader(inner)
        self.least = least

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValidationError("is not a list")
        if len(value) < self.least:
            raise ValidationError(f"needs at least {self.least}")
        made: list[Any] = []
        faults: dict[int, Any] = {}
        for index, inside in enumerate(value):
            try:
                made.append(self.read(inside, attr, data))
            except ValidationError as fault:
                faults[index] = fault.messages
        if faults:
            raise ValidationError(faults)
        return tuple(made)


class Part(fields.Field[Any]):
    """An element made of elements: reads the named ones into a struct, ignores the others, collects every fault.

    It does what marshmallow's ``Nested`` over a ``Schema`` does, without the hooks of one, which took half of an
    import's time.
    """

    def __init__(
        self, makes: type[Any], *, data_key: str | None = None, required: bool = False, **parts: fields.Field[Any]
    ) -> None:
        super().__init__(data_key=data_key, required=required)
        self.makes = makes
        self.parts = [(f.data_key or name, name, f.required, _reader(f)) for name, f in parts.items()]

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> Any:
        if not isinstance(value, dict):
            raise ValidationError("is not an object")
        made: dict[str, Any] = {}
        faults: dict[str, Any] = {}
        for key, name, required, read in self.parts:
            inside = value.get(key)
            try:
                if inside is not None:
                    made[name] = read(inside, key, value)
                elif required or key in value:
                    faults[key] = ["is missing" if key not in value else "is null"]
            except ValidationError as fault:
                faults[key] = fault.messages
        if faults:
            raise ValidationError(faults)
        return self.makes(**made)


class Element(msgspec.Struct, frozen=True):
    """What a FHIR element or resource becomes once it is checked."""


class Coding(Element, frozen=True):
    code: str = ""
    system: str = ""
    display: str = ""


class Concept(Element, frozen=True):
    coding: tuple[Coding, ...] = ()
    text: str = ""

    @property
    def code(self) -> str:
        """The first code, empty when there is none."""
        return next((coding.code for coding in self.coding if coding.code), "")

    @property
    def label(self) -> str:
        """What a person reads: the text, or the first code's display, or the code itself."""
        return self.text or next((c.display or c.code for c in self.coding if c.display or c.code), "")


class Reference(Element, frozen=True):
    reference: str = ""


class Identifier(Element, frozen=True):
    system: str = ""
    value: str = ""
    type: Concept = Concept()


class Name(Element, frozen=True):
    family: str
    given: tuple[str, ...]
    use: str = ""


class Address(Element, frozen=True):
    line: tuple[str, ...] = ()
    city: str = ""
    state: str = ""
    postal_code: str = ""


class Telecom(Element, frozen=True):
    system: str = ""
    value: str = ""


class Period(Element, frozen=True):
    start: When | None = None
    end: When | None = None


class Quantity(Element, frozen=True):
    value: float | None = None
    unit: str = ""
    comparator: str = ""


def coding(*, data_key: str | None = None, required: bool = False) -> Part:
    return Part(Coding, data_key=data_key, required=required, code=TextField(), system=TextField(), display=TextField())


def concept(longest: int = 200, *, data_key: str | None = None, required: bool = False) -> Part:
    """A CodeableConcept whose text has at most ``longest`` characters."""
    return Part(Concept, data_key=data_key, required=required, coding=Many(coding()), text=TextField(longest))


def reference(*, data_key: str | None = None, required: bool = False) -> Part:
    return Part(Reference, data_key=data_key, required=required, reference=TextField(longest=400))


def identifier() -> Part:
    return Part(Identifier, system=TextField(), value=TextField(), type=concept())


def name() -> Part:
    return Part(
        Name,
        family=TextField(required=True),
        given=Many(TextField(), required=True, least=1),
        use=TextField(),
    )


def address() -> Part:
    return Part(
        Address,
        line=Many(TextField()),
        city=TextField(),
        state=TextField(),
        postal_code=TextField(data_key="postalCode"),
    )


def telecom() -> Part:
    return Part(Telecom, system=TextField(), value=TextField())


def period() -> Part:
    return Part(Period, start=WhenField(), end=WhenField())


def quantity(*, data_key: str | None = None, required: bool = False) -> Part:
    return Part(
        Quantity,
        data_key=data_key,
        required=required,
        value=fields.Float(allow_nan=False),
        unit=TextField(),
        comparator=TextField(),
    )
