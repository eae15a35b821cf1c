"""Every function that reads a chart refuses a grant that does not name it (design 1.8), each tried by itself.

The functions are found in the source by their parameter: a new one that is not tried here fails the first test.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.store.agency import small_agency

import ledger
from ledger.aggregates.privacy_events import BreakGlass
from ledger.application.commands import Ledger, Request
from ledger.application.reading import open_charts
from ledger.clock import derived_id
from ledger.consumers.log import LocalLog
from ledger.consumers.runner import Runner
from ledger.evidence import gather as evidence
from ledger.grants import Grant, NotGranted
from ledger.projections.access_audit import reads_of
from ledger.projections.billing_page import live_record, month_page
from ledger.projections.broken_glass import glasses
from ledger.projections.caseload import board
from ledger.projections.every import PROJECTIONS
from ledger.projections.seen import shows_service
from ledger.projections.timeline import events_of
from ledger.projections.timeliness import services_between
from ledger.proof.between import Trusted
from ledger.replay.chart import chart_as_known
from ledger.replay.diff import diff_as_known, diff_of
from ledger.replay.verified import read_verified
from ledger.store.envelope import StoredRow
from ledger.tracing.story import gather
from ledger.tracing.trace import trace_note

DAY = date(2026, 1, 2)
FIRST, LAST = date(2026, 1, 1), date(2026, 1, 31)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SOURCE = Path(ledger.__file__).parent


@dataclass(frozen=True)
class Desk:
    """A store with two charts, its views up to date, and a grant for both charts."""

    ledger: Ledger
    chart: str
    other: str
    note: str
    grant: Grant

    def reading(self, ask: Callable[[Any], Any]) -> Any:
        with self.ledger.recorder.reading() as connection:
            return ask(connection)


@pytest.fixture
def desk(sqlite_ledger: Ledger) -> Desk:
    chart, other = small_agency(sqlite_ledger, clients=2, contacts=1)
    recorder = sqlite_ledger.recorder
    grant = open_charts(
        sqlite_ledger, [chart, other], reader="system:x", purpose="audit", surface="cli", resource="chart"
    )
    sqlite_ledger.execute(
        Request(
            command=BreakGlass(client_id=chart, glass_id=derived_id("glass"), reason="an emergency"),
            actor_id=_clinician(recorder.read_chart(chart)),
            purpose="emergency",
            command_id=derived_id("breaks the glass"),
        )
    )
    runner = Runner(recorder.engine, LocalLog(recorder), PROJECTIONS)
    runner.prepare()
    runner.catch_up()
    note = next(row.originator_id for row in recorder.read_chart(chart) if row.topic == "note.drafted")
    return Desk(sqlite_ledger, chart, other, str(note), replace(grant, position=recorder.sequence()))


def _clinician(rows: Sequence[StoredRow]) -> str:
    """Whoever wrote a note on the chart."""
    return next(row.actor for row in rows if row.topic == "note.drafted")


Read = Callable[[Desk, Grant], Any]
READS: dict[str, Read] = {
    "projections.timeliness.services_between": lambda d, g: d.reading(lambda c: services_between(c, g, FIRST, LAST)),
    "projections.caseload.board": lambda d, g: d.reading(lambda c: board(c, g, date(2025, 12, 31))),
    "projections.broken_glass.glasses": lambda d, g: d.reading(lambda c: glasses(c, g, all_of_them=True)),
    "projections.seen.shows_service": lambda d, g: d.reading(
        lambda c: [shows_service(g, row) for row in services_between(c, d.grant, FIRST, LAST)]
    ),
    "projections.timeline.events_of": lambda d, g: d.reading(lambda c: events_of(c, g, d.chart)),
    "projections.access_audit.reads_of": lambda d, g: d.reading(lambda c: reads_of(c, g, d.chart)),
    "projections.billing_page.open": lambda d, g: month_page(
        d.reading(lambda c: live_record(c, FIRST, LAST)), FIRST, LAST
    ).open(g),
    "replay.verified.read_verified": lambda d, g: read_verified(d.ledger.recorder, g, d.chart),
    "replay.chart.chart_as_known": lambda d, g: chart_as_known(d.ledger.recorder, g, d.chart),
    "replay.diff.diff_as_known": lambda d, g: diff_as_known(d.ledger.recorder, g, d.chart, LONG_AGO).items,
    "replay.diff.diff_of": lambda d, g: (
        diff_of(d.chart, read_verified(d.ledger.recorder, d.grant, d.chart), g, LONG_AGO, 0).items
    ),
    "evidence.gather.gather": lambda d, g: evidence.gather(
        d.ledger.recorder,
        g,
        evidence.subject_of(d.ledger.recorder, d.chart),
        as_at=d.ledger.clock.now(),
        zone="America/Los_Angeles",
        trusted=Trusted(),
    ),
    "tracing.story.gather": lambda d, g: gather(d.ledger.recorder, g, d.note),
    "tracing.trace.trace_note": lambda d, g: trace_note(
        d.ledger.recorder, g, d.note, as_at=d.ledger.clock.now(), zone="America/Los_Angeles"
    ),
}


def functions_that_take_a_grant() -> set[str]:
    """``room.module.function`` of each public function outside the command line with a parameter that is a Grant."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        place = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        if place.startswith("cli."):
            continue  # thin commands: they ask for the grant, and hand it on
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
                if any(isinstance(a.annotation, ast.Name) and a.annotation.id == "Grant" for a in arguments):
                    found.add(f"{place}.{node.name}")
    return found


def test_every_function_that_takes_a_grant_is_tried_here() -> None:
    assert functions_that_take_a_grant() == set(READS)


@pytest.mark.parametrize("name", sorted(READS))
def test_a_grant_that_does_not_name_the_chart_opens_nothing(desk: Desk, name: str) -> None:
    assert READS[name](desk, desk.grant)
    with pytest.raises(NotGranted):
        READS[name](desk, replace(desk.grant, charts=frozenset({desk.other})))
