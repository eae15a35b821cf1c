"""Folding events into rows: the one way in which rows come about, in bulk and one event at a time.

The runner, a rebuild, a replay at an earlier moment and every test fold with these functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from ledger.projections.base import Happened, Key, Line, Projection
from ledger.store.envelope import Recorded

R = TypeVar("R", bound=msgspec.Struct)
L = dict[Key, Line[Any]]


def fold_event(
    projection: Projection[Any], lines: L, happened: Happened[Any], keys: Sequence[Key], *, finishing: bool = False
) -> None:
    """Fold one event into the lines of some keys, each named once, in place; the rows have yet to be finished.

    ``lines`` holds every line that exists under these keys, as folds see it. When it raises, it has changed nothing.
    ``finishing`` makes it raise for a row that could not be finished either.
    """
    made = [_fold_line(projection, lines.get(key), happened, key, finishing) for key in keys]
    for key, line in zip(keys, made, strict=True):
        if line is None:
            lines.pop(key, None)
        else:
            lines[key] = line


def _fold_line(
    projection: Projection[Any], line: Line[Any] | None, happened: Happened[Any], key: Key, finishing: bool
) -> Line[Any] | None:
    fold = projection.routes[type(happened.event)].fold
    position = happened.position
    if line is None:
        row = fold(None, happened, key)
        made = None if row is None else Line(row, happened.key, position, position, 1)
    else:
        row = fold(line.row, happened, key)
        if row is not None and line.partition_key != happened.key:
            raise ValueError(f"a row of {projection.name} depends on events of two partition keys")
        made = None if row is None else Line(row, happened.key, line.first_position, position, line.event_count + 1)
    if made is not None:
        projection.check(row, key)
        if finishing:
            finish_line(projection, made, key)
    return made


def finish_line(projection: Projection[Any], line: Line[Any], key: Key) -> Line[Any]:
    """A line as it is written, with what follows from its facts."""
    row = projection.finish(line.row)
    if row is line.row:
        return line
    projection.check(row, key)
    return Line(row, line.partition_key, line.first_position, line.last_position, line.event_count)


def keys_of(projection: Projection[Any], happened: Happened[Any]) -> list[Key]:
    """The keys of the rows an event concerns, each once."""
    keys = list(projection.routes[type(happened.event)].keys(happened))
    return keys if len(keys) == 1 else list(dict.fromkeys(keys))


class Folding(Generic[R]):
    """A view folded in memory, event by event: for tests, and for a view as known at an earlier moment."""

    def __init__(self, projection: Projection[R]) -> None:
        self._projection = projection
        self._lines: L = {}

    def add(self, recorded: Recorded) -> None:
        """Fold one event, if it concerns the view. When it raises, it has changed nothing."""
        if type(recorded.event) in self._projection.routes:
            happened = Happened.of(recorded)
            fold_event(self._projection, self._lines, happened, keys_of(self._projection, happened))

    def line(self, key: Key) -> Line[R] | None:
        """One line as it stands; None where there is none."""
        found = self._lines.get(key)
        return None if found is None else finish_line(self._projection, found, key)

    def lines(self) -> dict[Key, Line[R]]:
        """Every line as it stands."""
        return {key: finish_line(self._projection, line, key) for key, line in self._lines.items()}


def fold_all(projection: Projection[Any], events: Iterable[Recorded]) -> L:
    """Every line that some events give, in memory."""
    folding = Folding(projection)
    for recorded in events:
        folding.add(recorded)
    return folding.lines()
