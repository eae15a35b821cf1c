"""Provider classes, and the taxonomy codes that go with them on a claim.

A code table says who may provide a service by naming classes (``mhrs``) or groups of classes (``broad``); this file
expands the names and checks a ten-character taxonomy code against its class. All of it is data (taxonomy.toml).
Source: the codes and taxonomy tables of specialty mental health services; each row has its own confidence.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import cache, lru_cache

import msgspec

from ledger.policies.provenance import Provenance, load_data


class ProviderClass(Provenance, frozen=True, kw_only=True):
    """A kind of provider that code tables speak of; ``lpha`` marks licensed practitioners of the healing arts."""

    id: str
    name: str
    lpha: bool


class ClassGroup(Provenance, frozen=True, kw_only=True):
    """A name for several classes, such as ``broad``."""

    id: str
    members: tuple[str, ...]


class TaxonomyRow(Provenance, frozen=True, kw_only=True):
    """The first four characters of taxonomy codes for a class, or for some credential kinds of it."""

    provider_class: str
    prefixes: tuple[str, ...]
    systems: tuple[str, ...]
    kinds: tuple[str, ...] = ()


class _Tables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    classes: tuple[ProviderClass, ...] = msgspec.field(name="class")
    groups: tuple[ClassGroup, ...] = msgspec.field(name="group")
    taxonomy: tuple[TaxonomyRow, ...]


class TaxonomyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a taxonomy code fits; ``fits`` is None when the table holds no prefix for the class."""

    fits: bool | None
    steps: tuple[str, ...]
    source: str


@cache
def _tables() -> _Tables:
    return load_data("taxonomy", _Tables)


@lru_cache(maxsize=8192)
def provider_classes(day: date) -> tuple[ProviderClass, ...]:
    """The classes in force on ``day``, in the table's order."""
    return tuple(row for row in _tables().classes if row.in_force(day))


@lru_cache(maxsize=8192)
def class_named(provider_class_id: str, day: date) -> ProviderClass | None:
    """The class of that id in force on ``day``, or None."""
    return next((row for row in provider_classes(day) if row.id == provider_class_id), None)


def expand_classes(names: Iterable[str], day: date) -> frozenset[str]:
    """The class ids that ``names`` stands for, groups opened. Raises ``ValueError`` for a name in neither table."""
    return _expanded(tuple(names), day)


@lru_cache(maxsize=8192)
def _expanded(names: tuple[str, ...], day: date) -> frozenset[str]:
    classes = {row.id for row in provider_classes(day)}
    groups = {row.id: row.members for row in _tables().groups if row.in_force(day)}
    found: set[str] = set()
    for name in names:
        if name in groups:
            found.update(groups[name])
        elif name in classes:
            found.add(name)
        else:
            raise ValueError(f"{name} is neither a provider class nor a group of classes on {day.isoformat()}")
    return frozenset(found)


@lru_cache(maxsize=8192)
def check_taxonomy(
    taxonomy: str, provider_class_id: str, credential_kind: str | None, system: str, day: date
) -> TaxonomyAnswer:
    """Whether the taxonomy code's first four characters belong to the class (and kind, where the table has one)."""
    rows = [
        row
        for row in _tables().taxonomy
        if row.in_force(day) and row.provider_class == provider_class_id and system in row.systems
    ]
    exact = [row for row in rows if credential_kind is not None and credential_kind in row.kinds]
    # A kind without a row of its own may use any prefix of its class.
    chosen = exact or rows
    if not chosen:
        words = f"no taxonomy prefix is held for class {provider_class_id} in {system}; {taxonomy} was not checked"
        return TaxonomyAnswer(fits=None, steps=(words,), source="taxonomy table: no row")
    prefixes = tuple(prefix for row in chosen for prefix in row.prefixes)
    whose = credential_kind if exact else provider_class_id
    source = "; ".join(dict.fromkeys(f"{row.source} (confidence {row.confidence})" for row in chosen))
    fits = taxonomy[:4] in prefixes
    words = f"{taxonomy} begins {taxonomy[:4]}; {whose} has {', '.join(prefixes)}: {'it fits' if fits else 'no match'}"
    return TaxonomyAnswer(fits=fits, steps=(words,), source=source)
