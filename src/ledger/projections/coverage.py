"""What a claim needs of the chart itself: the payer's id, the birth date, the diagnoses with their days.

A contact keeps what was known when it was recorded; a payer's id or a diagnosis that came later is joined from here, so
that adding it unblocks the services that lacked it. Source: domain facts A (837P).
"""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from ledger.aggregates.client_events import (
    ClientDetailsCorrected,
    ClientRegistered,
    DiagnosisRecorded,
    DiagnosisResolved,
)
from ledger.projections.base import Happened, Key, Projection
from ledger.projections.billing import EventReference, reference


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """A diagnosis on the chart's list; ``resolved_on`` is its last day."""

    diagnosis_id: str
    code: str
    onset: date
    resolved_on: date | None = None


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """One client's details that stand on a claim. ``birth_date`` is an ISO date."""

    client_id: str
    cin: str | None
    birth_date: str
    diagnoses: tuple[Diagnosis, ...] = ()
    events: tuple[EventReference, ...] = ()

    def age_on(self, day: date) -> int:
        """Whole years on a day."""
        born = date.fromisoformat(self.birth_date)
        return day.year - born.year - ((day.month, day.day) < (born.month, born.day))

    def diagnoses_on(self, day: date) -> tuple[str, ...]:
        """The codes on the list on a day, in the order they were recorded."""
        return tuple(
            one.code
            for one in self.diagnoses
            if one.onset <= day and (one.resolved_on is None or day <= one.resolved_on)
        )


coverage = Projection("coverage", 1, Coverage, key=("client_id",))


def _by_chart(happened: Happened[Any]) -> list[Key]:
    return [(happened.stream_id,)]


def _with(row: Coverage | None, happened: Happened[Any], **changes: Any) -> Coverage:
    if row is None:
        raise LookupError("details of a client who was not registered")
    return msgspec.structs.replace(row, events=(*row.events, reference(happened)), **changes)


@coverage.on(ClientRegistered, keys=_by_chart)
def registered(row: Coverage | None, happened: Happened[ClientRegistered], key: Key) -> Coverage:
    event = happened.event
    fresh = Coverage(client_id=happened.stream_id, cin=event.cin, birth_date=event.birth_date.isoformat())
    return _with(fresh, happened)


@coverage.on(ClientDetailsCorrected, keys=_by_chart)
def corrected(row: Coverage | None, happened: Happened[ClientDetailsCorrected], key: Key) -> Coverage:
    event = happened.event
    changes: dict[str, Any] = {}
    if event.cin is not None:
        changes["cin"] = event.cin
    if event.birth_date is not None:
        changes["birth_date"] = event.birth_date.isoformat()
    return _with(row, happened, **changes)


@coverage.on(DiagnosisRecorded, keys=_by_chart)
def diagnosed(row: Coverage | None, happened: Happened[DiagnosisRecorded], key: Key) -> Coverage:
    event = happened.event
    found = Diagnosis(diagnosis_id=event.diagnosis_id, code=event.code, onset=event.onset)
    return _with(row, happened, diagnoses=(*(row.diagnoses if row else ()), found))


@coverage.on(DiagnosisResolved, keys=_by_chart)
def resolved(row: Coverage | None, happened: Happened[DiagnosisResolved], key: Key) -> Coverage:
    event = happened.event
    listed = tuple(
        msgspec.structs.replace(one, resolved_on=event.resolved_on) if one.diagnosis_id == event.diagnosis_id else one
        for one in (row.diagnoses if row else ())
    )
    return _with(row, happened, diagnoses=listed)
