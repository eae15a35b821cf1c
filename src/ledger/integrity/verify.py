"""Checking the record against itself: every hash, the gapless order, and what each view did with every event.

The first event that differs is named, with what differs. Everything that the record says of itself is recomputed here;
``sealed`` holds it against checkpoints, which the people who run the database cannot rewrite everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import and_, func, inspect, select

from ledger.consumers import outcomes
from ledger.consumers.log import LocalLog
from ledger.consumers.tables import LIVE, PARKED_EVENTS, PARKED_KEYS, PLACES
from ledger.integrity.report import NAMED, Completeness, Fault, Report
from ledger.integrity.sealed import SealedWalk
from ledger.integrity.signatures import SignatureWalk
from ledger.projections.base import Projection
from ledger.store.envelope import StoredRow, leaf_of
from ledger.store.recorder import Recorder

_BATCH = 5000


def verify(
    recorder: Recorder,
    projections: Sequence[Projection[Any]],
    progress: Callable[[int], None] | None = None,
    *,
    sealed: SealedWalk | None = None,
    signatures: SignatureWalk | None = None,
) -> Report:
    """Read the whole log once and check all of it; raises nothing for a fault, the report names them.

    ``sealed`` is walked along: the log is held against what was sealed of it, or, where the walk begins behind a
    checkpoint, what came since. So is ``signatures``: each signature is held against the checkpoint that it carries.
    """
    report = Report()
    head = recorder.sequence()
    after = sealed.since.size if sealed is not None and sealed.since is not None else 0
    walk = _Walk(report, recorder, after)
    if sealed is not None:
        sealed.begin(report)
    accounts = [account for p in projections if (account := _account(recorder, p, after)) is not None]
    while rows := recorder.read_log(after, _BATCH):
        walk.meet(rows)
        for row in rows:
            leaf = walk.check(row)
            if sealed is not None:
                sealed.check(row, leaf, report)
            if signatures is not None:
                signatures.check(row, report)
            for account in accounts:
                account.check(row, report)
        after = rows[-1].position
        if progress is not None:
            progress(len(rows))
    report.head = after if report.events else min(after, head)
    report.unplaced = recorder.waiting()
    for row in recorder.passed_over():
        words = f"this {row.topic} has lost its place in the log: later events have theirs"
        report.add(Fault("missing", 0, row.event_id, words))
    if sealed is not None:
        sealed.finish(report)
    for account in accounts:
        account.finish(report)
        report.projections.append(account.completeness)
    return report


class _Walk:
    """The log itself: positions, times, versions in turn, and every leaf hash."""

    def __init__(self, report: Report, recorder: Recorder, after: int) -> None:
        self._report = report
        self._recorder = recorder
        self._after = self._position = after
        self._recorded_at = ""
        self._versions: dict[str, int] = {}
        if after and (before := recorder.read_log(after - 1, 1)):
            self._recorded_at = before[0].recorded_at

    def meet(self, rows: Sequence[StoredRow]) -> None:
        """Learn how far the streams of some events had come before the walk began; nothing to learn from the start."""
        if self._after:
            new = {str(row.originator_id) for row in rows} - self._versions.keys()
            self._versions |= dict.fromkeys(new, 0) | self._recorder.versions_at(new, self._after)

    def check(self, row: StoredRow) -> bytes:
        """Check one event; gives its leaf, as it was recomputed."""
        report, event_id = self._report, row.event_id
        report.events += 1
        if row.position != self._position + 1:
            report.add(
                Fault(
                    "missing",
                    self._position + 1,
                    "",
                    f"position {self._position + 1} is missing; the next event is {event_id} at {row.position}",
                )
            )
        if row.recorded_at < self._recorded_at:
            report.add(
                Fault("time", row.position, event_id, f"recorded at {row.recorded_at}, before the event before it")
            )
        expected = self._versions.get(str(row.originator_id), 0) + 1
        if row.originator_version != expected:
            report.add(Fault("version", row.position, event_id, f"version {expected} of its stream was to come here"))
        leaf = leaf_of(row, row.position, row.recorded_at)
        if leaf != row.leaf:
            report.add(
                Fault(
                    "content",
                    row.position,
                    event_id,
                    f"the stored {row.topic} hashes to {leaf.hex()[:16]}…, its leaf is {row.leaf.hex()[:16]}…: "
                    "its content or its envelope was changed",
                )
            )
        self._position, self._recorded_at = row.position, row.recorded_at
        self._versions[str(row.originator_id)] = row.originator_version
        report.last_leaf = row.leaf.hex()
        return leaf


class _Account:
    """One view's outcomes, walked beside the log."""

    def __init__(
        self,
        projection: Projection[Any],
        place: int,
        counted: tuple[int, ...],
        marks: Iterator[tuple[int, bytes]],
        in_order: bool,
        waiting: set[int],
        after: int,
    ) -> None:
        self.completeness = Completeness(projection.name, place)
        self._counted = counted
        self._types = projection.event_types
        self._marks = marks
        self._next = next(marks, None)
        #: Read in the log's own order, or partition by partition, where other keys may be behind.
        self._in_order = in_order
        #: Positions of the events that wait behind a parked key, where a retry finds them.
        self._waiting = waiting
        self._not_yet: dict[str, list[StoredRow]] = {}
        while after and self._next is not None and self._next[0] <= after:  # counted, and not looked at
            self._count(self._next[1])
            self._next = next(self._marks, None)

    def _count(self, mark: bytes) -> None:
        if mark == outcomes.APPLIED:
            self.completeness.applied += 1
        elif mark == outcomes.PARKED:
            self.completeness.parked += 1
        else:
            self.completeness.not_concerned += 1

    def check(self, row: StoredRow, report: Report) -> None:
        """Every position up to the place has exactly one outcome, and it is one that its type allows."""
        name, position = self.completeness.projection, row.position
        while self._next is not None and self._next[0] < position:
            report.add(
                Fault("outcome", self._next[0], "", f"the view {name} has an outcome for a position the log has not")
            )
            self._next = next(self._marks, None)
        if position > self.completeness.place:
            return
        if self._next is None or self._next[0] != position:
            self._not_yet.setdefault(row.key, []).append(row)
            if self._in_order:
                self._skipped(row.key, report)
            return
        self._skipped(row.key, report)  # a later event of the key has been applied, so those before were skipped
        mark = self._next[1]
        if position in self._waiting and mark != outcomes.PARKED:
            words = f"in the view {name} this {row.topic} waits as parked, and is not marked so"
            report.add(Fault("outcome", position, row.event_id, words))
        self._next = next(self._marks, None)
        self._count(mark)
        if mark == outcomes.PARKED and position not in self._waiting:
            words = f"in the view {name} this {row.topic} is marked as parked, and waits nowhere"
            report.add(Fault("skipped", position, row.event_id, words))
        elif mark == outcomes.NOT_CONCERNED and row.topic in self._types:
            report.add(Fault("skipped", position, row.event_id, f"the view {name} passed over this {row.topic}"))

    def _skipped(self, key: str, report: Report) -> None:
        for row in self._not_yet.pop(key, ()):
            words = f"the view {self.completeness.projection} has skipped this {row.topic} unrecorded"
            report.add(Fault("skipped", row.position, row.event_id, words))

    def finish(self, report: Report) -> None:
        """Nothing is left over, and the sum is what the view says it has applied."""
        name, found = self.completeness.projection, self.completeness
        while self._next is not None:
            report.add(Fault("outcome", self._next[0], "", f"the view {name} is ahead of the log"))
            self._next = next(self._marks, None)
        sums = (found.applied, found.parked, found.not_concerned)
        if sums != self._counted:
            report.add(
                Fault(
                    "outcome", found.place, "", f"the view {name} has counted {self._counted}, its outcomes say {sums}"
                )
            )


def _account(recorder: Recorder, projection: Projection[Any], after: int) -> _Account | None:
    """The account of a view's live generation, as it is at one moment; None when the view was never made."""
    with recorder.engine.connect() as connection:
        if connection.dialect.name == "postgresql":  # on SQLite every transaction sees one moment
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        if not inspect(connection).has_table(LIVE.name):
            return None
        generation = connection.scalar(select(LIVE.c.generation).where(LIVE.c.projection == projection.name))
        if generation is None:
            return None
        name = f"{projection.name}.{generation}"
        counted = [func.coalesce(func.sum(PLACES.c[mark]), 0) for mark in ("applied", "parked", "not_concerned")]
        mine = PLACES.c.projection == name
        statement = select(func.coalesce(func.max(PLACES.c.position), 0), *counted).where(mine)
        place, *counts = (int(value) for value in connection.execute(statement).one())
        logs = set(connection.scalars(select(PLACES.c.log).where(mine)))
        listed = and_(PARKED_KEYS.c.projection == PARKED_EVENTS.c.projection, PARKED_KEYS.c.key == PARKED_EVENTS.c.key)
        parked = select(PARKED_EVENTS.c.position).join(PARKED_KEYS, listed).where(PARKED_EVENTS.c.projection == name)
        waiting = set(connection.scalars(parked))
        marks = outcomes.read(connection, name)
        return _Account(projection, place, tuple(counts), marks, logs <= {LocalLog.name}, waiting, after)


__all__ = ["NAMED", "Completeness", "Fault", "Report", "verify"]
