"""Content that opens only with a consent of its own (42 CFR Part 2): what it is known by, as dated data."""

from __future__ import annotations

from datetime import date
from functools import cache

import msgspec

from ledger.policies.provenance import Provenance, load_data


class Segment(Provenance, frozen=True, kw_only=True):
    """One kind of such content."""

    name: str
    programs: tuple[str, ...]
    diagnoses: tuple[str, ...]
    #: What goes with every release of it.
    notice: str
    reason: str


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    segment: tuple[Segment, ...]


@cache
def segments_on(day: date) -> tuple[Segment, ...]:
    """The kinds of such content that there are on a day."""
    return tuple(row for row in load_data("segments", _Table).segment if row.in_force(day))


@cache
def segment_names() -> frozenset[str]:
    """The names of all that there ever were."""
    return frozenset(row.name for row in load_data("segments", _Table).segment)


@cache
def diagnoses_of(segments: frozenset[str]) -> tuple[str, ...]:
    """How the codes of diagnoses begin that belong to these segments."""
    return tuple(
        code for row in load_data("segments", _Table).segment if row.name in segments for code in row.diagnoses
    )
