"""Logs of any size: a simulated agency's log, multiplied with new ids.

``ledger simulate`` lives through every command and takes about a millisecond for each; a million events are not to be
waited for. So one agency is simulated, and its log is written again and again as the log of other agencies of the same
shape: every id begins with the number of its copy, signatures are bound to the content with the new ids, and every
event gets its place and its leaf hash. All copies go forward together, so that a batch of the log holds events of
hundreds of charts. ``ledger verify`` finds such a store sound, and every chart in it replays.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

from ledger.aggregates.note_events import NoteContent, NoteContentWritten, NoteDrafted, canonical_content
from ledger.application.commands import Ledger
from ledger.simulation import Options, Summary, simulate, starting_clock
from ledger.store.codec import read
from ledger.store.database import open_store
from ledger.store.envelope import StoredRow, leaf_of
from ledger.store.recorder import Recorder

ZONE = "America/Los_Angeles"
_ID = re.compile(rb"[0-9a-f]{8}(?=-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
_BATCH = 5000
#: The copy that the chart to be replayed is in, apart from those that fill the log.
APART = 0xFFFFFFFF
#: The first of the copies that are added to a log that is there.
_FURTHER = 0xF0000000


@dataclass(frozen=True)
class _Template:
    """An event with holes where its ids begin; ``signed`` are digests in it that change with the ids."""

    row: StoredRow
    payload: tuple[bytes, ...]
    signed: tuple[bytes, ...]


def own_id(identifier: str, copy: int) -> str:
    """The id that stands in one copy where the simulation has this one; what is no id stays as it is."""
    return _ID.sub(b"%08x" % copy, identifier.encode()).decode()


class Agencies:
    """One simulated agency, and as many copies of it as are asked for."""

    def __init__(self, folder_url: str, clients: int, months: int) -> None:
        options = Options(clients=clients, months=months, seed=1)
        clock = starting_clock(options, ZONE)
        recorder = open_store(folder_url, clock)
        self.summary: Summary = simulate(Ledger(recorder, clock=clock, zone=ZONE), clock, options)
        rows = list(recorder.read_log(0, 10_000_000))
        recorder.engine.dispose()
        self.events = len(rows)
        self._contents = _signed_contents(rows)
        self._templates = [self._template(row) for row in rows]
        counts: dict[str, int] = {}
        for row in rows:
            if row.chart_id is not None:
                counts[row.chart_id] = counts.get(row.chart_id, 0) + 1
        #: A chart of the middle length, as the simulation has it.
        self.chart = sorted(counts, key=lambda chart: (counts[chart], chart))[len(counts) // 2]
        self.chart_events = counts[self.chart]

    def _template(self, row: StoredRow) -> _Template:
        signed = tuple(digest for digest in self._contents if digest in row.state)
        return _Template(row, tuple(_ID.split(row.state)), signed)

    def copy(self, number: int) -> list[StoredRow]:
        """One copy of the agency's whole log, without places: what a writer appends."""
        return [self._written(template, number) for template in self._templates]

    def log(self, events: int) -> Iterator[StoredRow]:
        """So many events with their places: a chart of its own in full, then as many copies as it takes."""
        return placed(chain(self._apart(), self._together(events, 0)))

    def more(self, events: int, after: StoredRow) -> Iterator[StoredRow]:
        """So many events of further copies, to come after the last event of a log."""
        return placed(self._together(events, _FURTHER), after.position, after.recorded_at)

    def _apart(self) -> Iterator[StoredRow]:
        for template in self._templates:
            if template.row.chart_id == self.chart:
                first = self._templates[0].row.recorded_at
                yield replace(self._written(template, APART), recorded_at=first)

    def _together(self, events: int, first: int) -> Iterator[StoredRow]:
        copies = -(-events // self.events)
        every = (self._written(template, first + n) for template in self._templates for n in range(copies))
        return islice(every, events)

    def _written(self, template: _Template, number: int) -> StoredRow:
        row, prefix = template.row, b"%08x" % number
        payload = prefix.join(template.payload)
        for digest in template.signed:
            content = prefix.join(self._contents[digest])
            payload = payload.replace(digest, hashlib.sha256(content).hexdigest().encode())
        return StoredRow(
            originator_id=own_id(str(row.originator_id), number),
            originator_version=row.originator_version,
            topic=row.topic,
            state=payload,
            schema_version=row.schema_version,
            key=own_id(row.key, number),
            chart_id=None if row.chart_id is None else own_id(row.chart_id, number),
            occurred_at=row.occurred_at,
            occurred_offset=row.occurred_offset,
            actor=own_id(row.actor, number),
            role=row.role,
            credential=row.credential,
            purpose=row.purpose,
            command_id=own_id(row.command_id, number),
            command_index=row.command_index,
            command_digest=row.command_digest,
            correlation_id=own_id(row.correlation_id, number),
            causation_id=None if row.causation_id is None else own_id(row.causation_id, number),
            recorded_at=row.recorded_at,
        )


def _signed_contents(rows: Sequence[StoredRow]) -> dict[bytes, tuple[bytes, ...]]:
    """The canonical content behind every digest that a signature may be bound to, with holes where ids begin."""
    drafts: dict[str, NoteDrafted] = {}
    found: dict[bytes, tuple[bytes, ...]] = {}
    for row in rows:
        event = read(row).event
        content: NoteContent | None = None
        if isinstance(event, NoteDrafted):
            drafts[str(row.originator_id)] = event
            content = event.content
        elif isinstance(event, NoteContentWritten):
            content = event.content
        if content is not None:
            canonical = canonical_content(drafts[str(row.originator_id)], content)
            found[hashlib.sha256(canonical).hexdigest().encode()] = tuple(_ID.split(canonical))
    return found


def placed(rows: Iterable[StoredRow], position: int = 0, recorded_at: str = "") -> Iterator[StoredRow]:
    """Events with their places and leaf hashes, after a place in a log."""
    for row in rows:
        position += 1
        recorded_at = max(recorded_at, row.recorded_at)
        yield replace(row, position=position, recorded_at=recorded_at, leaf=leaf_of(row, position, recorded_at))


def fill(recorder: Recorder, rows: Iterator[StoredRow]) -> int:
    """Write events with their places through the recorder, in bulk; returns how many."""
    count = 0
    while batch := list(islice(rows, _BATCH)):
        recorder.restore(batch)
        count += len(batch)
    return count
