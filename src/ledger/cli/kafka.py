"""The commands around Kafka: ``topic create``, ``relay``, ``doctor``."""

from __future__ import annotations

import click

from ledger.cli.serving import METRICS, serving
from ledger.cli.session import Session, pass_session
from ledger.cli.stopping import stop_on_signal
from ledger.errors import BadInput, LedgerError
from ledger.kafka.connection import KafkaSettings, check_topic_name, read_kafka_settings
from ledger.kafka.doctor import create_topic, examine
from ledger.kafka.move import move
from ledger.kafka.relay import Relay, RelayState
from ledger.serving.health import Health
from ledger.serving.metrics import Now, RelayMetrics


def kafka_settings() -> KafkaSettings:
    """The Kafka settings; refused when LEDGER_KAFKA is not set."""
    settings = read_kafka_settings()
    if settings is None:
        raise BadInput("LEDGER_KAFKA: not set; name the brokers as host:port, several with commas")
    return settings


@click.group()
def topic() -> None:
    """The topic that holds the log.

    \b
    Example:
      LEDGER_KAFKA=localhost:9092 ledger topic create --partitions 6
    """


@topic.command()
@click.option(
    "--partitions", default=6, show_default=True, type=click.IntRange(1), help="How many; it never changes in place."
)
@click.option(
    "--replicas",
    type=click.IntRange(1),
    help="How many brokers hold each event; three by default, if there are three.",
)
@pass_session
def create(session: Session, partitions: int, replicas: int | None) -> None:
    """Make the topic with settings that lose nothing: kept for ever, never compacted.

    \b
    Example:
      LEDGER_KAFKA=localhost:9092 ledger topic create --partitions 6
    """
    settings = kafka_settings()
    made = create_topic(settings, partitions, replicas)
    session.emit(
        {"topic": settings.topic, "partitions": partitions, "created": made},
        lambda: f"topic {settings.topic}: {'made' if made else 'it exists already'}",
    )


def _topic_name(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    return None if value is None else check_topic_name("--to", value)


@click.command()
@click.option("--batch", default=1000, show_default=True, type=click.IntRange(1), help="Events in one transaction.")
@click.option("--once", is_flag=True, help="Stop when everything in the store is on the topic.")
@click.option("--to", metavar="TOPIC", callback=_topic_name, help="Move the log to this topic, then stop.")
@click.option("--partitions", type=click.IntRange(1), help="With --to: how many the new topic is made with.")
@click.option("--replicas", type=click.IntRange(1), help="With --to: how many brokers hold each of its events.")
@METRICS
@pass_session
def relay(
    session: Session,
    batch: int,
    once: bool,
    to: str | None,
    partitions: int | None,
    replicas: int | None,
    metrics: tuple[str, int] | None,
) -> None:
    """Bring every event of the store to the topic, once and in order, until stopped.

    Several may run: one is active, the others stand by and take over within ten seconds.

    With --to the log moves to another topic, with more partitions say. The other relays and the projectors go on
    meanwhile, and follow by themselves. When it is interrupted, typing it again goes on where it was.

    \b
    Examples:
      LEDGER_KAFKA=localhost:9092 ledger relay --metrics 9464
      LEDGER_KAFKA=localhost:9092 ledger relay --to ledger.events.2 --partitions 24
    """
    if to is not None:
        if once or metrics is not None:
            raise BadInput("--to: it moves the log and stops; --once and --metrics are for a relay that runs")
        _move(session, to, partitions, replicas, batch)
        return
    if partitions is not None or replicas is not None:
        raise BadInput("--partitions, --replicas: they are for the new topic that --to names")
    stop = stop_on_signal()
    running = Relay(session.recorder, kafka_settings(), batch=batch)
    health = Health()
    running.outage.told = health.away

    def turned(state: RelayState) -> None:
        if not running.outage.away:
            health.turn("active" if state.active else "standing by")
        if once and state.active and state.lag == 0:
            stop.set()

    def measured(now: Now) -> RelayMetrics:
        found = RelayMetrics(session.recorder, health, now, running.current)
        found.outage = running.outage
        return found

    with serving(session, metrics, health, measured):
        running.run(stop, turned)
    session.emit(
        {"sent": running.state.sent, "position": running.state.position},
        lambda: f"{running.state.sent:,} events sent; the topic is at position {running.state.position:,}",
    )


def _move(session: Session, to: str, partitions: int | None, replicas: int | None, batch: int) -> None:
    settings, recorder = kafka_settings(), session.recorder
    with session.progress(f"Moving the log to {to}", recorder.sequence()) as advance:
        moved = move(recorder, settings, to, partitions=partitions, replicas=replicas, batch=batch, progress=advance)
    words = (
        f"the log is on {moved.target} now, in {moved.partitions} partitions"
        if moved.now
        else f"the log has been moved to {moved.target} before; it has {moved.partitions} partitions"
    )
    session.emit(
        vars(moved),
        lambda: (
            f"{words}; {moved.source} ended at position {moved.position:,}\n"
            "Relays and projectors follow by themselves. Where they are started, set\n"
            f"LEDGER_KAFKA_TOPIC={moved.target}; delete {moved.source} only when nobody names or reads it any more."
        ),
    )


@click.command()
@pass_session
def doctor(session: Session) -> None:
    """Refuse a topic or broker whose settings can lose events, and say which and how to mend it.

    Partitions that were added in place are named too: each event says how many the topic was made with. Exit code 1
    when something is wrong.

    \b
    Example:
      LEDGER_KAFKA=localhost:9092 ledger doctor
    """
    findings = examine(kafka_settings())
    wrong = [finding for finding in findings if not finding.ok]

    def text() -> str:
        lines = []
        for finding in findings:
            lines.append(f"{'ok   ' if finding.ok else 'WRONG'}  {finding.what}: {finding.found}")
            if not finding.ok:
                lines += [f"         risk: {finding.risk}", f"         mend: {finding.mend}"]
        return "\n".join(lines)

    session.emit({"sound": not wrong, "findings": [vars(finding) for finding in findings]}, text)
    if wrong:
        raise LedgerError(f"{len(wrong)} settings can lose events or break their order; see above")
