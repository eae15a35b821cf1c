"""The record as it stood at an access: a throwaway store with the log up to there, in which a page is made again.

The page is made by the very answer that made it, with the clock, the time zone and the views of then. Its store is a
file in a folder of its own that is removed afterwards: nothing of the live store is written, switched or sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from eventsourcing.persistence import IntegrityError
from sqlalchemy import column, insert, select, table

from ledger.aggregates.access import ChartShown, Question
from ledger.answers.again import ask_again
from ledger.answers.ask import to_json
from ledger.answers.asking import Asking
from ledger.answers.every import QUERIES
from ledger.application.access import look_at, may_open
from ledger.application.commands import Ledger
from ledger.clock import ManualClock, to_text
from ledger.consumers.log import LocalLog
from ledger.consumers.runner import Runner
from ledger.errors import IntegrityFault, LedgerError
from ledger.grants import Grant, Limits
from ledger.printable import safe
from ledger.projections.every import PROJECTIONS
from ledger.projections.staffing import staffing
from ledger.store.checked import check_leaf
from ledger.store.database import open_store
from ledger.store.envelope import StoredRow
from ledger.store.recorder import Recorder

_BATCH = 5000
_CHECKPOINTS = table("checkpoints", *(column(name) for name in ("size", "root", "note", "sealed_at")))
_TILES = table("tiles", *(column(name) for name in ("level", "number", "hashes", "root")))
_COSIGNATURES = table("cosignatures", *(column(name) for name in ("size", "witness", "line", "received_at")))
_TIMESTAMPS = table("timestamps", *(column(name) for name in ("size", "authority", "token", "received_at")))


class NotTheSame(LedgerError):
    """The page that can be made now is not the one that the access event tells of."""


@dataclass(frozen=True)
class Opened:
    """An access as the replay needs it: its place, who read, which charts at which positions, what was asked."""

    access_id: str
    position: int
    recorded_at: str
    reader_id: str
    purpose: str
    charts: tuple[ChartShown, ...]
    as_known_at: datetime | None
    as_of: date | None
    question: Question
    #: How many charts were left out of the page, and whether access rules decided what stayed shut.
    withheld: int = 0
    decided: bool = False


class AsItStood(Asking):
    """Who asked, in the record as it stood: the throwaway store answers, and nothing is recorded again."""

    def __init__(self, opened: Opened, folder: Path, correlation_id: str | None) -> None:
        question = opened.question
        clock = ManualClock(question.asked_at)
        super().__init__(
            surface="cli",
            actor=opened.reader_id,
            purpose=opened.purpose,
            correlation_id=correlation_id,
            ledger=Ledger(open_store(f"sqlite:///{folder / 'stood.db'}", clock), clock=clock, zone=question.zone),
            form=question.form,
        )
        self.opened = opened

    def called(self, option: str) -> str:
        """As the words of the question have it."""
        return f"--{option}"

    @cached_property
    def runner(self) -> Runner:
        """The views of the page, made as at the position where they stood."""
        wanted = {*self.opened.question.views, staffing.name}
        views = [view for view in PROJECTIONS if view.name in wanted]
        runner = Runner(self.recorder.engine, LocalLog(self.recorder), views)
        runner.until = self.opened.question.position
        runner.prepare()
        runner.catch_up()
        return runner

    def catch_up(self) -> None:
        """The views are made for this page, as they stood."""
        self.runner  # noqa: B018 - made here

    def open(
        self,
        charts: Iterable[str],
        resource: str,
        *,
        as_known_at: datetime | None = None,
        as_of: date | None = None,
        stands: tuple[int, dict[str, int]] | None = None,
    ) -> Grant:
        """The grant of then: its access event is in the log. Raises ``NotTheSame`` where the charts are others."""
        opened = self.opened
        named = {chart.chart_id: chart.position for chart in opened.charts}
        asked = set(charts)
        withheld = asked - named.keys()
        if named.keys() - asked or len(withheld) != opened.withheld:
            raise NotTheSame(
                f"the page that this release makes shows {len(asked)} charts, and the access event names {len(named)}: "
                f"{len(withheld)} that it does not name ({opened.withheld} were left out then), "
                f"{len(named.keys() - asked)} that are not shown"
            )
        position = opened.question.position
        if opened.as_known_at is not None:
            position = min(position, self.recorder.position_at(to_text(opened.as_known_at)))
        held_up = {} if stands is None else stands[1]
        others = [chart_id for chart_id in named if min(position, held_up.get(chart_id, position)) != named[chart_id]]
        if others:
            raise NotTheSame(
                f"chart {others[0]} was shown as at position {named[others[0]]}, where its rows stood still; this "
                "release applies the event that it stood still at"
            )
        return Grant(
            access_id=opened.access_id,
            reader_id=opened.reader_id,
            purpose=opened.purpose,
            charts=frozenset(named),
            position=position,
            as_known_at=opened.as_known_at,
            as_of=opened.as_of,
            withheld=frozenset(withheld),
            limits=self._limits(named, resource) if opened.decided else {},
        )

    def _limits(self, charts: Iterable[str], resource: str) -> dict[str, Limits]:
        """What stayed shut of each chart: decided again, on the record as it stood and at that moment."""
        unit, now, zone = self.ledger.unit(), self.now, self.ledger.zone
        actor, day = self.ledger.actor(unit, self.actor, now.astimezone(zone)), now.astimezone(zone).date()
        look_at(unit, actor, charts)
        return {
            chart_id: may_open(unit, actor, chart_id, purpose=self.purpose, resource=resource, now=now, day=day).limits
            for chart_id in charts
        }


@contextmanager
def as_it_stood(live: Asking, opened: Opened, used: Callable[[StoredRow], bool]) -> Iterator[AsItStood]:
    """A throwaway store with the log before an access, where each event that is ``used`` holds against its leaf hash.

    Raises ``IntegrityFault`` naming the first event that does not, or that is missing.
    """
    with TemporaryDirectory(prefix="ledger-replay-") as name:
        stood = AsItStood(opened, Path(name), live.correlation_id)
        try:
            with live.progress("Reading the log", opened.position) as advance:
                _copy_log(live.recorder, stood.recorder, opened.position - 1, used, advance)
            _copy_sealed(live.recorder, stood.recorder, opened.position - 1, opened.recorded_at)
            yield stood
        finally:
            stood.recorder.engine.dispose()


def shown_again(stood: AsItStood, trust: Path | None = None) -> str:
    """What the question's answer was as it was printed, or written into its file; to the byte.

    In the place of a policy of trust that was named by its digest stands the file given now, if any.
    """
    question = stood.opened.question
    words = list(question.options)
    if "--trust" in words:
        at = words.index("--trust")
        del words[at : at + 2]
        stood.trust_file = trust
    ask = ask_again(question.command, words)
    answer = QUERIES[ask.NAME].answer(stood, ask)
    if question.form.startswith("."):
        return answer.form(question.form)
    return f"{to_json(answer.data) if question.form == 'json' else safe(answer.text().rstrip(chr(10)))}\n"


def _copy_log(
    live: Recorder, into: Recorder, until: int, used: Callable[[StoredRow], bool], advance: Callable[[int], None]
) -> None:
    after, recorded_at = 0, ""
    while after < until:
        rows = live.read_log(after, _BATCH, until=until)
        for expected, row in enumerate(rows, start=after + 1):
            if row.position != expected:
                raise IntegrityFault(f"position {expected} is missing from the log; run: ledger verify")
            if row.recorded_at < recorded_at:
                raise IntegrityFault(f"event {row.event_id} (log position {row.position}) is out of the order of time")
            recorded_at = row.recorded_at
            if used(row):
                check_leaf(row)
        if not rows:
            raise IntegrityFault(f"position {after + 1} is missing from the log; run: ledger verify")
        try:
            into.restore(rows)
        except IntegrityError as fault:
            raise IntegrityFault(f"the log after position {after} is no log: {fault}; run: ledger verify") from fault
        advance(len(rows))
        after = rows[-1].position


def _copy_sealed(live: Recorder, into: Recorder, head: int, until: str) -> None:
    """What was sealed, cosigned and stamped by then, for the pages that tell of it."""
    wanted = (
        (_CHECKPOINTS, _CHECKPOINTS.c.sealed_at <= until, _CHECKPOINTS.c.size <= head),
        (_COSIGNATURES, _COSIGNATURES.c.received_at <= until, _COSIGNATURES.c.size <= head),
        (_TIMESTAMPS, _TIMESTAMPS.c.received_at <= until, _TIMESTAMPS.c.size <= head),
    )
    with live.reading() as reading, into.engine.execution_options(ledger_write=True).begin() as writing:
        for source, *only in wanted:
            rows = [dict(row) for row in reading.execute(select(*source.c).where(*only)).mappings()]
            if rows:
                writing.execute(insert(source), rows)
        for row in reading.execute(select(*_TILES.c).order_by(_TILES.c.level, _TILES.c.number)).mappings():
            if (row["number"] + 1) << 8 * (row["level"] + 1) <= head:
                writing.execute(insert(_TILES), dict(row))
