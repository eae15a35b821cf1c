"""A month's services, and what has changed of them, in words and as data: the arithmetic, the blocks, the mends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from ledger.answers.known import parked_words
from ledger.answers.page import Block, Page, Section, at, by_the_server
from ledger.answers.period import Span
from ledger.clock import from_text
from ledger.projections.billing import BillingRow, EventReference
from ledger.projections.billing_page import Change, Service
from ledger.projections.staffing import StaffMember


def totals_of(services: Sequence[Service]) -> dict[str, Any]:
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


def row_data(service: Service) -> dict[str, Any]:
    """A row for a program to read: the row's own fields, then what the day and the chart's details make of it."""
    data: dict[str, Any] = msgspec.to_builtins(service.row)
    joined: dict[str, Any] = msgspec.to_builtins(service)
    del joined["row"]
    joined["blocked"] = service.status == "blocked"
    joined["event_ids"] = [event.event_id for event in service.row.events]
    return data | joined


def change_data(change: Change) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.to_builtins(change)
    data["before"] = row_data(change.before) if change.before else None
    data["after"] = row_data(change.after) if change.after else None
    return data


def _name(staff_id: str, staff: dict[str, StaffMember]) -> str:
    return staff[staff_id].name if staff_id in staff else staff_id[:8]


@dataclass(frozen=True)
class Told:
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


def rows_title(span: Span, as_known_at: datetime | None, zone: ZoneInfo) -> str:
    known = f", as known at {at(as_known_at.astimezone(zone))}" if as_known_at else ""
    return f"Billing rows of {span.name}{known}"


def proposed(services: Sequence[Service]) -> list[str]:
    """What the star behind a code means, where one stands."""
    return [f"* {words}" for words in sorted({s.row.steps[0] for s in services if s.row.default_code})]


def totals_lines(totals: dict[str, Any]) -> list[str]:
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


def service_lines(service: Service, staff: dict[str, StaffMember]) -> list[str]:
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


def changes_title(span: Span, since: datetime | None, zone: ZoneInfo) -> str:
    return f"Billing rows of {span.name} that changed since {at(since.astimezone(zone)) if since else ''}"


def change_lines(changes: Sequence[Change], staff: dict[str, StaffMember], zone: ZoneInfo) -> Iterator[list[str]]:
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
