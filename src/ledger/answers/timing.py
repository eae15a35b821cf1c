"""Was a note late, under which rule, by which clock; and when will a document be due."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated
from xml.etree import ElementTree as ET

import msgspec

from ledger.aggregates.vocabulary import Id, Label, Moment
from ledger.answers.ask import Answer, Ask, AsKnownAt
from ledger.answers.asking import Asking
from ledger.answers.known import refuse_future
from ledger.answers.query import Query
from ledger.tracing.ahead import Ahead, look_ahead, told_ahead
from ledger.tracing.findings import Trace
from ledger.tracing.page import Page, as_html, as_svg, as_text
from ledger.tracing.picture import deadline_picture, trace_picture
from ledger.tracing.story import chart_of_note
from ledger.tracing.told import told
from ledger.tracing.trace import trace_note


class AskTrace(Ask, frozen=True, kw_only=True):
    """Was a note late: each reading's deadline, both clocks, who could have known what when (PSC-13 to PSC-15).

    And between which two moments it was signed, whatever the clocks said: the checkpoint that the signature carries and
    the first that covers it, on whose word. What cannot be checked is named and proves nothing.
    """

    NAME = "trace"
    PLACED = ("note_id",)
    TRUSTS = True
    note_id: Annotated[Id, msgspec.Meta(description="The note.")]
    as_known_at: AsKnownAt = None


class AskDeadline(Ask, frozen=True, kw_only=True):
    """When a document will be due, under every reading, with the arithmetic; no chart is opened (PSC-13, CSS-7).

    Marked is the reading that the agency adopted, where it adopted one, else the default.
    """

    NAME = "deadline"
    PLACED = ("document",)
    document: Annotated[Label, msgspec.Meta(description="The document, as progress_note or discharge_plan.")]
    program: Annotated[Label, msgspec.Meta(description="The program: psc, ecm, css, …")]
    started_at: Annotated[Moment, msgspec.Meta(description="When the service ended (or the discharge).")]


def _trace(asking: Asking, ask: AskTrace) -> Answer:
    asking.actor  # noqa: B018 - refuse before any work when nobody says who reads
    refuse_future(asking, "as-known-at", ask.as_known_at)
    trusted = asking.trusted()
    asking.recorder.sequence()
    chart_id = chart_of_note(asking.recorder, ask.note_id)
    resource = "trace file" if asking.into_file else "trace"
    grant = asking.grant([chart_id], resource, as_known_at=ask.as_known_at)
    found = trace_note(
        asking.recorder, grant, ask.note_id, as_at=asking.now, zone=str(asking.ledger.zone), trusted=trusted
    )
    page = told(found)
    return Answer(
        data=found,
        text=lambda: as_text(page),
        access_id=grant.access_id,
        position=grant.position,
        others=_forms(asking, page, lambda: trace_picture(found)),
        short=lambda sentence: _short(page, sentence),
    )


def _deadline(asking: Asking, ask: AskDeadline) -> Answer:
    adopted, position = asking.adoptions()
    found = look_ahead(ask.document, ask.program, ask.started_at, adopted)
    page = told_ahead(found)

    def picture() -> ET.Element | None:
        if not found.limits:
            return None
        return deadline_picture(page.title, found.started_at, found.limits, found.zone, ask.program)

    return Answer(
        data=found,
        text=lambda: as_text(page),
        position=position,
        others=_forms(asking, page, picture),
        short=lambda sentence: _short(page, sentence),
    )


def _short(page: Page, sentence: str) -> str:
    return as_text(msgspec.structs.replace(page, sections=(), lead=(*page.lead, sentence)))


def _forms(asking: Asking, page: Page, picture: Callable[[], ET.Element | None]) -> Mapping[str, Callable[[], str]]:
    def drawn() -> str:
        found = picture()
        if found is None:
            said = "no rule sets a time limit here, so there is nothing to draw; write .html or .txt"
            raise asking.refused("out", said)
        return as_svg(found)

    return {
        ".txt": lambda: as_text(page) + "\n",
        ".html": lambda: as_html(page, picture()),
        ".svg": drawn,
    }


TRACE = Query(AskTrace, _trace, "trace", Trace)
DEADLINE = Query(AskDeadline, _deadline, None, Ahead)
