"""``ledger timeliness``: the monthly review of note records, by staff member (PSC-15)."""

from __future__ import annotations

import calendar
from datetime import date, datetime, tzinfo

import click

from ledger.aggregates.policy import AGENCY_KEY
from ledger.answers.names import Names
from ledger.answers.known import refuse_future
from ledger.answers.named import check_known
from ledger.cli.named import Id, ProgramName
from ledger.cli.session import Moment, Session, pass_session
from ledger.errors import BadInput
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
from ledger.tracing.page import Page, Section, Table, as_text
from ledger.tracing.words import OUTCOMES, when


@click.command()
@click.option("--month", required=True, metavar="YYYY-MM", help="The month of the services.")
@click.option("--staff", "staff_id", metavar="STAFF", type=Id(), help="Only this staff member's notes.")
@click.option("--program", type=ProgramName(), help="Only this program.")
@click.option("--as-known-at", type=Moment(), help="The review as it would have been at this time.")
@pass_session
def timeliness(
    session: Session, month: str, staff_id: str | None, program: str | None, as_known_at: datetime | None
) -> None:
    """The monthly review of note records: counts and per cent by rating, and the late notes (PSC-15).

    Each rule is counted as adopted for the service date, and under every reading beside it. Services without a note
    count too. Ask for the reasons of one note with: ledger trace NOTE.

    \b
    Examples:
      ledger --as STAFF timeliness --month 2025-11
      ledger --as STAFF --json timeliness --month 2025-11 --staff STAFF --as-known-at 2025-12-05T09:00:00-08:00
    """
    first, last = _month(month)
    session.actor  # noqa: B018 - refuse before any work when nobody says who reads
    refuse_future(session, "as-known-at", as_known_at)
    check_known(session, staff_id=staff_id)
    session.catch_up()
    with session.one_moment(view.timeliness, policy_view.policies, staffing) as shown:
        charts = view.charts_between(shown.connection, first, last, staff_id)
        if as_known_at is None:
            grant = session.grant(charts, "timeliness", shown=shown)
            rows = view.services_between(shown.connection, grant, first, last, staff_id)
            adoptions = policy_view.adoptions(shown.connection)
        else:
            grant = session.grant(charts, "timeliness", as_known_at=as_known_at)
            rows, adoptions = _as_known(session, grant, charts, first, last, staff_id)
        names = Names({who: one.name for who, one in live_staff(shown.connection).items()})
    rows = [row for row in rows if program in (None, row.program)]
    as_at = as_known_at or session.now
    found = review(rows, adoptions, as_at, lambda who: names.known.get(who, who))
    local = as_at.astimezone(session.ledger.zone)
    session.emit(
        {
            "month": month,
            "as_at": local,
            "as_known_at": as_known_at,
            "program": program,
            "names": {one.staff_id: names.known[one.staff_id] for one in found if one.staff_id in names.known},
            "staff": found,
        },
        lambda: as_text(_page(month, local, found, names)),
    )


def _month(text: str) -> tuple[date, date]:
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError as fault:
        raise BadInput(f"--month: {text!r} is not a month; write it as 2025-11") from fault
    return first, first.replace(day=calendar.monthrange(first.year, first.month)[1])


def _as_known(
    session: Session, grant: Grant, charts: list[str], first: date, last: date, staff_id: str | None
) -> tuple[list[ServiceNote], tuple[Adoption, ...]]:
    """The same rows, folded again from the log up to the grant's position."""
    rows: list[ServiceNote] = []
    for chart_id in charts:
        events = read_verified(session.recorder, grant, chart_id)
        rows += [line.row for line in fold_all(view.timeliness, events).values()]
    rows = [
        row
        for row in rows
        if first.isoformat() <= row.service_day <= last.isoformat() and staff_id in (None, row.staff_id)
    ]
    rows.sort(key=lambda row: (row.staff_id, row.service_day, row.contact_id))
    agency = (read_checked(row) for row in session.recorder.read_key(AGENCY_KEY, until=grant.position))
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
