"""``ledger trace`` and ``ledger deadline``: was this note late, under which rule, by which clock; when will it be."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path

import click

from ledger.answers.ask import Ask
from ledger.answers.timing import AskDeadline, AskTrace
from ledger.answers.trusted import TRUST_HELP
from ledger.cli.answering import answered
from ledger.cli.files import check_target, write_whole
from ledger.cli.named import Id
from ledger.cli.session import Moment, Session, pass_session

_KINDS = (".html", ".svg", ".json", ".txt")


@click.command()
@click.argument("note_id", metavar="NOTE", type=Id())
@click.option("--as-known-at", type=Moment(), help="What was in the record at this time; the verdict as of then.")
@click.option("--trust", "trust_file", type=click.Path(path_type=Path, dir_okay=False), help=TRUST_HELP)
@click.option("--out", type=click.Path(path_type=Path), help="Also write FILE: .html, .svg, .json or .txt.")
@pass_session
def trace(
    session: Session, note_id: str, as_known_at: datetime | None, trust_file: Path | None, out: Path | None
) -> None:
    """Was a note late: each reading's deadline, both clocks, who could have known what when (PSC-13 to PSC-15).

    And between which two moments it was signed, whatever the clocks said: the checkpoint that the signature carries and
    the first that covers it, on whose word. Cosignatures are checked with the keys of --trust, timestamps with
    LEDGER_TSA_ROOTS; what cannot be checked is named and proves nothing. The read is recorded first. With --out, the
    answer is printed and the whole goes into the file.

    \b
    Examples:
      ledger --as STAFF --purpose audit trace NOTE
      ledger --as STAFF trace NOTE --out note.html
      ledger --as STAFF --json trace NOTE --as-known-at 2025-11-24T09:00:00-08:00
    """
    check_target(out, _KINDS)
    session.trust_file = trust_file
    _deliver(session, AskTrace(note_id=note_id, as_known_at=as_known_at), out)


@click.command()
@click.argument("document", metavar="DOCUMENT")
@click.option("--program", required=True, help="The program: psc, ecm, css, …")
@click.option("--at", "started_at", type=Moment(), required=True, help="When the service ended (or the discharge).")
@click.option("--out", type=click.Path(path_type=Path), help="Also write FILE: .html, .svg, .json or .txt.")
@pass_session
def deadline(session: Session, document: str, program: str, started_at: datetime, out: Path | None) -> None:
    """When a document will be due, under every reading, with the arithmetic; no chart is opened (PSC-13, CSS-7).

    Marked is the reading that the agency adopted, where the store at LEDGER_DATABASE has one, else the default.

    \b
    Examples:
      ledger deadline progress_note --program psc --at 2026-11-20T15:00:00-08:00
      ledger --json deadline crisis_note --program psc --at 2026-11-20T15:00:00-08:00
      ledger deadline discharge_plan --program css --at 2026-11-20T15:00:00-06:00 --out due.svg
    """
    check_target(out, _KINDS)
    session.only_read()
    _deliver(session, AskDeadline(document=document, program=program, started_at=started_at), out)


def _deliver(session: Session, ask: Ask, out: Path | None) -> None:
    """Write the file if there is one, then print: with a file the answer alone, for the whole is in it."""
    answer = answered(session, ask, out)
    text = answer.text
    if out is not None:
        write_whole(out, answer.form(out.suffix.lower()))
        if answer.short is not None:
            text = partial(answer.short, f"Written to {out}")
    session.emit(answer.data, text)
