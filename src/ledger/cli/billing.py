"""``ledger billing rows``: a month's billable services, what each would be claimed as, and what blocks it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import click
import msgspec

from ledger.answers.known import Known, fold_until, known_at, parked_keys, parked_words, refuse_future
from ledger.answers.named import check_known
from ledger.cli.named import Id
from ledger.answers.page import Block, Page, Section, as_html, at, by_the_server
from ledger.cli.files import check_target, write_whole
from ledger.answers.period import Span
from ledger.cli.period import Month
from ledger.answers.ask import to_json
from ledger.answers.asking import Shown
from ledger.cli.session import Moment, Session, pass_session
from ledger.clock import from_text
from ledger.errors import BadInput
from ledger.grants import Grant
from ledger.printable import safe
from ledger.projections.billing import BillingRow, EventReference
from ledger.projections.billing import billing as billing_view
from ledger.projections.billing_page import (
    Change,
    Record,
    Sealed,
    Service,
    changes_between,
    live_record,
    month_page,
    record_of,
)
from ledger.projections.coverage import coverage
from ledger.projections.policies import policies
from ledger.projections.staffing import StaffMember, live_staff, staffing

_VIEWS = (billing_view, coverage, policies)
Only = Literal["claimable", "blocked"]


@click.group()
def billing() -> None:
    """What may be billed, and what stands in the way.

    \b
    Example:
      ledger --as system:billing billing rows --month 2025-11
    """


@billing.command()
@click.option("--month", "span", type=Month(), required=True, help="The month of service, for example 2025-11.")
@click.option("--staff", "staff_id", metavar="STAFF", type=Id(), help="Only services given by this staff member.")
@click.option("--client", "client_id", metavar="CLIENT", type=Id(), help="Only services to this client.")
@click.option("--claimable", is_flag=True, help="Only services that may be claimed.")
@click.option("--blocked", is_flag=True, help="Only services that something blocks.")
@click.option("--as-known-at", type=Moment(), help="The rows as they were known at this time.")
@click.option("--changed-since", type=Moment(), help="Only what has changed since this time, and which events did it.")
@click.option("--out", type=click.Path(path_type=Path), help="Write to this file: .txt, .json or .html.")
@pass_session
def rows(
    session: Session,
    span: Span,
    staff_id: str | None,
    client_id: str | None,
    claimable: bool,
    blocked: bool,
    as_known_at: datetime | None,
    changed_since: datetime | None,
    out: Path | None,
) -> None:
    """A month's billable services: units with the arithmetic, code, modifiers, place, signer, and every block.

    Repeats of a code by one provider for one client on one day are one claim line, combined as the agency adopted it
    (BILL-COMBINE); its units stand with its first service. What is shown is recorded as an access to every chart on
    the page, before it is shown.

    \b
    Examples:
      ledger --as STAFF --purpose payment billing rows --month 2025-11
      ledger --as STAFF --json billing rows --month 2025-11 --blocked
      ledger --as STAFF --purpose payment billing rows --month 2025-11 --claimable --out november.html
      ledger --as STAFF billing rows --month 2025-11 --as-known-at 2025-12-03T17:00:00-08:00
      ledger --as STAFF billing rows --month 2025-11 --changed-since 2025-12-03T17:00:00-08:00
    """
    check_target(out)
    if claimable and blocked:
        raise BadInput("--blocked: give --claimable or --blocked, not both; leave both out to see every service")
    only: Only | None = "claimable" if claimable else "blocked" if blocked else None
    if changed_since is not None and only is not None:
        raise BadInput(
            "--changed-since: leave out --claimable and --blocked; a change may be from the one to the other"
        )
    if changed_since is not None and as_known_at is not None and changed_since > as_known_at:
        raise BadInput("--changed-since: it lies after --as-known-at; swap the two times")
    session.actor  # noqa: B018 - refuse before any work when nobody says who reads
    refuse_future(session, "as-known-at", as_known_at)
    refuse_future(session, "changed-since", changed_since)
    check_known(session, staff_id=staff_id, client_id=client_id)
    session.catch_up()
    then: Record | None = None
    parked: dict[str, str] = {}
    if changed_since is not None:
        known = fold_until(session, _VIEWS, known_at(session, changed_since))
        parked |= known.parked
        then = _record(known, span)
    now, also_parked, shown = _now(session, span, as_known_at, then)
    parked |= also_parked
    with session.one_moment(staffing) as people:
        staff = live_staff(people.connection)
    after = month_page(now, span.first, span.last, staff_id=staff_id, client_id=client_id, status=only)
    if then is None:
        _emit_rows(session, span, after, staff, as_known_at, parked, out, shown)
        return
    before = month_page(then, span.first, span.last, staff_id=staff_id, client_id=client_id)
    resource = _resource("billing changes", span, out)
    grant = session.grant(before.charts | after.charts, resource, as_known_at=as_known_at, shown=shown)
    changes = changes_between(before.open(grant), after.open(grant), then, now)
    data = {
        "month": span.name,
        "changed_since": changed_since,
        "as_known_at": as_known_at,
        "changes": [_change_data(change) for change in changes],
        "parked": parked,
    }
    _hand_over(
        session,
        out,
        grant,
        data,
        _Told(
            title=_changes_title(span, changed_since, session.ledger.zone),
            heading="What changed, and by which events",
            entries=list(_change_lines(changes, staff, session.ledger.zone)),
            what="",
            parked=parked,
            empty="nothing has changed",
        ),
    )


def _record(known: Known, span: Span, also: Iterable[str] = ()) -> Record:
    rows_known = (line.row for line in known.of(billing_view))
    details = (line.row for line in known.of(coverage))
    return record_of(rows_known, details, known.of(policies), span.first, span.last, also=also)


def _now(
    session: Session, span: Span, as_known_at: datetime | None, then: Record | None
) -> tuple[Record, dict[str, str], Shown | None]:
    """The later side of the question: the live views as they stand at one moment, or the log up to ``as_known_at``."""
    also = {row.contact_id for row in then.rows} if then else set()
    if as_known_at is None:
        with session.one_moment(*_VIEWS) as shown:
            record = live_record(shown.connection, span.first, span.last, also=also)
        return record, parked_keys(session, _VIEWS), shown
    known = fold_until(session, _VIEWS, known_at(session, as_known_at))
    return _record(known, span, also), known.parked, None


def _emit_rows(
    session: Session,
    span: Span,
    page: Sealed,
    staff: dict[str, StaffMember],
    as_known_at: datetime | None,
    parked: dict[str, str],
    out: Path | None,
    shown: Shown | None,
) -> None:
    grant = session.grant(page.charts, _resource("billing rows", span, out), as_known_at=as_known_at, shown=shown)
    services = page.open(grant)
    totals = _totals(services)
    data = {
        "month": span.name,
        "as_known_at": as_known_at,
        "position": grant.position,
        "totals": totals,
        "rows": [_row_data(service) for service in services],
        "parked": parked,
    }
    _hand_over(
        session,
        out,
        grant,
        data,
        _Told(
            title=_rows_title(span, as_known_at, session.ledger.zone),
            heading="Day, time, client, code, units, minutes, place, signer",
            columns=f"{'day':10} {'time':11} {'client':8} {'code':11} {'units':>5} {'min':>4} {'at':2}  signer",
            entries=[_service_lines(service, staff) for service in services],
            what=" services",
            parked=parked,
            empty="none in this month",
            closing=[_proposed(services), _totals_lines(totals)],
        ),
    )


def _resource(what: str, span: Span, out: Path | None) -> str:
    """What the access event calls the page; a file may be read again by others, so it says that it is one."""
    return f"{what} {span.name}" + ("" if out is None else " file")


def _hand_over(session: Session, out: Path | None, grant: Grant, data: Any, told: _Told) -> None:
    """Print a result, or write it to the file, as the file's ending says, and say where it is."""
    if out is None:
        session.emit(data, told.text)
        return
    match out.suffix.lower():
        case ".json":
            content = to_json(data)
        case ".html":
            content = as_html(told.page())
        case _:
            content = safe(told.text())
    size = write_whole(out, f"{content.rstrip()}\n")
    session.emit({"written": str(out), "bytes": size, "access_id": grant.access_id}, lambda: f"Written to {out}")


def _totals(services: Sequence[Service]) -> dict[str, Any]:
    """Services and units by status; the units of a claim line count once, with the first of its services shown."""
    totals: dict[str, Any] = {
        status: {"services": 0, "units": 0, "direct_minutes": 0} for status in ("claimable", "blocked", "void")
    }
    by_code: dict[str, int] = {}
    counted: set[tuple[str, ...]] = set()
    for service in services:
        of_status = totals[service.status]
        of_status["services"] += 1
        of_status["direct_minutes"] += service.row.direct_minutes
        if service.claim.contact_ids in counted:
            continue
        counted.add(service.claim.contact_ids)
        of_status["units"] += service.claim.units
        if service.status == "claimable":
            code = service.row.code or ""
            by_code[code] = by_code.get(code, 0) + service.claim.units
    totals["claimable_units_by_code"] = dict(sorted(by_code.items()))
    return totals


def _row_data(service: Service) -> dict[str, Any]:
    """A row for a program to read: the row's own fields, then what the day and the chart's details make of it."""
    data: dict[str, Any] = msgspec.to_builtins(service.row)
    joined: dict[str, Any] = msgspec.to_builtins(service)
    del joined["row"]
    joined["blocked"] = service.status == "blocked"
    joined["event_ids"] = [event.event_id for event in service.row.events]
    return data | joined


def _change_data(change: Change) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.to_builtins(change)
    data["before"] = _row_data(change.before) if change.before else None
    data["after"] = _row_data(change.after) if change.after else None
    return data


def _name(staff_id: str, staff: dict[str, StaffMember]) -> str:
    return staff[staff_id].name if staff_id in staff else staff_id[:8]


@dataclass(frozen=True)
class _Told:
    """A month's services, or what has changed of them: the same words as text and as a page."""

    title: str
    heading: str
    #: Each entry in a line, and what stands under it.
    entries: Sequence[Sequence[str]]
    what: str
    parked: dict[str, str]
    empty: str
    closing: Sequence[Sequence[str]] = ()
    columns: str = ""

    def text(self) -> str:
        lines = [f"{self.title}: {len(self.entries)}{self.what}", *parked_words(self.parked)]
        if self.columns and self.entries:
            lines.append(f"\n{self.columns}")
        for line, *under in self.entries:
            lines += [line if self.columns else f"\n{line}", *(f"    {words}" for words in under)]
        for part in self.closing:
            lines += ["", *part] if part else []
        return "\n".join(lines)

    def page(self) -> Page:
        return Page(
            title=self.title,
            facts=[
                ("Services" if self.columns else "Changes", str(len(self.entries))),
                *(("Parked", words) for words in parked_words(self.parked)),
            ],
            sections=[Section(self.heading, [Block(line, under) for line, *under in self.entries], self.empty)],
            closing=[words for part in self.closing for words in part],
        )


def _rows_title(span: Span, as_known_at: datetime | None, zone: ZoneInfo) -> str:
    known = f", as known at {at(as_known_at.astimezone(zone))}" if as_known_at else ""
    return f"Billing rows of {span.name}{known}"


def _proposed(services: Sequence[Service]) -> list[str]:
    """What the star behind a code means, where one stands."""
    return [f"* {words}" for words in sorted({s.row.steps[0] for s in services if s.row.default_code})]


def _totals_lines(totals: dict[str, Any]) -> list[str]:
    lines = [
        f"{status:9} {of['services']:5} services {of['units']:6} units {of['direct_minutes']:7} direct minutes"
        for status in ("claimable", "blocked", "void")
        for of in (totals[status],)
    ]
    by_code = totals["claimable_units_by_code"]
    if by_code:
        lines.append("claimable units by code: " + ", ".join(f"{code} {units}" for code, units in by_code.items()))
    return lines


def _times(row: BillingRow) -> str:
    """From when to when, on the agency's clock; with the offsets when the clock is changed in between."""
    begun, ended = (datetime.fromisoformat(text) for text in (row.started_at, row.ended_at))
    if begun.utcoffset() == ended.utcoffset():
        return f"{begun:%H:%M}-{ended:%H:%M}"
    return " to ".join(moment.timetz().isoformat("minutes") for moment in (begun, ended))


def _service_lines(service: Service, staff: dict[str, StaffMember]) -> list[str]:
    """A service in a line, and under it the arithmetic of its units and what blocks or flags it."""
    row = service.row
    code = ":".join((row.code or "no code", *row.modifiers)) + ("*" if row.default_code else "")
    units = str(service.claim.units) if service.leads else '"'
    signer = (
        f"{row.signer_name} ({row.credential} {row.taxonomy or 'without taxonomy'})"
        if row.signer_id
        else f"not signed ({_name(row.staff_id, staff)})"
    )
    lines = [
        f"{row.service_day} {_times(row)} {row.client_id[:8]} {code:11} {units:>5} "
        f"{row.direct_minutes:>4} {row.place:2}  {signer}"
    ]
    if service.status == "void":
        lines.append("void: the contact was entered in error")
    if service.leads:
        lines.append(f"= {service.claim.unit_words}")
    if len(service.claim.contact_ids) > 1:
        others = ", ".join(one[:8] for one in service.claim.contact_ids if one != row.contact_id)
        lines.append(f"one line with {others} ({service.claim.reading})")
    lines += [
        f"x {block.code}: {block.words} -> {block.mend} [{block.source}; confidence {block.confidence}]"
        for block in service.blocks
    ]
    lines += [f"? {flag.code}: {flag.words} -> {flag.mend}" for flag in service.flags]
    return lines


def _changes_title(span: Span, since: datetime | None, zone: ZoneInfo) -> str:
    return f"Billing rows of {span.name} that changed since {at(since.astimezone(zone)) if since else ''}"


def _change_lines(changes: Sequence[Change], staff: dict[str, StaffMember], zone: ZoneInfo) -> Iterator[list[str]]:
    """Each changed service in a line, and under it what changed and by which events."""
    for change in changes:
        shown = change.after or change.before
        if shown is None:  # never: a change has at least one side
            continue
        row = shown.row
        lines = [
            f"{row.service_day} {row.started_at[11:16]} client {row.client_id[:8]} "
            f"{_name(row.staff_id, staff)} contact {change.contact_id}"
        ]
        lines += [f"{one.field}: {one.before} -> {one.after}" for one in change.differences]
        if not change.own:
            lines.append("by events of the chart, of another service of the day, or of the agency's policy:")
        yield [*lines, *(f"by {e.type} {e.event_id}, recorded {_recorded(e, zone)}" for e in change.events)]


def _recorded(event: EventReference, zone: ZoneInfo) -> str:
    return by_the_server(from_text(event.recorded_at), zone) if event.recorded_at else "at a later time"
