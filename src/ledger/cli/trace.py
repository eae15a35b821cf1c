"""``ledger trace`` and ``ledger deadline``: was this note late, under which rule, by which clock; when will it be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import click
import msgspec
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from ledger.aggregates.policy import AGENCY_KEY
from ledger.answers.known import refuse_future
from ledger.cli.named import Id
from ledger.cli.files import check_target, write_whole
from ledger.answers.ask import to_json
from ledger.cli.session import Moment, Session, pass_session
from ledger.answers.trusted import TRUST_HELP, trusted_by
from ledger.errors import BadInput, IntegrityFault, LedgerError
from ledger.policies.adoption import Adoption
from ledger.projections.folding import fold_all
from ledger.projections.policies import in_order, policies
from ledger.store.checked import read_checked
from ledger.store.database import HEAD_REVISION, open_engine, revision
from ledger.tracing.ahead import look_ahead, told_ahead
from ledger.tracing.page import Page, as_html, as_svg, as_text
from ledger.tracing.picture import deadline_picture, trace_picture
from ledger.tracing.story import chart_of_note
from ledger.tracing.told import told
from ledger.tracing.trace import trace_note

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
    session.actor  # noqa: B018 - refuse before any work when nobody says who reads
    refuse_future(session, "as-known-at", as_known_at)
    trusted = trusted_by(trust_file)
    session.recorder.sequence()
    chart_id = chart_of_note(session.recorder, note_id)
    grant = session.grant([chart_id], "trace" if out is None else "trace file", as_known_at=as_known_at)
    zone = str(session.ledger.zone)
    now = session.now
    found = trace_note(session.recorder, grant, note_id, as_at=now, zone=zone, trusted=trusted)
    _deliver(session, found, told(found), lambda: trace_picture(found), out)


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
    found = look_ahead(document, program, started_at, _adoptions(session))
    page = told_ahead(found)

    def picture() -> ET.Element | None:
        return (
            deadline_picture(page.title, found.started_at, found.limits, found.zone, program) if found.limits else None
        )

    _deliver(session, found, page, picture, out)


def _adoptions(session: Session) -> tuple[Adoption, ...]:
    """What the agency adopted, when its store can be read; nothing otherwise, for the arithmetic needs no store.

    It is agency policy, so no chart is opened. A database that is not there, or is no store, is never made into one.
    Raises ``IntegrityFault`` for an adoption that is not what was recorded.
    """
    session.only_read()
    try:
        url = make_url(session.settings.database)
        if url.get_backend_name() == "sqlite":
            file = Path(url.database or "")
            if not file.is_file() or not file.stat().st_size:
                return ()
        engine = open_engine(session.settings.database)
        try:
            if revision(engine) != HEAD_REVISION:
                return ()
        finally:
            engine.dispose()
        events = [read_checked(row) for row in session.recorder.read_key(AGENCY_KEY)]
    except IntegrityFault:
        raise
    except (LedgerError, SQLAlchemyError, OSError):
        return ()
    return in_order(fold_all(policies, events).values())


def _deliver(
    session: Session, data: Any, page: Page, picture: Callable[[], ET.Element | None], out: Path | None
) -> None:
    """Write the file if there is one, then print."""
    if out is not None:
        write_whole(out, _content(data, page, picture, out.suffix.lower()))
        answer = msgspec.structs.replace(page, sections=(), lead=(*page.lead, f"Written to {out}"))
        session.emit(data, lambda: as_text(answer))
        return
    session.emit(data, lambda: as_text(page))


def _content(data: Any, page: Page, picture: Callable[[], ET.Element | None], suffix: str) -> str:
    if suffix == ".json":
        return to_json(data) + "\n"
    if suffix == ".txt":
        return as_text(page) + "\n"
    drawn = picture()
    if suffix == ".html":
        return as_html(page, drawn)
    if drawn is None:
        raise BadInput("--out: no rule sets a time limit here, so there is nothing to draw; write .html or .txt")
    return as_svg(drawn)
