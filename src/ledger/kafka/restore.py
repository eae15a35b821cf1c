"""A store from the topic alone: read every partition, merge by position, check every hash, write an empty store."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator

from ledger.errors import IntegrityFault, LedgerError
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.source import KafkaLog
from ledger.store.envelope import StoredRow
from ledger.store.recorder import Recorder

_BATCH = 5000


def merged(settings: KafkaSettings) -> Iterator[StoredRow]:
    """Every event on the topic in the order of positions; a gap or a double raises ``IntegrityFault``."""
    readers = [KafkaLog(settings)]
    first = readers[0]
    readers += [KafkaLog(settings) for _ in list(first.partitions)[1:]]
    try:
        streams = [_partition(reader, number) for reader, number in zip(readers, first.partitions, strict=True)]
        expected = 1
        for row in heapq.merge(*streams, key=lambda one: one.position):
            if row.position > expected:
                raise IntegrityFault(
                    f"topic {settings.topic}: position {expected} is missing; the next event is at {row.position}"
                )
            if row.position < expected:
                raise IntegrityFault(f"topic {settings.topic}: position {row.position} is there twice")
            expected += 1
            yield row
    finally:
        for reader in readers:
            reader.close()


def _partition(reader: KafkaLog, partition: int) -> Iterator[StoredRow]:
    after = 0
    while entries := reader.read(partition, after, _BATCH):
        for entry in entries:
            yield entry.row
        after = entries[-1].offset


def restore(recorder: Recorder, settings: KafkaSettings, progress: Callable[[int], None] | None = None) -> int:
    """Fill an empty store from the topic; returns the number of events. Raises when the store has any event."""
    if recorder.sequence() != 0:
        raise LedgerError("LEDGER_DATABASE: the store is not empty; restore into a new database")
    count = 0
    batch: list[StoredRow] = []
    for row in merged(settings):
        batch.append(row)
        if len(batch) >= _BATCH:
            recorder.restore(batch)
            count += len(batch)
            if progress is not None:
                progress(len(batch))
            batch = []
    if batch:
        recorder.restore(batch)
        count += len(batch)
        if progress is not None:
            progress(len(batch))
    return count


def differences(recorder: Recorder, settings: KafkaSettings) -> Iterator[str]:
    """What differs between store and topic, event by event: on which side, and how."""
    recorder.sequence()
    stored = _stored(recorder)
    ours = next(stored, None)
    for theirs in merged(settings):
        while ours is not None and ours.position < theirs.position:
            yield f"position {ours.position} ({ours.event_id}): in the store, not on the topic"
            ours = next(stored, None)
        if ours is None:
            yield f"position {theirs.position} ({theirs.event_id}): on the topic, not in the store"
            continue
        if ours != theirs:
            fields = [name for name, value in vars(ours).items() if value != getattr(theirs, name)]
            yield f"position {theirs.position} ({theirs.event_id}): {', '.join(fields)} differ"
        ours = next(stored, None)
    while ours is not None:
        yield f"position {ours.position} ({ours.event_id}): in the store, not on the topic yet"
        ours = next(stored, None)


def _stored(recorder: Recorder) -> Iterator[StoredRow]:
    after = 0
    while rows := recorder.read_log(after, _BATCH):
        yield from rows
        after = rows[-1].position
