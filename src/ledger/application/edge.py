"""Where people and other systems send us commands and questions: schemas made from their own definitions.

A command, or a question, is defined once, as a struct with its constraints. Here each becomes a marshmallow schema, so
that bad input is answered with every fault at once, each naming its field and the mend. Ids of new things may be left
out: they are derived from the command id, so that a retried command names the same thing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

import marshmallow
import msgspec
import structlog
from marshmallow import fields, validate
from msgspec import inspect as shape

from ledger.aggregates.base import command_types, handlers
from ledger.aggregates.vocabulary import Command
from ledger.application.requests import log_refusal, unfit_id
from ledger.clock import derived_id, is_id, unfit
from ledger.errors import BadInput, Reason, Refused

S = TypeVar("S", bound=msgspec.Struct)

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
#: The largest whole number that every reader of JSON keeps exactly.
_LARGEST = 2**53 - 1
#: marshmallow's own words, as ours: what is wrong, then the mend.
_MENDS = {
    "Missing data for required field.": "it is missing",
    "Unknown field.": "there is no such field",
    "Field may not be null.": "it may not be null",
    "Not a valid integer.": "it is not a whole number; write digits only",
    "Not a valid string.": "it is not a text",
    "Not a valid boolean.": "it is neither true nor false",
    "Not a valid list.": "it is not a list; write it as [ … ]",
    "Not a valid mapping type.": "it is not an object; write it as { … }",
    "Invalid input type.": "it is not an object; write it as { … }",
}


class OffsetMoment(fields.Field[datetime]):
    """An instant in ISO 8601 with its UTC offset; one without an offset is refused."""

    default_error_messages = {  # noqa: RUF012 - marshmallow's own way of naming messages
        "invalid": "it is not a time; write it as 2026-11-20T15:00:00-08:00",
        "unfit": "{fault}",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise self.make_error("invalid") from None
        if fault := unfit(moment):
            raise self.make_error("unfit", fault=fault)
        return moment


class TrueOrFalse(fields.Field[bool]):
    """A truth value; a number is not one."""

    default_error_messages = {"invalid": "it is neither true nor false"}  # noqa: RUF012 - marshmallow's own way

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if value is True or value == "true":
            return True
        if value is False or value == "false":
            return False
        raise self.make_error("invalid")


class Named(fields.Dict):
    """Texts by name; a fault is told under the name it stands at."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]
        except marshmallow.ValidationError as fault:
            if not isinstance(fault.messages, dict):
                raise
            told = {name: [m for part in parts.values() for m in part] for name, parts in fault.messages.items()}
            raise marshmallow.ValidationError(told) from None


class CleanText(fields.String):
    """Text in any script; control characters other than tab and line breaks are refused."""

    default_error_messages = {  # noqa: RUF012 - marshmallow's own way of naming messages
        "control": "it holds the control character {code} at place {place}; remove it",
        "id": "it is not an id; write a UUID in lower case, for example 3f2b6c1e-0d4a-4e6f-9a51-7c2d1e0f9b8a",
        "empty": "it is empty; write something",
        "surrogate": "it holds half of a character at place {place}; send it as UTF-8",
    }

    def __init__(self, *, is_id: bool = False, says_something: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._is_id = is_id
        self._says_something = says_something

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        found = _CONTROL.search(text)
        if found is not None:
            raise self.make_error("control", code=f"U+{ord(found.group()):04X}", place=found.start() + 1)
        try:
            text.encode()
        except UnicodeEncodeError as fault:
            raise self.make_error("surrogate", place=fault.start + 1) from None
        if self._says_something and not text.strip():
            raise self.make_error("empty")
        if self._is_id and not is_id(text):
            raise self.make_error("id")
        return text


def _field(kind: shape.Type, required: bool, default: Any, *, texts: bool = False) -> fields.Field[Any]:
    """The marshmallow field for one type of a command's definition; with ``texts`` a number may come as its digits."""
    options: dict[str, Any] = {"required": required}
    if not required:
        options["load_default"] = default
    said = ""
    while isinstance(kind, shape.Metadata):
        said = (kind.extra_json_schema or {}).get("description", said)
        kind = kind.type
    if isinstance(kind, shape.UnionType):
        inner = [t for t in kind.types if not isinstance(t, shape.NoneType)]
        made = _field(inner[0], required, default, texts=texts)
        made.allow_none = True
        if said:
            made.metadata = {**made.metadata, "description": said}
        return made
    if said:
        options["metadata"] = {"description": said}
    match kind:
        case shape.StrType():
            is_id = kind.pattern is not None and kind.pattern.startswith("^[0-9a-f]{8}")
            rules = _text_rules(kind, is_id, said)
            return CleanText(is_id=is_id, says_something=bool(kind.min_length), validate=rules, **options)
        case shape.IntType():
            bounds = validate.Range(
                min=-_LARGEST if kind.ge is None else kind.ge,
                max=_LARGEST if kind.le is None else kind.le,
                error=f"it is out of bounds; {said or 'check the number'}",
            )
            return fields.Integer(strict=not texts, validate=bounds, **options)
        case shape.BoolType():
            return TrueOrFalse(**options)
        case shape.DateType():
            return fields.Date(error_messages={"invalid": "it is not a date; write it as 2026-11-20"}, **options)
        case shape.DateTimeType():
            return OffsetMoment(**options)
        case shape.LiteralType():
            allowed = ", ".join(str(value) for value in kind.values)
            return CleanText(validate=validate.OneOf(kind.values, error=f"it must be one of {allowed}"), **options)
        case shape.VarTupleType():
            length = validate.Length(min=kind.min_length, max=kind.max_length, error=_list_words(kind))
            return fields.List(_field(kind.item_type, True, None), validate=length, **options)
        case shape.DictType():
            return Named(keys=_field(kind.key_type, True, None), values=_field(kind.value_type, True, None), **options)
        case shape.StructType():
            return fields.Nested(schema_of(kind.cls)(), **options)
    raise TypeError(f"no field for {kind}")


def _text_rules(kind: shape.StrType, is_id: bool, said: str) -> list[Any]:
    rules: list[Any] = []
    if kind.min_length or kind.max_length:
        rules.append(validate.Length(min=kind.min_length, max=kind.max_length, error=_length_words(kind)))
    if kind.pattern and not is_id and "\\x00" not in kind.pattern:
        rules.append(
            validate.Regexp(kind.pattern, error=f"it does not have the right form; {said or 'check how it is written'}")
        )
    return rules


def _length_words(kind: shape.StrType) -> str:
    if kind.max_length is None:
        return "it is empty; write something"
    return f"it is empty or longer than {kind.max_length:,} characters; shorten it, or attach the document"


def _list_words(kind: shape.VarTupleType) -> str:
    low, high = kind.min_length or 0, kind.max_length
    wanted = f"{low}" if low == high else f"at least {low}" if high is None else f"{low} to {high}"
    return f"it has the wrong number of values; write {wanted}"


@cache
def schema_of(cls: type[msgspec.Struct], *, texts: bool = False) -> type[marshmallow.Schema]:
    """The marshmallow schema of a struct: a command, or a question. With ``texts`` numbers may come as their digits,
    as query parameters do.
    """
    described = shape.type_info(cls)
    if not isinstance(described, shape.StructType):
        raise TypeError(f"{cls.__name__} is not a struct")
    made = {}
    for f in described.fields:
        default = None
        if f.default is not msgspec.NODEFAULT:
            default = msgspec.to_builtins(f.default)
        elif f.default_factory is not msgspec.NODEFAULT:
            default = msgspec.to_builtins(f.default_factory())
        made[f.encode_name] = _field(f.type, f.required, default, texts=texts)
    return marshmallow.Schema.from_dict(made, name=cls.__name__)


def find_command(name: str) -> type[Command]:
    """The command of a name; an unknown one is refused with the names there are."""
    offered = offered_commands()
    if name not in offered:
        raise BadInput(f"command: there is no command {name!r}; use one of {', '.join(offered)}")
    return offered[name]


def offered_commands() -> Mapping[str, type[Command]]:
    """The commands that people and other systems may send, by name."""
    return {name: cls for name, cls in command_types().items() if not cls.INTERNAL}


def read_command(cls: type[Command], data: Mapping[str, Any], command_id: str) -> Command:
    """Read a command from what was sent; raises ``Refused`` with every fault at once."""
    try:
        return _read(cls, data, command_id)
    except Refused as fault:
        log_refusal(cls, fault, command_id, structlog.contextvars.get_contextvars().get("correlation_id"))
        raise


def _read(cls: type[Command], data: Mapping[str, Any], command_id: str) -> Command:
    if wrong := unfit_id(command_id):
        said, _, mend = wrong.partition("; ")
        raise Refused([Reason("command_id", said, mend, "malformed")])
    filled = dict(data)
    for name in new_ids(cls):
        if filled.get(name) is None:
            filled[name] = derived_id(command_id, name)
    return read_struct(cls, filled)


def read_struct(cls: type[S], data: Mapping[str, Any], *, texts: bool = False) -> S:
    """Read a command, or a question, from what was sent; raises ``Refused`` with every fault at once."""
    try:
        loaded = schema_of(cls, texts=texts)().load(data)
    except marshmallow.ValidationError as fault:
        raise Refused(list(_reasons(fault.messages))) from None
    try:
        return msgspec.convert(loaded, cls, strict=False)
    except msgspec.ValidationError as fault:
        message, _, place = str(fault).partition(" - at ")
        raise Refused([Reason(place.strip("`$.") or "command", message)]) from None


def new_ids(cls: type[Command]) -> tuple[str, ...]:
    """The fields that name what a command makes: the stream it begins, and the parts it adds to one."""
    return handlers()[cls].new_ids


def _reasons(messages: Any, path: str = "") -> Iterator[Reason]:
    """marshmallow's nested messages as reasons, each with the path of its field."""
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            if name == "_schema":  # marshmallow's word for the object as a whole
                yield from _reasons(inner, path)
                continue
            part = f"[{name}]" if isinstance(name, int) else _shown(str(name))
            here = path + part if part.startswith("[") or not path else f"{path}.{part}"
            yield from _reasons(inner, here)
        return
    for message in messages if isinstance(messages, list) else [messages]:
        text = _MENDS.get(str(message), str(message))
        said, _, mend = text.partition("; ")
        yield Reason(path or "command", said.rstrip("."), mend, "invalid")


def _shown(name: str) -> str:
    """A name that somebody sent, short and printable."""
    plain = name if name.isprintable() else name.encode("unicode_escape").decode()
    return plain if len(plain) <= 60 else f"{plain[:60]}…"
