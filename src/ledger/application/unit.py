"""One piece of work: the aggregates that some commands look at, and what a decision of theirs may look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from ledger.aggregates.base import Actor, Aggregate
from ledger.aggregates.client import Client
from ledger.aggregates.days import day_of
from ledger.aggregates.sealing import SealedBefore
from ledger.aggregates.vocabulary import Event
from ledger.application.requests import Request, when
from ledger.application.shelf import Shelf
from ledger.errors import Reasons
from ledger.store.envelope import Stamped

A = TypeVar("A", bound=Aggregate)


@dataclass
class Circumstances:
    """``Given`` for one command inside a unit of work."""

    unit: Unit
    actor: Actor
    now: datetime
    occurred_at: datetime
    also: list[Aggregate] = field(default_factory=list)

    @property
    def sealed(self) -> SealedBefore:
        return self.unit.sealed

    @property
    def zone(self) -> ZoneInfo:
        return self.unit.zone

    def find(self, kind: type[A], identifier: str) -> A | None:
        return self.unit.find(kind, identifier)

    def beside(self, aggregate: Aggregate, event: Event) -> None:
        self.unit.keep(aggregate)
        aggregate.record(event, self.occurred_at)
        self.also.append(aggregate)


@dataclass
class Unit:
    """The aggregates that some commands look at and change, and the events waiting to be appended together."""

    shelf: Shelf
    newest_sealed: Callable[[], SealedBefore]
    zone: ZoneInfo
    loaded: dict[str, Aggregate | None] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    waiting: list[Stamped] = field(default_factory=list)
    _sealed: SealedBefore | None = None

    @property
    def sealed(self) -> SealedBefore:
        """The newest sealed checkpoint when the first signature since the last append asked for it."""
        if self._sealed is None:
            self._sealed = self.newest_sealed()
        return self._sealed

    def fetch(self, identifiers: Iterable[str]) -> None:
        """Load some streams at once, those that are not here yet."""
        missing = [identifier for identifier in identifiers if identifier not in self.loaded]
        if missing:
            taken = self.shelf.take(missing)
            for identifier in missing:
                self.loaded[identifier] = taken.get(identifier)

    def find(self, kind: type[A], identifier: str) -> A | None:
        """An aggregate as this unit sees it: as stored, plus what this unit has decided."""
        self.fetch((identifier,))
        found = self.loaded[identifier]
        return found if isinstance(found, kind) else None

    def keep(self, aggregate: Aggregate) -> None:
        self.loaded[aggregate.id] = aggregate
        self.changed.add(aggregate.id)

    def give_back(self, *, appended: bool) -> None:
        """Put the aggregates back on the shelf; not those that have decided what was never appended."""
        self.shelf.put_back(
            aggregate
            for identifier, aggregate in self.loaded.items()
            if aggregate is not None and (appended or identifier not in self.changed)
        )
        self.loaded = {}
        self.go_on()

    def go_on(self) -> None:
        """After an append or a refusal: nothing has changed yet, and what is sealed is asked for anew."""
        self.changed = set()
        self._sealed = None


def check_birth(
    reasons: Reasons, given: Circumstances, request: Request, aggregate: Aggregate, referred: Sequence[str | None]
) -> None:
    """What is said to have happened did so in the client's lifetime; what happens now does."""
    field_name, occurred_at = when(request)
    if occurred_at is None:
        return
    unit = given.unit
    looked_at = (aggregate, *(unit.loaded.get(identifier) for identifier in referred if identifier is not None))
    charts = {found.chart_id for found in looked_at if found is not None and found.chart_id is not None}
    for chart_id in sorted(charts if aggregate.exists else charts - {aggregate.id}):
        client = unit.find(Client, chart_id)
        if client is not None and day_of(given, occurred_at) < client.birth_date:
            words = f"it lies before the client's birth on {client.birth_date}"
            reasons.add(field_name, words, "check the date, or correct the birth date", "before-birth")
