"""The monthly review of note records, by staff member (PSC-15)."""

from __future__ import annotations

from datetime import date, datetime, tzinfo
from functools import partial

import msgspec

from ledger.aggregates.policy import AGENCY_KEY
from ledger.answers.ask import Answer, Ask, AsKnownAt, MonthName, OfStaff, Program
from ledger.answers.asking import Asking
from ledger.answers.known import refuse_future
from ledger.answers.named import check_known, check_program
from ledger.answers.names import Names
from ledger.answers.period import span_asked
from ledger.answers.query import Query
from ledger.grants import Grant
from ledger.policies.adoption import Adoption
from ledger.projections import policies as policy_view
from ledger.projections import timeliness as view
from ledger.projections.folding import fold_all
from ledger.projections.note_review import AS_ADOPTED, LateNote, StaffReview, reading_name, review
from ledger.projections.service_notes import Rated, ServiceNote
from ledger.projections.staffing import live_staff, staffing
from ledger.replay.verified import read_verified
from ledger.store.checked import read_checked
from ledger.tracing.page import Page, Section, Table, as_html, as_text
from ledger.tracing.words import OUTCOMES, when


class AskTimeliness(Ask, frozen=True, kw_only=True):
    """The monthly review of note records: counts and per cent by rating, and the late notes (PSC-15).

    Each rule is counted as adopted for the service date, and under every reading beside it. Services without a note
    count too.
    """

    NAME = "timeliness"
    month: MonthName
    staff_id: OfStaff = None
    program: Program = None
    as_known_at: AsKnownAt = None


class TimelinessShown(msgspec.Struct, frozen=True, kw_only=True):
    """What ``ledger --json timeliness`` prints."""

    as_at: datetime
    as_known_at: datetime | None
    month: str
    names: dict[str, str]
    program: str | None
    staff: tuple[StaffReview, ...]


def _timeliness(asking: Asking, ask: AskTimeliness) -> Answer:
    staff_id, as_known_at = ask.staff_id, ask.as_known_at
    span = span_asked(asking, ask.month)
    first, last = span.first, span.last
    asking.actor  # noqa: B018 - refuse before any work when nobody says who reads
    refuse_future(asking, "as-known-at", as_known_at)
    check_program(asking, ask.program)
    check_known(asking, staff_id=staff_id)
    asking.catch_up()
    with asking.one_moment(view.timeliness, policy_view.policies, staffing) as shown:
        charts = view.charts_between(shown.connection, first, last, staff_id)
        if as_known_at is None:
            grant = asking.grant(charts, "timeliness", shown=shown)
            rows = view.services_between(shown.connection, grant, first, last, staff_id)
            adoptions = policy_view.adoptions(shown.connection)
        else:
            grant = asking.grant(charts, "timeliness", as_known_at=as_known_at)
            rows, adoptions = _as_known(asking, grant, charts, first, last, staff_id)
        names = Names({who: one.name for who, one in live_staff(shown.connection).items()})
    rows = [row for row in rows if ask.program in (None, row.program)]
    as_at = as_known_at or asking.now
    found = review(rows, adoptions, as_at, lambda who: names.known.get(who, who))
    local = as_at.astimezone(asking.ledger.zone)
    data = TimelinessShown(
        as_at=local,
        as_known_at=as_known_at,
        month=ask.month,
        names={one.staff_id: names.known[one.staff_id] for one in found if one.staff_id in names.known},
        program=ask.program,
        staff=found,
    )
    page = partial(_page, ask.month, local, found, names)
    return Answer(
        data=data,
        text=lambda: as_text(page()),
        access_id=grant.access_id,
        position=grant.position,
        others={".html": lambda: as_html(page())},
    )


def _as_known(
    asking: Asking, grant: Grant, charts: list[str], first: date, last: date, staff_id: str | None
) -> tuple[list[ServiceNote], tuple[Adoption, ...]]:
    """The same rows, folded again from the log up to the grant's position."""
    rows: list[ServiceNote] = []
    for chart_id in (one for one in charts if grant.opens(one)):
        events = read_verified(asking.recorder, grant, chart_id)
        rows += [line.row for line in fold_all(view.timeliness, events).values()]
    rows = [
        row
        for row in rows
        if first.isoformat() <= row.service_day <= last.isoformat() and staff_id in (None, row.staff_id)
    ]
    rows.sort(key=lambda row: (row.staff_id, row.service_day, row.contact_id))
    agency = (read_checked(row) for row in asking.recorder.read_key(AGENCY_KEY, until=grant.position))
    return rows, policy_view.in_order(fold_all(policy_view.policies, agency).values())


def _page(month: str, as_at: datetime, found: tuple[StaffReview, ...], names: Names) -> Page:
    services = sum(staff.services for staff in found)
    turned = sum(len(staff.restated) for staff in found)
    restated = (
        f"Restated: {'1 verdict' if turned == 1 else f'{turned} verdicts'}, turned by what was recorded after the note "
        "was signed or the service had ended, or by a correction; each stands below, under Restated verdicts."
    )
    return Page(
        title=f"Review of note records, {month}",
        under=(f"As at {when(as_at)}. Per cent is of the services that are signed or whose time is up.",),
        lead=(
            f"Services: {services}. Staff members: {len(found)}." if found else "No services in this month.",
            *([restated] if turned else []),
        ),
        sections=tuple(section for staff in found for section in _sections(staff, names, as_at.tzinfo)),
    )


def _sections(staff: StaffReview, names: Names, zone: tzinfo | None) -> list[Section]:
    who = names.whole(staff.staff_id)
    sentences = [
        f"Services: {staff.services}, of them {staff.signed} signed, {staff.drafts} in draft, {staff.missing} without "
        "a note." + (f" In error, out of account: {staff.in_error} more." if staff.in_error else ""),
        *([f"Restated since, and listed below: {len(staff.restated)}."] if staff.restated else []),
        *staff.problems,
    ]
    table = Table(
        headings=("Program", "Rule", "Reading", "Due", "Outcome"),
        rows=tuple(
            (
                tally.program,
                f"{tally.rule_id} ({tally.role})",
                tally.reading if tally.reading != AS_ADOPTED else f"{AS_ADOPTED} ({'; '.join(tally.in_force)})",
                str(tally.due),
                ", ".join(
                    f"{OUTCOMES[outcome]} {count}"
                    + (f" ({tally.percent[outcome]:.1f} %)" if outcome in tally.percent else "")
                    for outcome, count in tally.counts.items()
                ),
            )
            for tally in staff.tallies
        ),
        marked=frozenset(number for number, tally in enumerate(staff.tallies) if tally.reading == AS_ADOPTED),
    )
    sections = [Section(title=who, sentences=tuple(sentences), table=table)]
    if staff.late:
        late = Table(
            headings=("Service ended", "Note", "Recorded as signed", "Verdict in force"),
            rows=tuple(_late_row(note, zone) for note in staff.late),
        )
        sections.append(Section(title=f"Not in time, {who}", table=late))
    if staff.restated:
        restated = Table(
            headings=("Note", "Before", "Restated", "Because"),
            rows=tuple(
                (
                    one.note_id or f"none (contact {one.contact_id})",
                    _verdict(one.then),
                    _verdict(one.now),
                    "; ".join(one.because),
                )
                for one in staff.restated
            ),
        )
        sections.append(Section(title=f"Restated verdicts, {who}", table=restated))
    return sections


def _verdict(v: Rated) -> str:
    reading = reading_name(v.reading, v.extension_reading)
    return f"{v.rule_id} {reading}: {OUTCOMES[v.outcome]}, due {when(datetime.fromisoformat(v.due))}"


def _late_row(note: LateNote, zone: tzinfo | None) -> tuple[str, ...]:
    ended = datetime.fromisoformat(note.service_ended_at)
    signed = note.state
    if note.signed_at is not None:
        signed = when(datetime.fromisoformat(note.signed_at).astimezone(zone))
    before = {was.rule_id: was for was in note.restated_from}
    verdicts = "; ".join(
        _verdict(v) + (f" (restated: it was {OUTCOMES[before[v.rule_id].outcome]})" if v.rule_id in before else "")
        for v in note.verdicts
    )
    return when(ended), note.note_id or f"none (contact {note.contact_id})", signed, verdicts


TIMELINESS = Query(AskTimeliness, _timeliness, "timeliness", TimelinessShown)
