"""A month of billing rows, joined with what no single row can know: the chart's details, and the other services.

Repeats of a code on a day are combined as the agency adopted it (BILL-COMBINE); overlapping times of a provider,
lockouts, ceilings and add-ons become blocks of the services they concern. What is worked out here stays sealed until a
grant names every chart in it (design §6.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any, Literal, TypeVar

import msgspec
from sqlalchemy import Connection, select

from ledger.aggregates.policy import PolicyAdopted, PolicyRetired
from ledger.grants import Grant
from ledger.policies.adoptable import COMBINE_RULE
from ledger.policies.adoption import Adoption, holding_adoption
from ledger.policies.billing import (
    BillingLine,
    Block,
    DayFinding,
    ServiceFacts,
    combine_same_day,
    day_findings,
    provider_day,
)
from ledger.policies.billing_programs import finding
from ledger.projections.base import Line, Projection
from ledger.projections.billing import BillingRow, EventReference, Status, billing, facts_of, line_of
from ledger.projections.coverage import Coverage, coverage
from ledger.projections.policies import AdoptedPolicy, in_order, policies
from ledger.projections.seen import shows_service, without_shut

R = TypeVar("R", bound=msgspec.Struct)
_DAY = timedelta(days=1)


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The claim line a service is part of: every service on it, and its units, which count once for all of them."""

    contact_ids: tuple[str, ...]
    units: int
    unit_words: str
    reading: str
    steps: tuple[str, ...]


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A billing row as it stands among the others of its day; its own units are in ``row``, the line's in ``claim``."""

    row: BillingRow
    status: Status
    claim: Claim
    diagnoses: tuple[str, ...]
    payer_id: str | None
    blocks: tuple[Block, ...]
    flags: tuple[Block, ...]
    steps: tuple[str, ...]
    related: tuple[str, ...]

    @property
    def leads(self) -> bool:
        """Whether this service is the one its claim line is counted with."""
        return self.claim.contact_ids[0] == self.row.contact_id


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a row said at the earlier moment and says otherwise now."""

    field: str
    before: str
    after: str


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A service whose row differs between two moments. ``events`` are those that made the difference.

    ``own`` is False when no event of the service itself did: then they belong to the chart, to another service of the
    day, or to the agency's policy.
    """

    contact_id: str
    client_id: str
    differences: tuple[Difference, ...]
    events: tuple[EventReference, ...]
    own: bool
    before: Service | None
    after: Service | None


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What a month is worked out from: its rows and those of the days beside it, the charts' details, the policies."""

    rows: tuple[BillingRow, ...]
    details: dict[str, Coverage]
    adoptions: tuple[Adoption, ...]
    policy_events: tuple[EventReference, ...] = ()


class Sealed:
    """Services that may be read only with a grant that names ``charts``."""

    def __init__(self, services: Iterable[Service], named: Mapping[str, str]) -> None:
        self._services = [(s, {s.row.client_id, *(named[c] for c in s.related if c in named)}) for s in services]
        self.charts = frozenset(chart_id for _, speaks_of in self._services for chart_id in speaks_of)

    def open(self, grant: Grant) -> tuple[Service, ...]:
        """The services, without those that the reader may not see; raises ``NotGranted`` for a chart of no access."""
        opened = {chart_id for chart_id in sorted(self.charts) if grant.opens(chart_id)}
        shown = (service for service, speaks_of in self._services if speaks_of <= opened)
        return tuple(_shown(grant, service) for service in shown if shows_service(grant, service.row))


def _shown(grant: Grant, service: Service) -> Service:
    """The service without the diagnoses that stay shut to the reader."""
    limits = grant.limits_of(service.row.client_id)
    row = msgspec.structs.replace(service.row, diagnoses=without_shut(service.row.diagnoses, limits))
    return msgspec.structs.replace(service, row=row, diagnoses=without_shut(service.diagnoses, limits))


def live_record(connection: Connection, first: date, last: date, *, also: Iterable[str] = ()) -> Record:
    """What the live views hold for a span of days (both included) and the days beside it.

    ``also`` names contacts to take along wherever they are now: those that stood in the span at an earlier moment.
    """
    view = billing.view
    around = view.c.service_day.between((first - _DAY).isoformat(), (last + _DAY).isoformat())
    rows = {row.contact_id: row for row in _read(connection, billing, select(view).where(around))}
    for some in _chunks(set(also) - rows.keys()):
        found = _read(connection, billing, select(view).where(view.c.contact_id.in_(some)))
        rows.update({row.contact_id: row for row in found})
    details: dict[str, Coverage] = {}
    for some in _chunks({row.client_id for row in rows.values()}):
        charts = _read(connection, coverage, select(coverage.view).where(coverage.view.c.client_id.in_(some)))
        details.update({one.client_id: one for one in charts})
    found_policies = connection.execute(select(policies.view)).mappings()
    adopted = [policies.from_columns(dict(values)) for values in found_policies]
    return record_of(rows.values(), details.values(), adopted, first, last, also=also)


def record_of(
    rows: Iterable[BillingRow],
    details: Iterable[Coverage],
    adopted: Iterable[Line[AdoptedPolicy]],
    first: date,
    last: date,
    *,
    also: Iterable[str] = (),
) -> Record:
    """The part of some rows that a span of days needs, whether the rows are live or as known at an earlier moment."""
    taken = set(also)
    low, high = (first - _DAY).isoformat(), (last + _DAY).isoformat()
    kept = [row for row in rows if low <= row.service_day <= high or row.contact_id in taken]
    charts = {row.client_id for row in kept}
    combining = [line for line in adopted if line.row.rule_id == COMBINE_RULE]
    return Record(
        rows=tuple(sorted(kept, key=lambda row: (row.service_day, row.started_at, row.contact_id))),
        details={one.client_id: one for one in details if one.client_id in charts},
        adoptions=in_order(combining),
        policy_events=tuple(event for line in combining for event in _policy_events(line)),
    )


def _policy_events(line: Line[AdoptedPolicy]) -> Iterator[EventReference]:
    """An adoption's stream holds its adoption and, once, its end."""
    row = line.row
    yield EventReference(
        event_id=f"{row.policy_id}@1",
        type=PolicyAdopted.TYPE,
        position=line.first_position,
        recorded_at=row.recorded_at,
    )
    if row.last_day is not None:
        yield EventReference(
            event_id=f"{row.policy_id}@2", type=PolicyRetired.TYPE, position=line.last_position, recorded_at=None
        )


def _read(connection: Connection, projection: Projection[R], statement: Any) -> list[R]:
    return [projection.from_columns(dict(values)).row for values in connection.execute(statement).mappings()]


def _chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    listed = sorted(ids)
    for start in range(0, len(listed), 200):
        yield listed[start : start + 200]


def services_of(record: Record) -> list[Service]:
    """Every billable service of the record beside the others of its day, in the order of day, client and start."""
    billable = [row for row in record.rows if row.status != "not-billable"]
    facts = {row.contact_id: _facts(row, record) for row in billable}
    found: dict[str, list[DayFinding]] = {}
    _note(found, provider_day(list(facts.values())))
    lines = {
        row.contact_id: _blocked_by(line_of(row, facts[row.contact_id]), found.get(row.contact_id, ()))
        for row in billable
    }
    claims, readings = _combined(list(lines.values()), facts, record.adoptions)
    claim_of = {contact: line for line in claims for contact in line.contact_ids}
    _note(found, day_findings(claims))
    made: list[Service] = []
    for row in billable:
        contact, details = row.contact_id, record.details.get(row.client_id)
        payer_id = row.cin or (details.cin if details else None)
        made.append(_service(row, facts[contact], lines[contact], claim_of.get(contact), readings, found, payer_id))
    return sorted(made, key=lambda s: (s.row.service_day, s.row.client_id, s.row.started_at, s.row.contact_id))


def month_page(
    record: Record,
    first: date,
    last: date,
    *,
    staff_id: str | None = None,
    client_id: str | None = None,
    status: Literal["claimable", "blocked"] | None = None,
) -> Sealed:
    """The services of some days (both included), of one worker, one client or one status if asked."""
    chosen = [
        service
        for service in services_of(record)
        if first.isoformat() <= service.row.service_day <= last.isoformat()
        and staff_id in (None, service.row.staff_id)
        and client_id in (None, service.row.client_id)
        and status in (None, service.status)
    ]
    return Sealed(chosen, {row.contact_id: row.client_id for row in record.rows})


def changes_between(before: Iterable[Service], after: Iterable[Service], then: Record, now: Record) -> list[Change]:
    """What differs between two moments, service by service, with the events that made the difference."""
    old = {service.row.contact_id: service for service in before}
    new = {service.row.contact_id: service for service in after}
    changes: list[Change] = []
    for contact in sorted(old.keys() | new.keys(), key=lambda c: _order(new.get(c) or old[c])):
        was, now_is = old.get(contact), new.get(contact)
        told_before, told_after = _told(was), _told(now_is)
        if was is None or now_is is None:
            told_before, told_after = {"row": told_before["row"]}, {"row": told_after["row"]}
        differences = tuple(
            Difference(field=name, before=told_before.get(name, "none"), after=told_after.get(name, "none"))
            for name in dict.fromkeys((*told_before, *told_after))
            if told_before.get(name) != told_after.get(name)
        )
        if differences:
            events, own = _causes(contact, was, now_is, then, now)
            client = (now_is or old[contact]).row.client_id
            changes.append(
                Change(
                    contact_id=contact,
                    client_id=client,
                    differences=differences,
                    events=events,
                    own=own,
                    before=was,
                    after=now_is,
                )
            )
    return changes


def _facts(row: BillingRow, record: Record) -> ServiceFacts:
    details = record.details.get(row.client_id)
    if details is None:
        return facts_of(row)
    day = date.fromisoformat(row.service_day)
    return facts_of(row, cin=details.cin, diagnoses=details.diagnoses_on(day), age=details.age_on(day))


def _note(found: dict[str, list[DayFinding]], findings: Iterable[DayFinding]) -> None:
    for one in findings:
        for contact in one.contact_ids:
            found.setdefault(contact, []).append(one)


def _blocked_by(line: BillingLine, findings: Iterable[DayFinding]) -> BillingLine:
    """The line with what its provider's day has against it, so that no claim line takes its minutes along."""
    judged = (finding(one.code, one.words, one.source, line.service_date) for one in findings)
    blocks = tuple(block for block, _ in judged if block is not None)
    return msgspec.structs.replace(line, blocks=(*line.blocks, *blocks))


def _combined(
    lines: list[BillingLine], facts: Mapping[str, ServiceFacts], adopted_policies: tuple[Adoption, ...]
) -> tuple[list[BillingLine], dict[str, str]]:
    """Each day's repeats as claim lines under the adopted reading, and which reading that was for each service."""
    under: dict[tuple[str | None, date], list[BillingLine]] = {}
    readings: dict[str, str] = {}
    for line in lines:
        program = facts[line.contact_ids[0]].program
        adopted = holding_adoption(adopted_policies, COMBINE_RULE, program, line.service_date)
        under.setdefault((adopted.reading if adopted else None, line.service_date), []).append(line)
        words = (
            f"{adopted.reading}, adopted from {adopted.effective_from}" if adopted else "the table's default reading"
        )
        readings[line.contact_ids[0]] = words
    return [made for (reading, _), own in under.items() for made in combine_same_day(own, reading)], readings


def _service(
    row: BillingRow,
    facts: ServiceFacts,
    own: BillingLine,
    claim: BillingLine | None,
    readings: Mapping[str, str],
    found: Mapping[str, list[DayFinding]],
    payer_id: str | None,
) -> Service:
    line = claim or own
    combined = len(line.contact_ids) > 1
    about = found.get(row.contact_id, [])
    judged = [finding(one.code, one.words, one.source, facts.service_date) for one in about]
    # What the provider's day has against the service stands in its own line already.
    blocks = tuple(dict.fromkeys((*line.blocks, *(block for block, _ in judged if block is not None))))
    said = [flag for _, flag in judged if flag is not None]
    # What is flagged of the whole day stands for what the line says of itself alone.
    flags = (*(flag for flag in line.flags if flag.code not in {one.code for one in said}), *said)
    status: Status = "void" if row.in_error else ("blocked" if blocks else "claimable")
    reading = readings.get(row.contact_id, "")
    related = {contact for one in about for contact in one.contact_ids} | set(line.contact_ids)
    return Service(
        row=row,
        status=status,
        claim=Claim(
            contact_ids=line.contact_ids,
            units=line.units,
            unit_words=line.unit_words,
            reading=reading,
            steps=(*line.steps, f"repeats combined under {reading}") if combined else (),
        ),
        diagnoses=facts.diagnoses,
        payer_id=payer_id,
        blocks=blocks,
        flags=flags,
        steps=(row.steps[0], *own.steps) if row.steps else own.steps,
        related=tuple(sorted(related - {row.contact_id})),
    )


def _order(service: Service) -> tuple[str, str, str]:
    return service.row.service_day, service.row.client_id, service.row.contact_id


def _told(service: Service | None) -> dict[str, str]:
    """What a biller would have sent or held back for a service, field by field, in words."""
    if service is None:
        return {"row": "not on the page"}
    row = service.row
    return {
        "row": "on the page",
        "status": service.status,
        "service_day": row.service_day,
        "times": f"{row.started_at} to {row.ended_at}",
        "direct_minutes": str(row.direct_minutes),
        "code": row.code or "none",
        "modifiers": ", ".join(row.modifiers) or "none",
        "place": row.place,
        "delivery": row.delivery,
        "claim_units": str(service.claim.units),
        "claim_services": ", ".join(service.claim.contact_ids),
        "signer": ", ".join((row.signer_name or "nobody", row.credential or "none", row.taxonomy or "no taxonomy")),
        "payer_id": service.payer_id or "none",
        "diagnoses": ", ".join(service.diagnoses) or "none",
        "blocks": "; ".join(f"{block.code}: {block.words}" for block in service.blocks) or "none",
        "flags": "; ".join(f"{flag.code}: {flag.words}" for flag in service.flags) or "none",
    }


def _causes(
    contact: str, was: Service | None, now_is: Service | None, then: Record, now: Record
) -> tuple[tuple[EventReference, ...], bool]:
    """The events after the earlier moment: the service's own, or those of what it depends on."""
    earlier = {row.contact_id: row for row in then.rows}
    later = {row.contact_id: row for row in now.rows}

    def fresh(one: str) -> list[EventReference]:
        known = {event.event_id for event in earlier[one].events} if one in earlier else set()
        row = later.get(one)
        return [] if row is None else [event for event in row.events if event.event_id not in known]

    own = fresh(contact)
    if own:
        return tuple(own), True
    found: dict[str, EventReference] = {}
    for service in (was, now_is):
        for other in service.related if service else ():
            found.update({event.event_id: event for event in fresh(other)})
        if service is not None:
            before, after = then.details.get(service.row.client_id), now.details.get(service.row.client_id)
            known = {event.event_id for event in before.events} if before else set()
            found.update({e.event_id: e for e in (after.events if after else ()) if e.event_id not in known})
    known = {event.event_id for event in then.policy_events}
    found.update({e.event_id: e for e in now.policy_events if e.event_id not in known})
    return tuple(sorted(found.values(), key=lambda event: event.position)), False
