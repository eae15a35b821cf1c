"""A store from the topic alone: every partition, merged by position, each hash checked, written as it was.

What the store has already is compared with the topic and kept. So a restore that was interrupted goes on when it is
typed again, and a backup that is older than the topic gets what it lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from ledger.errors import IntegrityFault, LedgerError
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.place import live
from ledger.kafka.whole import Found, WholeTopic
from ledger.kafka.wire import from_message
from ledger.store.envelope import StoredRow
from ledger.store.recorder import Recorder

#: Events that are written in one transaction.
_BATCH = 5000


def merged(settings: KafkaSettings) -> Generator[StoredRow, None, None]:
    """Every event on the topic in the order of positions; a gap or a double raises ``IntegrityFault``."""
    topic = WholeTopic(settings)
    try:
        for expected, found in enumerate(topic, start=1):
            if found.position != expected:
                raise IntegrityFault(_unexpected(settings, expected, found))
            yield from_message(found.value, found.headers)
    finally:
        topic.close()


def restore(recorder: Recorder, settings: KafkaSettings, progress: Callable[[int], None] | None = None) -> int:
    """Write into the store what it lacks of the log, from the topic that the log is on; returns how many events.

    Raises ``LedgerError`` when the store has another event at some position than the topic, and ``IntegrityFault`` when
    a position is missing on the topic or there twice, or an event of it does not give its hash. What came before that
    and was the same, or lacking, is in the store by then.
    """
    head, count = recorder.sequence(), 0
    rows = merged(live(settings))
    # One batch is read and checked while the one before is written.
    with ThreadPoolExecutor(1, thread_name_prefix="restore") as ahead:
        coming = ahead.submit(_next, rows)
        try:
            while batch := coming.result():
                coming = ahead.submit(_next, rows)
                lacking = _lacking(recorder, batch, head)
                if lacking:
                    recorder.restore(lacking)
                    count += len(lacking)
                if progress is not None:
                    progress(len(batch))
        finally:
            coming.exception()  # it has ended before the topic is closed under it
            rows.close()
    return count


def _next(rows: Iterator[StoredRow]) -> list[StoredRow]:
    return list(islice(rows, _BATCH))


def _lacking(recorder: Recorder, batch: list[StoredRow], head: int) -> list[StoredRow]:
    """What the store lacks of a batch; what it has of it has to be the same."""
    first = batch[0].position
    if first > head:
        return batch
    stored = recorder.read_log(first - 1, len(batch), until=head)
    for ours, theirs in zip(stored, batch, strict=False):
        if ours != theirs:
            raise LedgerError(
                f"LEDGER_DATABASE: the store has another event at position {ours.position} ({ours.event_id}) than the "
                f"topic ({theirs.event_id}); restore into a new database"
            )
    return batch[len(stored) :]


def _unexpected(settings: KafkaSettings, expected: int, found: Found) -> str:
    where = f"topic {settings.topic}, partition {found.partition}, offset {found.offset}"
    if found.position == 0:
        return f"{where}: a message without a position; something other than the relay wrote it"
    if found.position > expected:
        return f"topic {settings.topic}: position {expected} is missing; the next event is at {found.position}"
    return f"{where}: position {found.position} is there twice, or out of its turn"
