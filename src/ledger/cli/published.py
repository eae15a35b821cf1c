"""What other teams build on: ``ledger schemas`` and ``ledger asyncapi``. Both are made from the event definitions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ledger.cli.session import Session, pass_session
from ledger.errors import BadInput, LedgerError, NotFound
from ledger.published.asyncapi import TOPIC
from ledger.published.asyncapi import asyncapi as make_asyncapi
from ledger.published.compatibility import breaks
from ledger.published.schemas import event_schema, file_name, published_types, render


@click.command()
@click.argument("types", nargs=-1, metavar="[TYPE]...")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write a file for each into this folder.")
@click.option(
    "--check",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Compare with the schemas that were written into this folder before.",
)
@pass_session
def schemas(session: Session, types: tuple[str, ...], out: Path | None, check: Path | None) -> None:
    """The JSON Schema (draft 2020-12) of each event type, or of those named.

    With --check, exit code 1 when a schema no longer keeps its promise to payloads and consumers of its version.

    \b
    Examples:
      ledger schemas
      ledger schemas note.signed
      ledger --json schemas
      ledger schemas --check schemas --out schemas
    """
    known = published_types()
    if unknown := next((name for name in types if name not in known), None):
        raise NotFound("event type", unknown)
    chosen = {name: cls for name, cls in known.items() if not types or name in types}
    found = {name: event_schema(cls) for name, cls in chosen.items()}
    if check is not None:
        _check(check, {file_name(cls): found[name] for name, cls in chosen.items()})
    if out is not None:
        for name, cls in chosen.items():
            _write(out / file_name(cls), render(found[name]))

    def text() -> str:
        if out is not None:
            return f"{len(found)} schemas written to {out}"
        if check is not None:
            return f"{len(found)} schemas keep what those in {check} promise"
        if types:
            return "\n".join(render(schema).rstrip("\n") for schema in found.values())
        return "\n".join(f"{name:<34} {cls.SCHEMA}  {found[name]['description']}" for name, cls in chosen.items())

    session.emit(found, text)


@click.command()
@click.option("--topic", default=TOPIC, show_default=True, help="The topic's name, as in LEDGER_KAFKA_TOPIC.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it into this file.")
@pass_session
def asyncapi(session: Session, topic: str, out: Path | None) -> None:
    """The topic as an AsyncAPI 3 document: channel, key, headers, and one message for each event type.

    \b
    Examples:
      ledger asyncapi
      ledger asyncapi --out docs/asyncapi.json
    """
    document = render(make_asyncapi(topic))
    if out is None:
        click.echo(document, nl=False)
        return
    _write(out, document)
    session.emit({"written": str(out)}, lambda: f"written to {out}")


def _check(folder: Path, today: dict[str, dict[str, Any]]) -> None:
    """Refuse when a schema breaks the promise of one written before; a new type or version has promised nothing."""
    broken: list[str] = []
    for name, schema in today.items():
        earlier = folder / name
        if not earlier.is_file():
            continue
        try:
            recorded = json.loads(earlier.read_text(encoding="utf-8"))
        except (OSError, ValueError) as fault:
            raise BadInput(f"--check: {earlier} does not read as JSON: {fault}") from fault
        broken += [f"  {schema['title']} {each}" for each in breaks(recorded, schema)]
    if broken:
        raise LedgerError(
            f"{len(broken)} changes break a promise; raise the schema version and write an upcaster:\n"
            + "\n".join(broken)
        )


def _write(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    except OSError as fault:
        raise BadInput(f"--out: {path} cannot be written: {fault.strerror}") from fault
