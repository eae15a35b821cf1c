"""The FHIR R4 data types that the resources we take are made of: times, texts, ids, names, codes, references.

marshmallow stands at this edge; each schema makes one small frozen dataclass, ignores what it does not name, and says
what is wrong in words. Source: https://hl7.org/fhir/R4/datatypes.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_load, validate

#: FHIR's ``id``: https://hl7.org/fhir/R4/datatypes.html#id
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
#: FHIR's ``dateTime``, with the offset optional here so that its absence can be named.
_DATE_TIME = re.compile(
    r"(?P<date>\d{4}(-\d\d(-\d\d)?)?)"
    r"(T(?P<clock>\d\d:\d\d:\d\d)(\.(?P<fraction>\d{1,9}))?(?P<zone>Z|[+-]\d\d:\d\d)?)?"
)
#: Tab, line feed and carriage return are text; every other control character is refused.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_YEARS = range(1000, 9999)
SOME = validate.Length(min=1, error="needs at least one")


@dataclass(frozen=True)
class When:
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
        text: str = super()._deserialize(value, attr, data, **options)
        if found := _CONTROL.search(text):
            raise ValidationError(f"holds the control character U+{ord(found[0]):04X} at character {found.start() + 1}")
        if found := _SURROGATE.search(text):
            raise ValidationError(f"holds half a character (U+{ord(found[0]):04X}) at character {found.start() + 1}")
        if len(text) > self.longest:
            raise ValidationError(f"holds {len(text):,} characters; at most {self.longest:,} can be taken")
        if not text.strip():
            raise ValidationError("is empty; leave the element out instead")
        return text


class IdField(fields.String):
    """A FHIR ``id``."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **options)
        if not _ID.fullmatch(text):
            raise ValidationError(f"{text[:80]!r} is not an id: letters, digits, '-' and '.', at most 64")
        return text


class Shape(Schema):
    """A schema that makes its dataclass and ignores every element it does not name."""

    MAKES: ClassVar[type[Any]]

    class Meta:
        unknown = EXCLUDE

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> Any:
        return self.MAKES(**data)


@dataclass(frozen=True)
class Coding:
    code: str = ""
    system: str = ""
    display: str = ""


class CodingShape(Shape):
    MAKES = Coding
    code = TextField()
    system = TextField()
    display = TextField()


@dataclass(frozen=True)
class Concept:
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


NO_CONCEPT = Concept()


class ConceptShape(Shape):
    MAKES = Concept
    coding = fields.List(fields.Nested(CodingShape))
    text = TextField()


@dataclass(frozen=True)
class Reference:
    reference: str = ""


NO_REFERENCE = Reference()


class ReferenceShape(Shape):
    MAKES = Reference
    reference = TextField(longest=400)


@dataclass(frozen=True)
class Identifier:
    system: str = ""
    value: str = ""
    type: Concept = NO_CONCEPT


class IdentifierShape(Shape):
    MAKES = Identifier
    system = TextField()
    value = TextField()
    type = fields.Nested(ConceptShape)


@dataclass(frozen=True)
class Name:
    family: str
    given: tuple[str, ...]
    use: str = ""


class NameShape(Shape):
    MAKES = Name
    family = TextField(required=True)
    given = fields.List(TextField(), required=True, validate=SOME)
    use = TextField()


@dataclass(frozen=True)
class Address:
    line: tuple[str, ...] = ()
    city: str = ""
    state: str = ""
    postal_code: str = ""


class AddressShape(Shape):
    MAKES = Address
    line = fields.List(TextField())
    city = TextField()
    state = TextField()
    postal_code = TextField(data_key="postalCode")


@dataclass(frozen=True)
class Telecom:
    system: str = ""
    value: str = ""


class TelecomShape(Shape):
    MAKES = Telecom
    system = TextField()
    value = TextField()


@dataclass(frozen=True)
class Communication:
    language: Concept = NO_CONCEPT


class CommunicationShape(Shape):
    MAKES = Communication
    language = fields.Nested(ConceptShape)


@dataclass(frozen=True)
class Period:
    start: When | None = None
    end: When | None = None


NO_PERIOD = Period()


class PeriodShape(Shape):
    MAKES = Period
    start = WhenField()
    end = WhenField()
