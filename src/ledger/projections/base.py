"""What a projection is: a row, its key, and pure functions that fold an event into a row.

A projection's file declares the row as a frozen struct; its table follows from it. Each fold is told the row as it is
(or None) and the event, and answers with the row as it shall be (or None to remove it). So the same code runs in bulk,
in a test without a database, in a replay at an earlier moment, and in a rebuild, with the same bytes.

A row depends on the events of one partition key only (a chart, a staff member, the agency): so any number of partitions
gives the same rows. What a view needs from elsewhere is in the event, or is joined by its query.

What follows from a row's facts (a deadline, a claim line) is *derived*: worked out once when the row is written,
however many events changed it, and never seen by a fold, which finds those fields at their defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter, itemgetter
from typing import Any, Generic, TypeVar, cast

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, Index, MetaData, Table, TableClause, Text, column, table

from ledger.aggregates.vocabulary import Event
from ledger.store.envelope import Recorded

Key = tuple[str, ...]
R = TypeVar("R", bound=msgspec.Struct)
E = TypeVar("E", bound=Event)

#: Columns that every projection's table has: which key a row belongs to, and which events made it.
PROVENANCE = ("partition_key", "first_position", "last_position", "event_count")


class Happened(msgspec.Struct, Generic[E], frozen=True, gc=False):
    """An event as a fold sees it: what happened, and its envelope (the whole of it in ``recorded.row``)."""

    event: E
    recorded: Recorded
    position: int
    #: The partition key: the chart's, the staff member's or the agency's.
    key: str
    stream_id: str
    event_id: str
    #: The server's time, in the stored form.
    recorded_at: str

    @classmethod
    def of(cls, recorded: Recorded) -> Happened[Any]:
        row, event = recorded.row, cast("Any", recorded.event)
        return cls(event, recorded, row.position, row.key, str(row.originator_id), row.event_id, row.recorded_at)

    @property
    def version(self) -> int:
        return self.recorded.row.originator_version

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


class Line(msgspec.Struct, Generic[R], frozen=True, gc=False):
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
    optional: bool
    decode: Callable[[str], Any] | None


@dataclass
class Projection(Generic[R]):
    """One view. ``version`` goes up whenever the same log would give other rows; a rebuild then follows.

    ``derived`` names the fields that follow from the others; ``derive`` gives the function that works them out.
    """

    name: str
    version: int
    row: type[R]
    key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...] = ()
    derived: tuple[str, ...] = ()
    routes: dict[type[Event], Route[R]] = field(default_factory=dict)
    _event_types: frozenset[str] | None = None
    _derive: Callable[[R], R] | None = None

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

    def derive(self, function: Callable[[R], R]) -> Callable[[R], R]:
        """Declare what follows from a row's facts: a pure function of the row that fills in the ``derived`` fields.

        It answers for every row that a fold may make and never raises; a fact that no rule fits is an answer too.
        """
        self._derive = function
        return function

    def finish(self, row: R) -> R:
        """The row as it is written: with what follows from its facts."""
        return row if self._derive is None else self._derive(row)

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
            decode = None if plain else msgspec.json.Decoder(f.type).decode
            found.append(RowField(f.name, kind, kind is not f.type, decode))
        return tuple(found)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The names of the table's columns, in their order."""
        return (*(f.name for f in self.fields), *PROVENANCE)

    @cached_property
    def view(self) -> TableClause:
        """What queries read: always the live generation, whichever that is."""
        return table(f"view_{self.name}", *(column(name) for name in self.columns))

    def to_columns(self, line: Line[R]) -> dict[str, Any]:
        """A row as its columns: text, integers and booleans as they are, anything deeper as JSON."""
        return dict(zip(self.columns, self.to_values(line), strict=True))

    def to_values(self, line: Line[R]) -> tuple[Any, ...]:
        """As ``to_columns``, without the names, in the order of ``columns``."""
        provenance = (line.partition_key, line.first_position, line.last_position, line.event_count)
        if not self._json_columns:
            return self._all_fields(line.row) + provenance
        values = list(self._all_fields(line.row))
        for index in self._json_columns:
            value = values[index]
            if value is not None:
                values[index] = _encode(value).decode()
        return (*values, *provenance)

    def from_columns(self, values: Mapping[str, Any]) -> Line[R]:
        """The row that columns hold, with its derived fields."""
        found = {}
        for f in self.fields:
            value = values[f.name]
            if value is not None:
                if f.decode is not None:
                    value = f.decode(value)
                elif f.kind is bool:
                    value = bool(value)
            found[f.name] = value
        return Line(self.row(**found), *(values[name] for name in PROVENANCE))

    def to_fold(self, values: Sequence[Any]) -> Line[R]:
        """The row that the values of ``stored_columns`` say, as folds see it: derived fields are at their defaults."""
        found = dict(zip(self._facts, values, strict=False))
        for name, decode in self._read_as:
            value = found[name]
            if value is not None:
                found[name] = decode(value)
        return Line(self.row(**found), *values[-len(PROVENANCE) :])

    @cached_property
    def stored_columns(self) -> tuple[str, ...]:
        """The columns that a row is read from before it is folded further: what is derived is worked out anew."""
        return (*self._facts, *PROVENANCE)

    @cached_property
    def _facts(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.fields if f.name not in self.derived)

    @cached_property
    def _read_as(self) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
        """How a column is read where it is not as the field holds it."""
        how = [(f.name, bool if f.kind is bool else f.decode) for f in self.fields if f.name in self._facts]
        return tuple((name, decode) for name, decode in how if decode is not None)

    @cached_property
    def _all_fields(self) -> Callable[[R], tuple[Any, ...]]:
        return _values_of([f.name for f in self.fields])

    @cached_property
    def _json_columns(self) -> tuple[int, ...]:
        return tuple(index for index, f in enumerate(self.fields) if f.decode is not None)

    @cached_property
    def _plain(self) -> tuple[RowField, ...]:
        """The fields whose columns are not JSON."""
        return tuple(f for f in self.fields if f.decode is None)

    @cached_property
    def _plain_values(self) -> Callable[[R], tuple[Any, ...]]:
        return _values_of([f.name for f in self._plain])

    @cached_property
    def _fitting(self) -> dict[tuple[type, ...], tuple[Callable[[Any], Any], Callable[[Any], Any]]]:
        """The combinations of types found to fit so far, each with how to take its texts and its integers."""
        return {}

    def check(self, row: R, key: Key) -> None:
        """Refuse a row that one of the databases could not hold, or that is not the one its key names.

        It is asked after every fold, so that an event parks for what it made of the row however the log was cut.
        Raises TypeError or ValueError.
        """
        values = self._plain_values(row)
        kinds = tuple(map(type, values))
        picks = self._fitting.get(kinds)
        if picks is None:
            picks = self._fitting[kinds] = self._fit(kinds)
        texts, integers = picks
        if "\x00" in "".join(texts(values)):
            name = next(f.name for f, v in zip(self._plain, values, strict=True) if type(v) is str and "\x00" in v)
            raise ValueError(f"{self.name}.{name} holds a NUL character")
        for value in integers(values):
            if not -(2**63) <= value < 2**63:
                name = next(f.name for f, v in zip(self._plain, values, strict=True) if v is value)
                raise ValueError(f"{self.name}.{name} is beyond 64 bits")
        if self.key_of(row) != key:
            raise ValueError(f"a fold of {self.name} answered with the row of another key")

    def _fit(self, kinds: tuple[type, ...]) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
        """Check the types of the plain columns; says how to take the texts and the integers among them."""
        for f, kind in zip(self._plain, kinds, strict=True):
            if kind is not f.kind and not (f.optional and kind is type(None)):
                raise TypeError(f"{self.name}.{f.name} is {kind.__name__}, not {f.kind.__name__}")
        return _picking(kinds, str), _picking(kinds, int)

    @cached_property
    def key_of(self) -> Callable[[R], Key]:
        """The key of a row."""
        return _values_of(self.key)


def _values_of(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """How to take some fields of a row at once: always a tuple."""
    if len(names) == 1:
        (name,) = names
        return lambda row: (getattr(row, name),)
    return attrgetter(*names) if names else lambda row: ()


def _picking(kinds: Sequence[type], wanted: type) -> Callable[[Any], Any]:
    """How to take the values of one type out of a row's."""
    at = [index for index, kind in enumerate(kinds) if kind is wanted]
    if len(at) > 1:
        return itemgetter(*at)
    return itemgetter(slice(at[0], at[0] + 1)) if at else itemgetter(slice(0))


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
