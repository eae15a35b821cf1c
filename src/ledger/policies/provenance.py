"""Where a rule comes from, and how sure we are of it.

Every row of every data file under ``policies/data`` carries these fields, so that a person who configures a
rule sees its source beside it, and a county replaces a row, never a function.
"""

from __future__ import annotations

from datetime import date
from importlib import resources
from typing import Literal, TypeVar

import msgspec

#: ``S`` primary text seen; ``s`` secondary summary seen; ``H``/``M``/``L`` general knowledge of high, medium
#: or low confidence, not confirmed.
Confidence = Literal["S", "s", "H", "M", "L"]


class Provenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The source of one row of rule data."""

    source: str
    confidence: Confidence
    effective_from: date
    effective_to: date | None = None  # the last day on which the row applies; None while it still does

    def in_force(self, day: date) -> bool:
        """Whether the row applies on ``day`` (both ends included)."""
        return self.effective_from <= day and (self.effective_to is None or day <= self.effective_to)


T = TypeVar("T")


def load_data(name: str, into: type[T]) -> T:
    """Read ``policies/data/<name>.toml`` into the given type; a row that does not fit raises, naming its place."""
    text = resources.files("ledger.policies").joinpath("data", f"{name}.toml").read_text(encoding="utf-8")
    return msgspec.toml.decode(text, type=into)
