"""Which code systems diagnoses may be recorded in: data, so that a new one is a row.

Sources: BHIN 23-068 (the problem list), domain facts A (837P).
"""

from __future__ import annotations

from datetime import date
from functools import cache

import msgspec

from ledger.policies.provenance import Provenance, load_data


class CodeSystem(Provenance, frozen=True, kw_only=True):
    """One code system with every name it goes by."""

    id: str
    names: tuple[str, ...]
    title: str


class _Systems(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    system: tuple[CodeSystem, ...]


@cache
def _systems() -> tuple[CodeSystem, ...]:
    return load_data("code_systems", _Systems).system


def code_systems(day: date) -> tuple[str, ...]:
    """Every name of a code system that may be recorded on a day."""
    return tuple(name for row in _systems() if row.in_force(day) for name in row.names)
