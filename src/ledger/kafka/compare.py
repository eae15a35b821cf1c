"""Comparing the store with the topic, event by event: what differs is named, on whichever side.

Both are read once, side by side in the order of positions, so that memory stays flat: what is kept are the positions
that the topic lacks, as ranges, and the first differences of each kind. The comparison is of one moment: the log up to
the place where both ended when it began.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from ledger.errors import IntegrityFault
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.place import End, end_of, live
from ledger.kafka.whole import Found, WholeTopic
from ledger.kafka.wire import Message, TopicMoved, from_message, to_message
from ledger.store.envelope import StoredRow, leaf_of, read_entry
from ledger.store.recorder import Recorder

_BATCH = 5000
#: How many differences of each kind are named one by one; all of them are counted.
NAMED = 20
#: How long a relay may take to bring nothing at all before what the topic lacks counts as missing, in seconds.
_PATIENCE, _LOOK = 5.0, 0.25

#: The kinds of difference, in the words that a person reads.
KINDS = {
    "missing": "in the store, not on the topic",
    "surplus": "on the topic, not in the store",
    "content": "other content on the topic than in the store",
    "order": "out of order on the topic",
    "twice": "on the topic more than once",
    "partition": "in another partition than its key's other events",
}


@dataclass(frozen=True)
class Difference:
    """Something that differs: its kind, the position and the event, and what and where in words."""

    kind: str
    position: int
    event_id: str
    words: str


@dataclass
class Comparison:
    """What a comparison found."""

    topic: str
    partitions: int
    #: Events up to this position were compared: the later of where the store and the topic ended.
    until: int
    #: Events that are the same on both sides.
    same: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        return not self.counts

    def add(self, kind: str, position: int, event_id: str, words: str = "") -> None:
        self.counts[kind] += 1
        if self.counts[kind] <= NAMED:
            self.differences.append(Difference(kind, position, event_id, words))


def compare(recorder: Recorder, settings: KafkaSettings, progress: Callable[[int], None] | None = None) -> Comparison:
    """Compare the store with the topic that the log is on; ``progress`` is told how many positions were passed."""
    settings = live(settings)
    head, end = _both_ends(recorder, settings)
    comparison = Comparison(settings.topic, end.partitions, max(head, end.position))
    walk = _Walk(recorder, comparison, end.made_with or end.partitions, progress)
    topic = WholeTopic(settings, until=comparison.until)
    try:
        for found in topic:
            walk.take(found)
    finally:
        topic.close()
    walk.finish()
    comparison.differences.sort(key=lambda each: each.position)
    return comparison


def _both_ends(recorder: Recorder, settings: KafkaSettings) -> tuple[int, End]:
    """Where store and topic end; a relay that is bringing the rest is waited for."""
    head = recorder.sequence()
    end = end_of(settings, strays=True)
    until = time.monotonic() + _PATIENCE
    while end.position < head and time.monotonic() < until:
        time.sleep(_LOOK)
        newer = end_of(settings, strays=True)
        if newer.position > end.position:
            until = time.monotonic() + _PATIENCE
        end = newer
    return head, end


class _Walk:
    """The store's log, walked beside the topic."""

    def __init__(
        self,
        recorder: Recorder,
        comparison: Comparison,
        partitions: int,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._recorder = recorder
        self._found = comparison
        self._partitions = partitions
        self._progress = progress
        self._rows = self._stored()
        self._next = next(self._rows, None)
        self._last = 0
        self._lacking = Ranges()

    def _stored(self) -> Iterator[StoredRow]:
        after = 0
        while rows := self._recorder.read_log(after, _BATCH, until=self._found.until):
            yield from rows
            if self._progress is not None:
                self._progress(rows[-1].position - after)
            after = rows[-1].position

    def take(self, found: Found) -> None:
        """One message of the topic, in the order of positions or where it was found."""
        where = f"partition {found.partition}, offset {found.offset}"
        if found.position == 0:
            self._found.add("surplus", 0, "", f"{where}: a message without a position; the relay did not write it")
        elif not found.in_turn or found.position == self._last:
            self._late(found, where)
        elif found.position <= self._found.until:
            self._in_turn(found, where)
        elif found.position > self._recorder.sequence():  # else it was recorded after the comparison had begun
            self._found.add("surplus", found.position, _id(found), f"{where}; the store has no such position")

    def _in_turn(self, found: Found, where: str) -> None:
        while self._next is not None and self._next.position < found.position:
            self._lacking.add(self._next.position)
            self._next = next(self._rows, None)
        self._last = found.position
        if self._next is None or self._next.position != found.position:
            self._found.add("surplus", found.position, _id(found), where)
            return
        self._same(self._next, found, where)
        self._next = next(self._rows, None)

    def _late(self, found: Found, where: str) -> None:
        """A position that is not greater than what came before it: late when it was lacking, else there already."""
        if found.position not in self._lacking:
            kind = "twice" if found.position <= self._recorder.sequence() else "surplus"
            self._found.add(kind, found.position, _id(found), where)
            return
        self._lacking.remove(found.position)
        self._found.add("order", found.position, _id(found), f"{where}, behind a later event")
        (row,) = self._recorder.read_log(found.position - 1, 1)
        self._same(row, found, where)

    def _same(self, row: StoredRow, found: Found, where: str) -> None:
        """Compare an event with the message it should be, byte for byte."""
        meant = to_message(row, self._partitions)
        if found.value == meant.value and found.headers == meant.headers and found.key == meant.key:
            if found.partition == meant.partition:
                self._found.same += 1
                return
            words = f"{where}; its key belongs in partition {meant.partition}"
            self._found.add("partition", row.position, row.event_id, words)
            return
        self._found.add("content", row.position, row.event_id, f"{where}: {_how(row, found, meant)}")

    def finish(self) -> None:
        """What is left of the store is not on the topic; so is what was lacking and did not come late."""
        while self._next is not None:
            self._lacking.add(self._next.position)
            self._next = next(self._rows, None)
        named = 0
        for first, last in self._lacking:
            for position in range(first, last + 1):
                if named == NAMED:
                    self._found.counts["missing"] += last - position + 1
                    break
                (row,) = self._recorder.read_log(position - 1, 1)
                self._found.add("missing", position, row.event_id)
                named += 1


class Ranges:
    """A set of numbers that are added in rising order, kept as ranges: few, where they follow each other."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []

    def add(self, number: int) -> None:
        """Add a number greater than all before."""
        if self._lasts and self._lasts[-1] == number - 1:
            self._lasts[-1] = number
        else:
            self._firsts.append(number)
            self._lasts.append(number)

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._firsts, number) - 1
        return at >= 0 and number <= self._lasts[at]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(list(zip(self._firsts, self._lasts, strict=True)))

    def remove(self, number: int) -> None:
        """Take out a number that is in it."""
        at = bisect_right(self._firsts, number) - 1
        first, last = self._firsts[at], self._lasts[at]
        left = [(a, b) for a, b in ((first, number - 1), (number + 1, last)) if a <= b]
        self._firsts[at : at + 1] = [a for a, _ in left]
        self._lasts[at : at + 1] = [b for _, b in left]


def _id(found: Found) -> str:
    return dict(found.headers).get("ce_id", b"").decode(errors="replace")


def _how(row: StoredRow, found: Found, meant: Message) -> str:
    """What differs between an event and its message, and which of the two agrees with its own leaf hash."""
    names = _fields(row, found) or [name for name, value in meant.headers if (name, value) not in found.headers]
    if found.key != meant.key:
        names.append("the message's key")
    ours = "agrees" if leaf_of(row, row.position, row.recorded_at) == row.leaf else "does not agree"
    try:
        from_message(found.value, found.headers)
        theirs = "agrees"
    except (IntegrityFault, TopicMoved):
        theirs = "does not"
    return (
        f"{', '.join(names) or 'further headers'} differ; the store's {ours} with its leaf hash, the topic's {theirs}"
    )


def _fields(row: StoredRow, found: Found) -> list[str]:
    """The fields of the event that differ, by what the message's entry says; none when it cannot be read."""
    headers = dict(found.headers)
    try:
        leaf = bytes.fromhex(headers["ce_leaf"].decode())
        theirs, _ = read_entry(headers["ce_entry"], found.value, leaf)
    except (KeyError, ValueError, msgspec.DecodeError):
        return []
    names = {"state": "payload", "topic": "type", "originator_id": "stream", "originator_version": "version"}
    return [names.get(name, name) for name, value in vars(row).items() if value != getattr(theirs, name)]
