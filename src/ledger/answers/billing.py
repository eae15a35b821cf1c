"""A month's billable services: what each would be claimed as, and what blocks it; and what has changed of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from ledger.aggregates.vocabulary import Moment
from ledger.answers.ask import Answer, Ask, AsKnownAt, MonthName, OfClient, OfStaff
from ledger.answers.asking import Asking, Shown
from ledger.answers.billing_told import (
    Told,
    change_data,
    change_lines,
    changes_title,
    proposed,
    row_data,
    rows_title,
    service_lines,
    totals_lines,
    totals_of,
)
from ledger.answers.known import Known, fold_until, known_at, parked_keys, refuse_future
from ledger.answers.named import check_known
from ledger.answers.period import Span, span_asked
from ledger.answers.query import Query
from ledger.projections.billing import billing as billing_view
from ledger.projections.billing_page import Record, changes_between, live_record, month_page, record_of
from ledger.projections.coverage import coverage
from ledger.projections.policies import policies
from ledger.projections.staffing import StaffMember, live_staff, staffing

_VIEWS = (billing_view, coverage, policies)
Only = Literal["claimable", "blocked"]


class AskBillingRows(Ask, frozen=True, kw_only=True):
    """A month's billable services: units with the arithmetic, code, modifiers, place, signer, and every block.

    Repeats of a code by one provider for one client on one day are one claim line, combined as the agency adopted it
    (BILL-COMBINE); its units stand with its first service. What is shown is recorded as an access to every chart on
    the page, before it is shown.
    """

    NAME = "billing rows"
    month: MonthName
    staff_id: OfStaff = None
    client_id: OfClient = None
    claimable: Annotated[bool, msgspec.Meta(description="Only services that may be claimed.")] = False
    blocked: Annotated[bool, msgspec.Meta(description="Only services that something blocks.")] = False
    as_known_at: AsKnownAt = None


class AskBillingChanges(Ask, frozen=True, kw_only=True):
    """What has changed of a month's billable services since a time, and which events did it."""

    NAME = "billing changes"
    COMMAND = "billing rows"
    month: MonthName
    staff_id: OfStaff = None
    client_id: OfClient = None
    as_known_at: AsKnownAt = None
    changed_since: Annotated[Moment, msgspec.Meta(description="Only what has changed since this time.")]


class BillingRowsShown(msgspec.Struct, frozen=True, kw_only=True):
    """What ``ledger --json billing rows`` prints."""

    as_known_at: datetime | None
    month: str
    #: The charts and staff members whose rows stand still, each with the reason.
    parked: dict[str, str]
    position: int
    #: The row's own fields, and what the day and the chart's details make of it.
    rows: tuple[dict[str, Any], ...]
    #: Services, units and minutes by status.
    totals: dict[str, Any]


class BillingChangesShown(msgspec.Struct, frozen=True, kw_only=True):
    """What ``ledger --json billing rows --changed-since`` prints."""

    as_known_at: datetime | None
    changed_since: datetime
    changes: tuple[dict[str, Any], ...]
    month: str
    parked: dict[str, str]


def _billing_rows(asking: Asking, ask: AskBillingRows) -> Answer:
    if ask.claimable and ask.blocked:
        one, other = asking.called("claimable"), asking.called("blocked")
        raise asking.refused("blocked", f"give {one} or {other}, not both; leave both out to see every service")
    only: Only | None = "claimable" if ask.claimable else "blocked" if ask.blocked else None
    asking.actor  # noqa: B018 - refuse before any work when nobody says who reads
    span = span_asked(asking, ask.month)
    refuse_future(asking, "as-known-at", ask.as_known_at)
    check_known(asking, staff_id=ask.staff_id, client_id=ask.client_id)
    asking.catch_up()
    now, parked, shown = _now(asking, span, ask.as_known_at, None)
    staff = _staff(asking)
    page = month_page(now, span.first, span.last, staff_id=ask.staff_id, client_id=ask.client_id, status=only)
    resource = _resource(asking, "billing rows", span)
    grant = asking.grant(page.charts, resource, as_known_at=ask.as_known_at, shown=shown)
    services = page.open(grant)
    totals = totals_of(services)
    told = Told(
        title=rows_title(span, ask.as_known_at, asking.ledger.zone),
        heading="Day, time, client, code, units, minutes, place, signer",
        columns=f"{'day':10} {'time':11} {'client':8} {'code':11} {'units':>5} {'min':>4} {'at':2}  signer",
        entries=[service_lines(service, staff) for service in services],
        what=" services",
        parked=parked,
        empty="none in this month",
        closing=[proposed(services), totals_lines(totals)],
    )
    data = BillingRowsShown(
        as_known_at=ask.as_known_at,
        month=span.name,
        parked=parked,
        position=grant.position,
        rows=tuple(row_data(service) for service in services),
        totals=totals,
    )
    return Answer(data=data, text=told.text, page=told.page, access_id=grant.access_id, position=grant.position)


def _billing_changes(asking: Asking, ask: AskBillingChanges) -> Answer:
    if ask.as_known_at is not None and ask.changed_since > ask.as_known_at:
        raise asking.refused("changed-since", f"it lies after {asking.called('as-known-at')}; swap the two times")
    asking.actor  # noqa: B018 - refuse before any work when nobody says who reads
    span = span_asked(asking, ask.month)
    refuse_future(asking, "as-known-at", ask.as_known_at)
    refuse_future(asking, "changed-since", ask.changed_since)
    check_known(asking, staff_id=ask.staff_id, client_id=ask.client_id)
    asking.catch_up()
    known = fold_until(asking, _VIEWS, known_at(asking, ask.changed_since))
    then = _record(known, span)
    now, parked, shown = _now(asking, span, ask.as_known_at, then)
    parked = known.parked | parked
    staff = _staff(asking)
    before, after = (
        month_page(record, span.first, span.last, staff_id=ask.staff_id, client_id=ask.client_id)
        for record in (then, now)
    )
    resource = _resource(asking, "billing changes", span)
    grant = asking.grant(before.charts | after.charts, resource, as_known_at=ask.as_known_at, shown=shown)
    changes = changes_between(before.open(grant), after.open(grant), then, now)
    zone = asking.ledger.zone
    told = Told(
        title=changes_title(span, ask.changed_since, zone),
        heading="What changed, and by which events",
        entries=list(change_lines(changes, staff, zone)),
        what="",
        parked=parked,
        empty="nothing has changed",
    )
    data = BillingChangesShown(
        as_known_at=ask.as_known_at,
        changed_since=ask.changed_since,
        changes=tuple(change_data(change) for change in changes),
        month=span.name,
        parked=parked,
    )
    return Answer(data=data, text=told.text, page=told.page, access_id=grant.access_id, position=grant.position)


def _staff(asking: Asking) -> dict[str, StaffMember]:
    with asking.one_moment(staffing) as people:
        return live_staff(people.connection)


def _record(known: Known, span: Span, also: Iterable[str] = ()) -> Record:
    rows_known = (line.row for line in known.of(billing_view))
    details = (line.row for line in known.of(coverage))
    return record_of(rows_known, details, known.of(policies), span.first, span.last, also=also)


def _now(
    asking: Asking, span: Span, as_known_at: datetime | None, then: Record | None
) -> tuple[Record, dict[str, str], Shown | None]:
    """The later side of the question: the live views as they stand at one moment, or the log up to ``as_known_at``."""
    also = {row.contact_id for row in then.rows} if then else set()
    if as_known_at is None:
        with asking.one_moment(*_VIEWS) as shown:
            record = live_record(shown.connection, span.first, span.last, also=also)
        return record, parked_keys(asking, _VIEWS), shown
    known = fold_until(asking, _VIEWS, known_at(asking, as_known_at))
    return _record(known, span, also), known.parked, None


def _resource(asking: Asking, what: str, span: Span) -> str:
    """What the access event calls the page; a file may be read again by others, so it says that it is one."""
    return f"{what} {span.name}" + (" file" if asking.into_file else "")


BILLING_ROWS = Query(AskBillingRows, _billing_rows, "billing rows", BillingRowsShown)
BILLING_CHANGES = Query(AskBillingChanges, _billing_changes, "billing changes", BillingChangesShown)
