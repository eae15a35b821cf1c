"""The operator's commands: ``status``, ``retry``, ``run``, ``migrate``."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

import click

from ledger.aggregates.policy import AGENCY_KEY
from ledger.answers.status import AskStatus, status_since, take_standing
from ledger.cli.answering import give, hand_over
from ledger.cli.named import Id
from ledger.cli.serving import METRICS, serving
from ledger.cli.session import Session, pass_session
from ledger.cli.views import only_keeper, view_named
from ledger.consumers.parking import parked
from ledger.consumers.parking import retry as retry_parked
from ledger.consumers.runner import BATCH
from ledger.errors import LedgerError
from ledger.kafka.connection import read_kafka_settings
from ledger.kafka.outage import Outage
from ledger.kafka.projector import Projector
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
    if over is None:
        give(session, AskStatus())
        return
    before = take_standing(session)
    time.sleep(over)
    hand_over(session, status_since(session, before), None)


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
    name = view_named(view).name if view else None
    only_keeper(session)
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
    only_keeper(session)
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
