"""What a verification finds: faults in the order of the log, and each view's account."""

from __future__ import annotations

from dataclasses import dataclass, field

#: How many faults are named one by one; all of them are counted.
NAMED = 50


@dataclass(frozen=True)
class Fault:
    """Something that does not agree: where, of which kind, and in words."""

    kind: str
    position: int
    event_id: str
    words: str


@dataclass
class Completeness:
    """One view's account of the log: applied + parked + not concerned = events in the log, up to its place.

    ``place`` is the newest event that it has dealt with. A view that is kept from the partitions of a topic may have
    dealt with fewer than all before that one, while a partition is behind.
    """

    projection: str
    place: int
    applied: int = 0
    parked: int = 0
    not_concerned: int = 0

    @property
    def dealt_with(self) -> int:
        """How many events it accounts for."""
        return self.applied + self.parked + self.not_concerned


@dataclass
class Report:
    """What a verification found. ``faults`` are in the order of the log."""

    events: int = 0
    head: int = 0
    last_leaf: str = ""
    #: Committed events that wait for their place in the log: not checked yet.
    unplaced: int = 0
    faults: list[Fault] = field(default_factory=list)
    fault_count: int = 0
    projections: list[Completeness] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return self.fault_count == 0

    def add(self, fault: Fault) -> None:
        self.fault_count += 1
        if len(self.faults) < NAMED:
            self.faults.append(fault)
