"""Which documents there are, and what each must contain: data, so that a new kind of document is a row.

Sources: PSC-9 (PIRP), CSS-4 (six functions of crisis intervention), CSS-7 (documents of community support).
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

import msgspec

from ledger.policies.provenance import Provenance, load_data


class Document(Provenance, frozen=True, kw_only=True):
    """One kind of document: the sections that signing requires, and whether it must cite the treatment plan."""

    name: str
    title: str
    sections: tuple[str, ...]
    cites_plan: bool
    unknown_allowed: bool = False


class ContactKind(Provenance, frozen=True, kw_only=True):
    """One kind of contact, and the document that records it."""

    name: str
    title: str
    document: str
    billable: bool


class _Documents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    document: tuple[Document, ...]
    contact: tuple[ContactKind, ...]


@cache
def _data() -> _Documents:
    return load_data("documents", _Documents)


@cache
def documents() -> dict[str, Document]:
    """Every kind of document, by name."""
    return {row.name: row for row in _data().document}


@cache
def contact_kinds() -> dict[str, ContactKind]:
    """Every kind of contact, by name."""
    return {row.name: row for row in _data().contact}


def in_order(sections: Collection[str], document: str | None = None) -> list[str]:
    """Sections as the document has them, one after the other; any that it does not have come last.

    Where the document is not known, it is the first kind that has all of these sections.
    """
    of_kind = documents().get(document or "")
    if of_kind is None:
        of_kind = next((kind for kind in documents().values() if set(sections) <= set(kind.sections)), None)
    known = of_kind.sections if of_kind else ()
    return [name for name in known if name in sections] + [name for name in sections if name not in known]


def missing_sections(document: Document, sections: dict[str, str]) -> tuple[str, ...]:
    """The required sections that are empty; "not known" counts as filled where the document allows it (CSS-4)."""
    return tuple(name for name in document.sections if not sections.get(name, "").strip())
