"""``ledger record COMMAND``: every command of the write side, by flags or as JSON on standard input."""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime
from typing import Any

import click
from msgspec import inspect as shape

from ledger.aggregates.vocabulary import Command
from ledger.application.commands import Request, Result
from ledger.application.edge import find_command, new_ids, offered_commands, read_command
from ledger.cli.session import Moment, Session, accept_json, pass_session
from ledger.clock import RandomIds
from ledger.errors import BadInput

#: More than this on standard input is refused before it is read as JSON.
MAX_INPUT = 1024 * 1024
_WHOLE = re.compile(r"-?[0-9]{1,30}\Z")


class RecordGroup(click.Group):
    """A subcommand for each command of the write side, made from its definition."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(offered_commands())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        cls = offered_commands().get(cmd_name)
        return None if cls is None else accept_json(_command(cls))


@click.group(cls=RecordGroup)
def record() -> None:
    """Record something: a contact, a signature, a plan change … One subcommand for each command.

    Fields come as flags, or as a JSON object on standard input with --stdin; a flag whose value has parts (a name, a
    plan's goals, a note's content) takes JSON. Ids of new things may be left out. With --command-id, repeating a
    command gives its first result and records nothing twice.

    \b
    Examples:
      ledger --as system:setup record open-episode --client-id CLIENT --program psc --opened-on 2025-10-01
      ledger --as STAFF record sign-note --note-id NOTE
      ledger --as STAFF record draft-note --stdin < note.json
    """


def _command(cls: type[Command]) -> click.Command:
    """The subcommand of one command."""
    described = shape.type_info(cls)
    if not isinstance(described, shape.StructType):
        raise TypeError(f"{cls.__name__} is not a struct")
    fresh = new_ids(cls)
    options: list[click.Parameter] = []
    for f in described.fields:
        kind = _plain(f.type)
        help_text = _help(f, fresh)
        flag = "--" + f.encode_name.replace("_", "-")
        if isinstance(kind, shape.BoolType):
            options.append(click.Option([f"{flag}/--no-{flag[2:]}"], default=None, help=help_text))
        else:
            options.append(click.Option([flag], help=help_text, metavar=_metavar(kind)))
    options += [
        click.Option(["--stdin", "from_stdin"], is_flag=True, help="Read the fields as a JSON object from stdin."),
        click.Option(["--command-id"], help="The id of this command; a new one by default."),
        click.Option(["--occurred-at"], type=Moment(), help="When it happened, with its UTC offset; now by default."),
        click.Option(["--expected-version"], type=int, help="Refuse if the stream has moved on from this version."),
        click.Option(["--causation-id"], help="The command or event that led to this one."),
    ]
    doc = (cls.__doc__ or "").strip()

    @pass_session
    def run(session: Session, /, **values: Any) -> None:
        _record(session, cls, values)

    help_text = f"{doc}\n\n\b\nExample:\n  {_example(cls.NAME, described, fresh)}"
    return click.Command(cls.NAME, params=options, callback=run, help=help_text, short_help=doc.partition("\n")[0])


def _example(name: str, described: shape.StructType, fresh: tuple[str, ...]) -> str:
    """A line to start from: the fields that have to be given, with a word for each value."""
    parts = ["ledger --as STAFF record", name]
    for f in described.fields:
        if f.required and f.encode_name not in fresh:
            kind = _plain(f.type)
            word = _metavar(kind)
            if isinstance(kind, shape.StrType) and f.encode_name.endswith("_id"):
                word = f.encode_name.removesuffix("_id").upper()
            parts.append(f"--{f.encode_name.replace('_', '-')} {word.partition('|')[0]}")
    return " \\\n    ".join([" ".join(parts[:2]), *parts[2:]])


def _record(session: Session, cls: type[Command], values: dict[str, Any]) -> None:
    command_id = values.pop("command_id")
    command_id = RandomIds().new() if command_id is None else command_id
    occurred_at: datetime | None = values.pop("occurred_at")
    expected_version = values.pop("expected_version")
    causation_id = values.pop("causation_id")
    data = _from_stdin() if values.pop("from_stdin") else {}
    described = shape.type_info(cls)
    if not isinstance(described, shape.StructType):
        raise TypeError(f"{cls.__name__} is not a struct")
    for f in described.fields:
        value = values.get(f.encode_name)
        if value is not None:
            data[f.encode_name] = _value(f.encode_name, _plain(f.type), value)
    result = session.execute(
        Request(
            command=read_command(find_command(cls.NAME), data, command_id),
            actor_id=session.actor,
            purpose=session.purpose,
            command_id=command_id,
            occurred_at=occurred_at,
            correlation_id=session.correlation_id,
            causation_id=causation_id,
            expected_version=expected_version,
        )
    )
    session.emit(result, lambda: _text(result))


def _text(result: Result) -> str:
    again = " (as before: this command was carried out already)" if result.repeated else ""
    lines = [f"{kind}  {event}" for kind, event in zip(result.types, result.events, strict=True)]
    return "\n".join([f"recorded{again}: {result.stream_id}, version {result.version}", *(f"  {x}" for x in lines)])


def _from_stdin() -> dict[str, Any]:
    sent = sys.stdin.buffer.read(MAX_INPUT + 1)
    if len(sent) > MAX_INPUT:
        raise BadInput(f"stdin: more than {MAX_INPUT:,} bytes; a command is smaller than that")
    try:
        text = sent.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise BadInput(f"stdin: not UTF-8 at byte {fault.start + 1}; send it as UTF-8") from fault
    data = _json("stdin", text, "send one object with the command's fields")
    if not isinstance(data, dict):
        raise BadInput("stdin: not an object; send one JSON object with the command's fields")
    return data


def _json(name: str, text: str, mend: str) -> Any:
    """Read JSON that means one thing only: no name twice, no NaN, no number or nesting beyond measure."""
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except json.JSONDecodeError as fault:
        raise BadInput(f"{name}: not JSON at line {fault.lineno}, column {fault.colno}; {mend}") from fault
    except RecursionError as fault:
        raise BadInput(f"{name}: nested too deeply; {mend}") from fault
    except ValueError as fault:  # ours, or a number with more digits than Python reads
        said = str(fault) if isinstance(fault, _Ambiguous) else "a number has too many digits"
        raise BadInput(f"{name}: {said}; {mend}") from fault


class _Ambiguous(ValueError):
    """JSON that readers would understand differently."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _Ambiguous(f"the field {name!r} comes twice")
        found[name] = value
    return found


def _no_number(text: str) -> Any:
    raise _Ambiguous(f"{text} is not a number")


def _value(name: str, kind: shape.Type, text: Any) -> Any:
    """A flag's text as the value the field takes: JSON where the field has parts, a number where it is one."""
    if isinstance(kind, shape.IntType):
        # Anything else goes on as text: the schema says what is wrong with it.
        return int(text) if _WHOLE.match(str(text)) else text
    if isinstance(kind, shape.VarTupleType) and not str(text).lstrip().startswith("["):
        return [_value(name, _plain(kind.item_type), part) for part in _parts(text)]
    if isinstance(kind, shape.StructType | shape.DictType | shape.VarTupleType):
        return _json(name, text, "write it as JSON, or use --stdin")
    return text


def _parts(text: str) -> list[str]:
    """A list as people type it: parts between commas or spaces."""
    return text.replace(",", " ").split()


def _plain(kind: shape.Type) -> shape.Type:
    """A field's type without its description and without ``| None``."""
    if isinstance(kind, shape.Metadata):
        return _plain(kind.type)
    if isinstance(kind, shape.UnionType):
        return _plain(next(t for t in kind.types if not isinstance(t, shape.NoneType)))
    return kind


def _metavar(kind: shape.Type) -> str:
    match kind:
        case shape.IntType():
            return "NUMBER"
        case shape.DateType():
            return "DATE"
        case shape.DateTimeType():
            return "TIME"
        case shape.LiteralType():
            return "|".join(str(value) for value in kind.values)
        case shape.VarTupleType():
            return "LIST"
        case shape.StructType() | shape.DictType():
            return "JSON"
        case _:
            return "TEXT"


def _help(f: shape.Field, fresh: tuple[str, ...]) -> str:
    if f.encode_name in fresh:
        return "A new id by default."
    said = ""
    kind = f.type
    while isinstance(kind, shape.Metadata):
        said = (kind.extra_json_schema or {}).get("description", said)
        kind = kind.type
    return f"{said} [required]".strip() if f.required else said
