"""``ledger verify --against-kafka``: the comparison of store and topic, for a person and for a program."""

from __future__ import annotations

from typing import Any

from ledger.cli.session import Session
from ledger.errors import BadInput, IntegrityFault
from ledger.kafka.compare import KINDS, Comparison, Difference, compare
from ledger.kafka.connection import read_kafka_settings


def compare_with_topic(session: Session) -> Comparison:
    """Compare the store with the topic that the log is on, with a progress bar."""
    settings = read_kafka_settings()
    if settings is None:
        raise BadInput("--against-kafka: LEDGER_KAFKA is not set; name the brokers as host:port")
    with session.progress("Comparing with the topic", session.recorder.sequence()) as advance:
        return compare(session.recorder, settings, advance)


def topic_lines(found: Comparison) -> list[str]:
    """The comparison as a person reads it."""
    lines = [
        f"topic {found.topic}, {found.partitions} partitions: {found.same:,} of {found.until:,} events are the same"
    ]
    lines += [f"  {count:,} {KINDS[kind]}" for kind, count in sorted(found.counts.items())]
    lines += [f"  DIFFERS at {_words(each)}" for each in found.differences]
    more = found.counts.total() - len(found.differences)
    return lines + ([f"  … and {more:,} more"] if more else [])


def topic_data(found: Comparison) -> dict[str, Any]:
    """The comparison for a program to read."""
    return {
        "topic": found.topic,
        "partitions": found.partitions,
        "until": found.until,
        "same": found.same,
        "equal": found.equal,
        "counts": {kind: found.counts[kind] for kind in KINDS},
        "differences": [vars(each) for each in found.differences],
    }


def refuse_unequal(found: Comparison) -> None:
    """Raise ``IntegrityFault`` naming the first difference, when there is one."""
    if not found.equal:
        raise IntegrityFault(f"topic {found.topic}: position {_words(found.differences[0])}")


def _words(each: Difference) -> str:
    named = f"{each.position} {each.event_id}".rstrip()
    return f"{named}: {KINDS[each.kind]}" + (f" ({each.words})" if each.words else "")
