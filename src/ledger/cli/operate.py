"""The operator's commands: ``status``, ``rebuild``, ``retry``, ``run``, ``migrate``."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from ledger.aggregates.policy import AGENCY_KEY
from ledger.cli.named import Id
from ledger.cli.serving import METRICS, Standing, serving, standing_text, take_standing
from ledger.cli.session import Session, pass_session
from ledger.consumers.exclusive import exclusively
from ledger.consumers.generations import check_keeper
from ledger.consumers.log import LocalLog
from ledger.consumers.parking import parked
from ledger.consumers.parking import retry as retry_parked
from ledger.consumers.rebuild import (
    NAMED,
    Difference,
    build_all_beside,
    compare_as_live,
    count_rows,
    forget_build,
    switch,
)
from ledger.consumers.runner import BATCH
from ledger.errors import BadInput, LedgerError
from ledger.kafka.connection import read_kafka_settings
from ledger.kafka.outage import Outage
from ledger.kafka.projector import Projector
from ledger.printable import safe
from ledger.projections.base import Projection
from ledger.projections.every import PROJECTIONS, find_projection
from ledger.serving.health import Health
from ledger.serving.metrics import Now, ProjectorMetrics
from ledger.store.database import HEAD_REVISION, check_store, open_engine, revision
from ledger.store.database import migrate as migrate_database


@click.command()
@click.option("--over", type=click.FloatRange(0.1, 3600), metavar="SECONDS", help="Also measure rates, for so long.")
@pass_session
def status(session: Session, over: float | None) -> None:
    """Where everything stands: the log's head, the lag of each view and of the topic, and what is parked.

    Lag is counted in events, and in seconds that the oldest of them has waited.

    \b
    Examples:
      ledger status
      ledger status --over 5
      ledger --json status
    """
    before: Standing | None = None
    if over is not None:
        before = take_standing(session)
        time.sleep(over)
    standing = take_standing(session)
    rates = standing.rates_since(before) if before is not None else {}
    waiting = parked(session.recorder.engine)
    views = [
        {
            "name": p.name,
            "version": p.version,
            **standing.reader(p.name, rates),
            "rows": count_rows(session.recorder.engine, p),
        }
        for p in PROJECTIONS
    ]
    session.emit(
        {
            "database": session.recorder.engine.url.render_as_string(),
            "head": standing.head,
            "waiting_for_a_place": standing.unplaced,
            "recorded_per_second": round(standing.recorded, 3),
            "ahead_seconds": round(standing.ahead, 3),
            "views": views,
            "topic": standing.topic_data(rates),
            "parked": [vars(one) for one in waiting],
        },
        lambda: standing_text(session, standing, views, rates, waiting),
    )


@click.command()
@click.argument("names", metavar="[VIEW]…", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Show the rows that would change, and change nothing.")
@click.option("--yes", is_flag=True, help="Switch without asking when rows would change.")
@pass_session
def rebuild(session: Session, names: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """Rebuild views (all of them by default) beside the live ones; switch each in one transaction.

    Readers never see a half. Rows that would change are named first, by key and columns, never by what they hold, and
    asked about; where there is no terminal to ask on, --yes has to be given (else exit code 2, nothing switched). Both
    sides are compared as at the position where the live rows stand. A view that would change and was not switched ends
    it with exit code 1. While somebody else rebuilds a view it is refused, naming them (exit code 3).

    \b
    Examples:
      ledger rebuild --dry-run
      ledger rebuild billing --yes
    """
    projections = [_find(name) for name in dict.fromkeys(names)] or list(PROJECTIONS)
    _only_keeper(session)
    with exclusively(session.recorder.engine, [p.name for p in projections]) as still_alone:
        done = _rebuild(session, projections, still_alone, dry_run=dry_run, yes=yes)
    session.emit(done, lambda: f"{sum(d['switched'] for d in done)} of {len(done)} views switched")
    left = [] if dry_run else [d["projection"] for d in done if not d["switched"]]
    if left:
        raise LedgerError(f"not switched, because rows would change: {', '.join(left)}; give --yes to switch")


def _only_keeper(session: Session) -> None:
    """Refuse a role that is not the one that keeps the views, before anything is begun; it is told which one does."""
    with session.recorder.engine.connect() as connection:
        check_keeper(connection)


def _rebuild(
    session: Session,
    projections: Sequence[Projection[Any]],
    still_alone: Callable[[], None],
    *,
    dry_run: bool,
    yes: bool,
) -> list[dict[str, Any]]:
    """Build the views, compare each, and switch those that are to be; nothing of the others is left behind."""
    engine = session.recorder.engine
    head = session.recorder.sequence()
    done: list[dict[str, Any]] = []
    with session.progress("Rebuilding", head) as advance:
        runner = build_all_beside(engine, LocalLog(session.recorder), projections, advance, as_live=True)
    try:
        differences = [compare_as_live(engine, runner, projection) for projection in projections]
        if not dry_run:
            _check_asking(session, differences, yes)
        for projection, difference in zip(projections, differences, strict=True):
            generation = runner.building[projection.name]
            if not session.as_json:
                click.echo(safe(_difference(difference, head)))
            if switched := not dry_run and _wanted(session, difference, yes):
                still_alone()
                switch(engine, runner, projection, generation)
            done.append({**_data(difference), "generation": generation, "switched": switched})
    finally:
        for projection in projections:
            forget_build(engine, projection, runner.building[projection.name])
    return done


def _check_asking(session: Session, differences: Sequence[Difference], yes: bool) -> None:
    """Refuse, before anything is switched, when somebody has to be asked and nobody is there to answer."""
    would_change = [difference.projection for difference in differences if not difference.same]
    if would_change and not (yes or session.as_json or sys.stdin.isatty()):
        raise BadInput(
            f"--yes: rows of {', '.join(would_change)} would change, and there is no terminal to ask on; look at them "
            "with --dry-run, then give --yes; nothing was switched"
        )


def _wanted(session: Session, difference: Difference, yes: bool) -> bool:
    """Whether to switch: at once when nothing changes or --yes was given, otherwise as the person answers."""
    if difference.same or yes:
        return True
    if session.as_json:
        return False  # a program is not asked; it says --yes
    return click.confirm(f"Switch {difference.projection} to the rebuilt rows?", err=True)


_MARKS = {"added": "+", "removed": "-", "changed": "~"}


def _named(difference: Difference) -> Iterator[tuple[tuple[str, ...], str, list[str]]]:
    """The first differing rows: key, kind, and the columns that differ. Never a value: no access was recorded."""
    for key, old, new in difference.examples:
        if old is None or new is None:
            yield key, "added" if old is None else "removed", []
        else:
            columns = {**old, **new}
            yield key, "changed", [str(n) for n in columns if n not in old or n not in new or old[n] != new[n]]


def _data(difference: Difference) -> dict[str, Any]:
    """A difference for a program to read."""
    named = [{"key": key, "kind": kind, "columns": columns} for key, kind, columns in _named(difference)]
    return {**vars(difference), "examples": named}


def _difference(difference: Difference, head: int) -> str:
    at = ""
    if difference.position is not None and difference.position < head:
        at = f" (as at position {difference.position:,}, where the live rows stand; the log is at {head:,})"
    if difference.lacking:
        at = f" (the live rows lack {difference.lacking:,} of the events compared: see ledger status)"
    if difference.same:
        return f"{difference.projection}: {difference.rows:,} rows, the same as the live ones{at}"
    lines = [
        f"{difference.projection}: {difference.rows:,} rows; {difference.added:,} would be added, "
        f"{difference.changed:,} changed, {difference.removed:,} removed{at}"
    ]
    for key, kind, columns in _named(difference):
        lines.append(f"  {_MARKS[kind]} {' '.join(key)}" + (f": {', '.join(columns)}" if columns else ""))
    total = difference.added + difference.changed + difference.removed
    if total > NAMED:
        lines.append(f"  … and {total - NAMED} more")
    return "\n".join(lines)


@click.command()
@click.argument("view", required=False)
@click.option("--key", type=Id(AGENCY_KEY), help="Only this chart (or staff member).")
@pass_session
def retry(session: Session, view: str | None, key: str | None) -> None:
    """Apply the waiting events of parked charts, in order, after the cause was mended.

    \b
    Examples:
      ledger retry
      ledger retry billing --key CHART
    """
    name = _find(view).name if view else None
    _only_keeper(session)
    before = len(parked(session.recorder.engine)) if session.runner else 0
    left = retry_parked(session.runner, session.recorder, projection=name, key=key)
    session.emit(
        {"before": before, "still_parked": [vars(one) for one in left]},
        lambda: "\n".join(
            [f"{before - len(left)} resumed, {len(left)} still parked"]
            + [f"  {one.projection}  {one.key}  at {one.position}: {one.error}" for one in left]
        ),
    )


@click.command()
@click.option("--once", is_flag=True, help="Catch up with the log (the topic, where there is one), then stop.")
@click.option("--every", default=0.2, show_default=True, help="Seconds between looks at the log when it is quiet.")
@click.option(
    "--batch", default=BATCH, show_default=True, type=click.IntRange(1), help="Events a transaction, at most."
)
@METRICS
@pass_session
def run(session: Session, once: bool, every: float, batch: int, metrics: tuple[str, int] | None) -> None:
    """Keep every view up to date with the log until stopped (Ctrl-C or SIGTERM).

    Events are read from the database's own log; when LEDGER_KAFKA is set, from the topic, as one of several projectors.

    \b
    Examples:
      ledger run --once
      ledger run --metrics 9465
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    _only_keeper(session)
    runner, health, applied = session.runner, Health(), 0
    if not runner.keeps:
        raise LedgerError("LEDGER_DATABASE: its user may only read the views; run this as the role that keeps them")
    runner.batch = batch
    outage = Outage(lambda: check_store(runner.engine))
    outage.told = health.away

    def progress(count: int) -> None:
        nonlocal applied
        applied += count
        health.turn("applying events", ready=False)

    def measured(now: Now) -> ProjectorMetrics:
        found = ProjectorMetrics(session.recorder, health, now, runner, lambda: applied)
        found.outage = outage
        return found

    kafka = read_kafka_settings()
    with serving(session, metrics, health, measured):
        if kafka is not None:
            _project(Projector(runner, kafka, outage), stop, health, progress, once=once)
        while kafka is None and not stop.is_set():
            try:
                count = runner.catch_up(progress)
            except Exception as fault:  # noqa: BLE001 - what is no outage is raised again
                outage.wait(fault, stop)
                continue
            health.turn("waiting for events" if count == 0 else "applying events")
            if once:
                break
            outage.over()
            if count == 0:
                stop.wait(every)
    data, behind = {"events": applied}, ""
    if once and kafka is not None:
        data["lacking"] = max(0, session.recorder.sequence() - runner.dealt_with())
        if data["lacking"]:
            behind = f"; the topic lacks {data['lacking']:,} events of the store: is a relay running?"
    session.emit(data, lambda: f"{applied:,} events applied{behind}")


def _project(
    projector: Projector,
    stop: threading.Event,
    health: Health,
    progress: Callable[[int], None],
    *,
    once: bool,
) -> None:
    """Keep the views from the topic, as one of several projectors; ``progress`` is told how many events were read."""

    def turned(count: int) -> None:
        if projector.outage.away:
            return
        progress(count)
        health.turn("applying events" if count else "waiting for events")

    if once:
        projector.catch_up(stop, turned)
    else:
        projector.run(stop, turned)


@click.command()
@pass_session
def migrate(session: Session) -> None:
    """Bring the database's tables up to this release.

    \b
    Example:
      LEDGER_DATABASE=postgresql://owner@host/ledger ledger migrate
    """
    engine = open_engine(session.settings.database)
    before = revision(engine)
    migrate_database(engine)
    engine.dispose()
    session.emit(
        {"from": before, "to": HEAD_REVISION},
        lambda: f"the database is at revision {HEAD_REVISION}" + (", as before" if before == HEAD_REVISION else ""),
    )


def _find(name: str) -> Projection[Any]:
    found = find_projection(name)
    if found is None:
        raise BadInput(f"view: there is no view {name!r}; use one of {', '.join(p.name for p in PROJECTIONS)}")
    return found
