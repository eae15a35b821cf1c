"""Every view there is, in the order they are shown. A new view is one file and one line here."""

from __future__ import annotations

from typing import Any

from ledger.projections.access_audit import access_audit
from ledger.projections.base import Projection
from ledger.projections.billing import billing
from ledger.projections.broken_glass import broken_glass
from ledger.projections.caseload import caseload
from ledger.projections.coverage import coverage
from ledger.projections.policies import policies
from ledger.projections.staffing import staffing
from ledger.projections.supervision import supervision
from ledger.projections.timeline import timeline
from ledger.projections.timeliness import timeliness
from ledger.projections.utilisation import utilisation, utilisation_reviews

PROJECTIONS: tuple[Projection[Any], ...] = (
    access_audit,
    broken_glass,
    caseload,
    timeline,
    policies,
    timeliness,
    billing,
    coverage,
    staffing,
    supervision,
    utilisation,
    utilisation_reviews,
)


def find_projection(name: str) -> Projection[Any] | None:
    """A view by its name."""
    return next((projection for projection in PROJECTIONS if projection.name == name), None)
