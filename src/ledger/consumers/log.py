"""The interface for reading a log, and the local log: the store's own order, read in place.

A log has partitions; all events of one key are in one of them, in order. A reader keeps a place (an offset) per
partition. The local log has one partition, whose offsets are the positions themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ledger.store.envelope import StoredRow
from ledger.store.recorder import Recorder


@dataclass(frozen=True)
class Entry:
    """One event as read from a log: its offset in its partition, and the event with its envelope."""

    offset: int
    row: StoredRow


class Log(Protocol):
    """What consumers need of a log."""

    @property
    def name(self) -> str:
        """What the log is known by where places are kept: a place in one log says nothing of another."""

    @property
    def repeats(self) -> bool:
        """Whether a reader may be given an event again that it has had (by a new topic, or a lost place)."""

    @property
    def partitions(self) -> Sequence[int]:
        """The partitions there are."""

    def read(self, partition: int, after: int, limit: int) -> Sequence[Entry]:
        """Up to ``limit`` entries of a partition whose offset is greater than ``after``, in order."""

    def head(self, partition: int) -> int:
        """The offset of the last entry of a partition; 0 when it is empty."""


class LocalLog:
    """The log as the store has it: for one process, or for several on one database."""

    name = "local"
    repeats = False
    partitions: Sequence[int] = (0,)

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def read(self, partition: int, after: int, limit: int) -> Sequence[Entry]:
        return [Entry(row.position, row) for row in self._recorder.read_log(after, limit)]

    def head(self, partition: int) -> int:
        return self._recorder.sequence()
