"""Adopted policies: which reading of which rule the agency goes by, for whom, from when to when.

One row an adoption. Views of charts never hold what an agency adopted, since their rows depend on one chart only: their
queries join it from here, by the date of the service (design §1.9).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import msgspec
from sqlalchemy import Connection, select

from ledger.aggregates.policy import PolicyAdopted, PolicyRetired
from ledger.policies.adoption import Adoption
from ledger.projections.base import Happened, Key, Line, Projection


class AdoptedPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """One adoption; ``program`` empty is the whole agency, ``last_day`` empty while it lasts. Days are ISO dates."""

    policy_id: str
    rule_id: str
    reading: str
    version: str
    program: str | None
    effective_from: str
    last_day: str | None
    recorded_at: str
    reason: str
    retired_reason: str | None
    retired_recorded_at: str | None = None

    def adoption(self) -> Adoption:
        """The row as :mod:`ledger.policies.adoption` takes it."""
        return Adoption(
            rule_id=self.rule_id,
            reading=self.reading,
            version=self.version,
            effective_from=date.fromisoformat(self.effective_from),
            retired_on=None if self.last_day is None else date.fromisoformat(self.last_day) + timedelta(days=1),
            program=self.program,
            recorded_at=self.recorded_at,
            retired_recorded_at=self.retired_recorded_at or "",
        )


policies = Projection("policies", 2, AdoptedPolicy, key=("policy_id",), indexes=(("rule_id",),))


@policies.on(PolicyAdopted, keys=lambda h: [(h.stream_id,)])
def adopted(row: AdoptedPolicy | None, happened: Happened[PolicyAdopted], key: Key) -> AdoptedPolicy:
    event = happened.event
    return AdoptedPolicy(
        policy_id=happened.stream_id,
        rule_id=event.rule_id,
        reading=event.reading,
        version=event.policy_version,
        program=event.program,
        effective_from=event.effective_from.isoformat(),
        last_day=None,
        recorded_at=happened.recorded_at,
        reason=event.reason,
        retired_reason=None,
    )


@policies.on(PolicyRetired, keys=lambda h: [(h.stream_id,)])
def retired(row: AdoptedPolicy | None, happened: Happened[PolicyRetired], key: Key) -> AdoptedPolicy:
    if row is None:
        raise LookupError("retired before it was adopted")
    event = happened.event
    return msgspec.structs.replace(
        row,
        last_day=event.last_day.isoformat(),
        retired_reason=event.reason,
        retired_recorded_at=happened.recorded_at,
    )


def in_order(lines: Iterable[Line[AdoptedPolicy]]) -> tuple[Adoption, ...]:
    """Adoptions in the order in which they were recorded, which decides between two of the same day."""
    return tuple(line.row.adoption() for line in sorted(lines, key=lambda line: line.first_position))


def adoptions(connection: Connection) -> tuple[Adoption, ...]:
    """Every adoption of the agency, in the order in which they were recorded. They belong to no chart."""
    found = connection.execute(select(policies.view)).mappings()
    return in_order(policies.from_columns(dict(values)) for values in found)
