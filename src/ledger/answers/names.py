"""Staff members by name, where the record has ids; from the record itself, checked as it is read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ledger.aggregates.staff import Staff
from ledger.answers.asking import Asking
from ledger.store.checked import check_leaf


@dataclass
class Names:
    """The staff members by id, to put names where the record has ids."""

    known: dict[str, str] = field(default_factory=dict)

    def __call__(self, identifier: str) -> str:
        name = self.known.get(identifier)
        return identifier if name is None else f"{name} ({identifier[:8]})"

    def whole(self, identifier: str) -> str:
        """The name with the whole id, where one is shown to be asked for again."""
        name = self.known.get(identifier)
        return identifier if name is None else f"{name} ({identifier})"


def names_of(asking: Asking, *shown: Any) -> Names:
    """The names of the staff members whose ids stand anywhere in what is shown; their events are checked as well."""
    unit = asking.ledger.unit()
    known: dict[str, str] = {}
    for text in sorted(set(_ids(msgspec.to_builtins(shown)))):
        staff = unit.find(Staff, text)
        if staff is not None:
            for row in asking.recorder.read_stream(text):
                check_leaf(row)
            known[text] = staff.name
    return Names(known)


#: The fields that hold a staff member's id.
_STAFF_FIELDS = frozenset(
    ("actor", "staff_id", "author_id", "signer_id", "opened_by", "decided_by", "reader_id", "co_leaders")
)


def _ids(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in _STAFF_FIELDS:
                yield from [inner] if isinstance(inner, str) else inner
            else:
                yield from _ids(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _ids(inner)
