"""What a projection is: a row, its key, and pure functions that fold an event into a row.

A projection's file declares the row as a frozen struct; its table follows from it. Each fold is told the row as it is
(or None) and the event, and answers with the row as it shall be (or None to remove it). So the same code runs in bulk,
in a test without a database, in a replay at an earlier moment, and in a rebuild, with the same bytes.

A row depends on the events of one partition key only (a chart, a staff member, the agency): so any number of partitions
gives the same rows. What a view needs from elsewhere is in the event, or is joined by its query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, Index, MetaData, Table, TableClause, Text, column, table

from ledger.aggregates.vocabulary import Event
from ledger.store.envelope import Recorded

Key = tuple[str, ...]
R = TypeVar("R", bound=msgspec.Struct)
E = TypeVar("E", bound=Event)

#: Columns that every projection's table has: which key a row belongs to, and which events made it.
PROVENANCE = ("partition_key", "first_position", "last_position", "event_count")


@dataclass(frozen=True)
class Happened(Generic[E]):
    """An event as a fold sees it: what happened, and its envelope."""

    event: E
    recorded: Recorded

    @property
    def position(self) -> int:
        return self.recorded.row.position

    @property
    def stream_id(self) -> str:
        return str(self.recorded.row.originator_id)

    @property
    def version(self) -> int:
        return self.recorded.row.originator_version

    @property
    def event_id(self) -> str:
        return self.recorded.row.event_id

    @property
    def recorded_at(self) -> str:
        """The server's time, in the stored form."""
        return self.recorded.row.recorded_at

    @property
    def occurred_at(self) -> str:
        """When it happened, as the person said, in the stored form (UTC)."""
        return self.recorded.row.occurred_at

    @property
    def actor(self) -> str:
        return self.recorded.row.actor


@dataclass(frozen=True)
class Route(Generic[R]):
    """How one event type reaches rows: the keys of the rows it concerns, and the fold for each of them."""

    keys: Callable[[Happened[Any]], Iterable[Key]]
    fold: Callable[[R | None, Happened[Any], Key], R | None]


@dataclass(frozen=True)
class Line(Generic[R]):
    """A row with its provenance: the key it belongs to, and the first, the last and the number of its events."""

    row: R
    partition_key: str
    first_position: int
    last_position: int
    event_count: int


@dataclass(frozen=True)
class RowField:
    """One field of a row: its type without ``| None``, and how its column's JSON is read (None: stored as it is)."""

    name: str
    kind: Any
    decode: Callable[[str], Any] | None


@dataclass
class Projection(Generic[R]):
    """One view. ``version`` goes up whenever the same log would give other rows; a rebuild then follows."""

    name: str
    version: int
    row: type[R]
    key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...] = ()
    routes: dict[type[Event], Route[R]] = field(default_factory=dict)
    _event_types: frozenset[str] | None = None

    def on(
        self,
        event: type[E],
        keys: Callable[[Happened[E]], Iterable[Key]],
    ) -> Callable[[Callable[[R | None, Happened[E], Key], R | None]], Callable[[R | None, Happened[E], Key], R | None]]:
        """Declare how an event changes the rows with these keys."""

        def declare(
            fold: Callable[[R | None, Happened[E], Key], R | None],
        ) -> Callable[[R | None, Happened[E], Key], R | None]:
            if event in self.routes:
                raise TypeError(f"{self.name} routes {event.TYPE} twice")
            self.routes[event] = Route(keys, fold)
            return fold

        return declare

    def concerns(self, event_type: str) -> bool:
        """Whether events of a type change this view."""
        return event_type in self.event_types

    @property
    def event_types(self) -> frozenset[str]:
        """The types of the events that this view folds."""
        if self._event_types is None or len(self._event_types) != len(self.routes):
            self._event_types = frozenset(event.TYPE for event in self.routes)
        return self._event_types

    def table(self, generation: int) -> Table:
        """The table of one generation: a column for each field of the row, the key, and the provenance columns."""
        name = f"rows_{self.name}_g{generation}"
        columns: list[Column[Any]] = [
            Column(f.name, _column_type(f.kind), primary_key=f.name in self.key, nullable=f.name not in self.key)
            for f in self.fields
        ]
        provenance: list[Column[Any]] = [
            Column("partition_key", Text, nullable=False),
            Column("first_position", BigInteger, nullable=False),
            Column("last_position", BigInteger, nullable=False),
            Column("event_count", BigInteger, nullable=False),
        ]
        indexes = [Index(f"{name}_{'_'.join(names)}", *names) for names in (*self.indexes, ("partition_key",))]
        return Table(name, MetaData(), *columns, *provenance, *indexes)

    @cached_property
    def fields(self) -> tuple[RowField, ...]:
        """The row's fields as columns see them; read from the struct once."""
        found = []
        for f in msgspec.structs.fields(self.row):
            kind = _bare(f.type)
            plain = kind in (str, int, bool)
            found.append(RowField(f.name, kind, None if plain else msgspec.json.Decoder(f.type).decode))
        return tuple(found)

    @cached_property
    def view(self) -> TableClause:
        """What queries read: always the live generation, whichever that is."""
        names = [f.name for f in self.fields]
        return table(f"view_{self.name}", *(column(name) for name in (*names, *PROVENANCE)))

    def to_columns(self, line: Line[R]) -> dict[str, Any]:
        """A row as its columns: text, integers and booleans as they are, anything deeper as JSON."""
        row = line.row
        values: dict[str, Any] = {}
        for f in self.fields:
            value = getattr(row, f.name)
            values[f.name] = value if value is None or f.decode is None else _encode(value).decode()
        values["partition_key"] = line.partition_key
        values["first_position"] = line.first_position
        values["last_position"] = line.last_position
        values["event_count"] = line.event_count
        return values

    def from_columns(self, values: Mapping[str, Any]) -> Line[R]:
        """The row that columns hold."""
        found = {}
        for f in self.fields:
            value = values[f.name]
            if value is not None:
                if f.decode is not None:
                    value = f.decode(value)
                elif f.kind is bool:
                    value = bool(value)
            found[f.name] = value
        return Line(
            self.row(**found),
            values["partition_key"],
            values["first_position"],
            values["last_position"],
            values["event_count"],
        )

    @cached_property
    def _plain_columns(self) -> tuple[tuple[str, Any, bool], ...]:
        """Name and type of each column that is not JSON, and whether it may be empty."""
        return tuple(
            (f.encode_name, _bare(f.type), _bare(f.type) is not f.type)
            for f in msgspec.structs.fields(self.row)
            if _bare(f.type) in (str, int, bool)
        )

    def check(self, row: R, key: Key) -> None:
        """Refuse a row that one of the databases could not hold, or that is not the one its key names.

        It is asked after every fold, so that an event parks for what it made of the row however the log was cut.
        Raises TypeError or ValueError.
        """
        for name, kind, optional in self._plain_columns:
            value = getattr(row, name)
            if type(value) is kind:
                if kind is str:
                    if "\x00" in value:
                        raise ValueError(f"{self.name}.{name} holds a NUL character")
                elif kind is int and not -(2**63) <= value < 2**63:
                    raise ValueError(f"{self.name}.{name} is beyond 64 bits")
            elif not (optional and value is None):
                raise TypeError(f"{self.name}.{name} is {type(value).__name__}, not {kind.__name__}")
        if self.key_of(row) != key:
            raise ValueError(f"a fold of {self.name} answered with the row of another key")

    def key_of(self, row: R) -> Key:
        return tuple(getattr(row, name) for name in self.key)


L = dict[Key, Line[Any]]


def fold_event(projection: Projection[Any], lines: L, recorded: Recorded) -> Iterator[Key]:
    """Fold one event into the lines it concerns, in place; yields the keys that changed.

    ``lines`` holds every line that exists under the event's keys; the caller has looked them up.
    """
    route = projection.routes[type(recorded.event)]
    happened: Happened[Any] = Happened(recorded.event, recorded)
    position = recorded.row.position
    for key in route.keys(happened):
        line = lines.get(key)
        row = route.fold(line.row if line else None, happened, key)
        if row is None:
            lines.pop(key, None)
            yield key
            continue
        projection.check(row, key)
        if line is None:
            lines[key] = Line(row, recorded.row.key, position, position, 1)
        elif line.partition_key != recorded.row.key:
            raise ValueError(f"a row of {projection.name} depends on events of two partition keys")
        else:
            lines[key] = Line(row, line.partition_key, line.first_position, position, line.event_count + 1)
        yield key


def keys_of(projection: Projection[Any], recorded: Recorded) -> list[Key]:
    """The keys of the rows an event concerns."""
    return list(projection.routes[type(recorded.event)].keys(Happened(recorded.event, recorded)))


def fold_all(projection: Projection[Any], events: Iterable[Recorded]) -> L:
    """Every line that some events give, in memory: for tests, and for a view as known at an earlier moment."""
    lines: L = {}
    for recorded in events:
        if type(recorded.event) in projection.routes:
            for _ in fold_event(projection, lines, recorded):
                pass
    return lines


def _bare(annotation: Any) -> Any:
    """A field's type without ``| None``."""
    args = [a for a in getattr(annotation, "__args__", ()) if a is not type(None)]
    return args[0] if type(None) in getattr(annotation, "__args__", ()) and len(args) == 1 else annotation


def _column_type(kind: Any) -> Any:
    if kind is int:
        return BigInteger
    if kind is bool:
        return Boolean
    return Text


_encode = msgspec.json.Encoder(order="deterministic").encode
