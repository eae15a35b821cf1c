"""Aggregates kept between commands, so that a command reads only what is new in the streams it looks at.

Taking an aggregate removes it from the shelf until it is put back: nobody else sees it while a command decides. What
was taken is brought up to date with one query for all of a command's streams, each event checked against its leaf
hash: nothing is decided on what was not recorded so. An aggregate whose command failed is not put back; it is rebuilt
from its stream when it is next asked for.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable

from ledger.aggregates.base import Aggregate
from ledger.aggregates.everything import AGGREGATES
from ledger.store.checked import read_next
from ledger.store.recorder import Recorder

KINDS = {aggregate.KIND: aggregate for aggregate in AGGREGATES}


class Shelf:
    """At most ``capacity`` aggregates; the ones not used for longest go first."""

    def __init__(self, recorder: Recorder, capacity: int = 10_000) -> None:
        self._recorder = recorder
        self._capacity = capacity
        self._kept: OrderedDict[str, Aggregate] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, identifiers: Iterable[str]) -> dict[str, Aggregate]:
        """The aggregates of these streams as they are stored now; a stream that does not exist is left out."""
        wanted = dict.fromkeys(identifiers)
        with self._lock:
            taken = {i: kept for i in wanted if (kept := self._kept.pop(i, None)) is not None}
        since = {i: taken[i].version if i in taken else 0 for i in wanted}
        for row in self._recorder.read_streams(since):
            stream = str(row.originator_id)
            version = taken[stream].version if stream in taken else 0
            recorded = read_next(row, version + 1, placed_later=self._recorder.PLACED_LATER)
            if stream not in taken:
                taken[stream] = KINDS[row.topic.partition(".")[0]](stream)
            taken[stream].replay(recorded.event, row.occurred)
        return taken

    def put_back(self, aggregates: Iterable[Aggregate]) -> None:
        """Keep aggregates for the next command that looks at them."""
        with self._lock:
            for aggregate in aggregates:
                self._kept[aggregate.id] = aggregate
                self._kept.move_to_end(aggregate.id)
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
