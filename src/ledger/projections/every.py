"""Every view there is, in the order they are shown. A new view is one file and one line here."""

from __future__ import annotations

from typing import Any

from ledger.projections.base import Projection
from ledger.projections.caseload import caseload

PROJECTIONS: tuple[Projection[Any], ...] = (caseload,)


def find_projection(name: str) -> Projection[Any] | None:
    """A view by its name."""
    return next((projection for projection in PROJECTIONS if projection.name == name), None)
