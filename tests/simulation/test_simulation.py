"""A simulated quarter: the same every time, made of commands the record takes, and with everything a quarter has."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from ledger.aggregates.client_events import CoordinatorAssigned
from ledger.aggregates.contact import ContactRecorded
from ledger.aggregates.note_events import (
    ExtensionGranted,
    ExtensionRequested,
    NoteContent,
    NoteDrafted,
    NoteSigned,
    WriteNote,
)
from ledger.aggregates.policy import PolicyAdopted
from ledger.aggregates.staff import EmploymentEnded, StaffRegistered, TimeOffCancelled, TimeOffRecorded
from ledger.aggregates.utilisation_review import UtilisationReviewed
from ledger.aggregates.vocabulary import event_types
from ledger.application.commands import Ledger, Request, Result, Unit
from ledger.clock import ManualClock
from ledger.errors import BadInput
from ledger.policies.calendar import calendar
from ledger.policies.timeliness import Extension, Verdict, rate
from ledger.projections.folding import fold_all
from ledger.projections.policies import in_order, policies
from ledger.projections.staffing import staffing
from ledger.projections.utilisation import utilisation
from ledger.projections.utilisation_summary import month_figures, month_summary
from ledger.simulation import Options, Summary, simulate, stage, starting_clock
from ledger.simulation.stage import Stage, UnexpectedRefusal
from ledger.store.codec import read
from ledger.store.database import open_store
from ledger.store.envelope import Recorded, StoredRow

ZONE = "America/Los_Angeles"
SMALL = Options(clients=8, months=1, seed=7)
QUARTER = Options(clients=40, months=3, seed=1)


def run(url: str, options: Options) -> tuple[Summary, Sequence[StoredRow]]:
    """Simulate into a store and read its whole log."""
    clock = starting_clock(options, ZONE)
    recorder = open_store(url, clock)
    try:
        summary = simulate(Ledger(recorder, clock=clock, zone=ZONE), clock, options)
        return summary, recorder.read_log(0, 1_000_000)
    finally:
        recorder.engine.dispose()


def run_in(folder: Path, options: Options) -> tuple[Summary, Sequence[StoredRow]]:
    return run(f"sqlite:///{folder / 'simulated.db'}", options)


@pytest.fixture(scope="module")
def quarter(tmp_path_factory: pytest.TempPathFactory) -> tuple[Summary, list[Recorded]]:
    summary, rows = run_in(tmp_path_factory.mktemp("quarter"), QUARTER)
    return summary, [read(row) for row in rows]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Summary, Sequence[StoredRow]]:
    return run_in(tmp_path_factory.mktemp("small"), SMALL)


def test_the_same_options_give_the_same_log_on_both_databases(
    small: tuple[Summary, Sequence[StoredRow]], database_url: str
) -> None:
    summary, rows = run(database_url, SMALL)
    assert summary == small[0]
    # Rows hold the payload's bytes, every id and time, the position and the leaf hash.
    assert list(rows) == list(small[1])


def test_what_is_let_go_of_and_read_again_makes_no_difference(
    small: tuple[Summary, Sequence[StoredRow]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "KEPT", 60)
    _, rows = run_in(tmp_path, SMALL)
    assert list(rows) == list(small[1])


def test_another_seed_gives_another_life(small: tuple[Summary, Sequence[StoredRow]], tmp_path: Path) -> None:
    summary, rows = run_in(tmp_path, msgspec.structs.replace(SMALL, seed=8))
    assert not {row.originator_id for row in rows} & {row.originator_id for row in small[1]}
    assert summary.by_type != small[0].by_type


def test_every_command_could_have_come_in_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command reads back from its JSON under the limits of its fields, and keeps its content."""
    seen: Counter[str] = Counter()
    decide = Ledger.decide

    def read_back(self: Ledger, unit: Unit, request: Request) -> Result:
        command = request.command
        assert msgspec.json.decode(msgspec.json.encode(command), type=type(command)) == command
        seen[command.NAME] += 1
        return decide(self, unit, request)

    monkeypatch.setattr(Ledger, "decide", read_back)
    summary, rows = run_in(tmp_path, SMALL)
    assert sum(seen.values()) == summary.commands + sum(summary.refusals.values())
    assert Counter(row.topic for row in rows) == summary.by_type
    assert len(rows) == summary.events


def test_the_quarter_has_every_kind_of_event(quarter: tuple[Summary, list[Recorded]]) -> None:
    """Whatever the record can hold happens; only what the simulation has no use for is left out."""
    summary, _ = quarter
    # A diagnosis that ends would need a longer time than a quarter to be believable; nobody is curious here.
    unused = {"client.diagnosis_resolved", "supervision.entered_in_error", "access.refused"}
    told = {name for name in event_types() if not name.startswith("test.")}
    ours = {"client", "staff", "contact", "note", "plan", "policy", "supervision", "dispute", "utilisation", "access"}
    expected = {name for name in told if name.partition(".")[0] in ours} - unused
    assert expected - set(summary.by_type) == set()


def test_what_should_be_refused_is_refused_and_nothing_else(quarter: tuple[Summary, list[Recorded]]) -> None:
    summary, _ = quarter
    assert set(summary.refusals) == {"incomplete", "credential", "signed"}
    assert all(count > 3 for count in summary.refusals.values())


def test_a_surprise_is_not_swallowed(tmp_path: Path) -> None:
    clock = starting_clock(SMALL, ZONE)
    recorder = open_store(f"sqlite:///{tmp_path / 's.db'}", clock)
    live = Stage(Ledger(recorder, clock=clock, zone=ZONE), clock, "token", clock.now() + timedelta(days=1))
    wrong = WriteNote(note_id=live.ids.new(), content=NoteContent())
    with pytest.raises(UnexpectedRefusal, match="there is no note"):
        live.do(wrong, "system:test")
    with pytest.raises(UnexpectedRefusal, match="not for signed"):
        live.refused(wrong, "system:test", "signed")
    recorder.engine.dispose()


def test_times_are_those_of_the_simulated_life(quarter: tuple[Summary, list[Recorded]]) -> None:
    summary, recorded = quarter
    times = [one.row.recorded for one in recorded]
    assert times == sorted(times)
    assert len(set(times)) > len(times) // 2  # one transaction for each minute in which something happens
    assert all(one.row.occurred <= one.row.recorded for one in recorded)
    days = {moment.astimezone(ZoneInfo(ZONE)).date() for moment in times}
    assert (min(days), max(days)) == (summary.first_day, summary.last_day)
    for one in recorded:
        if isinstance(one.event, ContactRecorded):
            assert one.event.ended_at <= one.row.recorded
            assert timedelta(minutes=one.event.direct_minutes) <= one.event.ended_at - one.event.started_at


def contacts_of(recorded: Sequence[Recorded]) -> dict[str, list[ContactRecorded]]:
    found: dict[str, list[ContactRecorded]] = defaultdict(list)
    for one in recorded:
        if isinstance(one.event, ContactRecorded):
            found[one.event.staff_id].append(one.event)
    return found


def test_nobody_is_in_two_places_or_works_while_away(quarter: tuple[Summary, list[Recorded]]) -> None:
    _, recorded = quarter
    cancelled = {one.event.time_off_id for one in recorded if isinstance(one.event, TimeOffCancelled)}
    away: dict[str, list[TimeOffRecorded]] = defaultdict(list)
    for one in recorded:
        whole = isinstance(one.event, TimeOffRecorded) and one.event.minutes_per_day is None
        if whole and isinstance(one.event, TimeOffRecorded) and one.event.time_off_id not in cancelled:
            away[one.originator_id].append(one.event)
    assert away
    open_days = calendar("us-ca-agency")
    for staff_id, contacts in contacts_of(recorded).items():
        contacts.sort(key=lambda contact: contact.started_at)
        for before, after in pairwise(contacts):
            same_group = before.group is not None and before.group == after.group
            assert same_group or before.ended_at <= after.started_at
        for contact in contacts:
            day = contact.started_at.date()
            assert contact.contact_kind == "crisis" or open_days.is_business_day(day)
            assert not any(off.first_day <= day <= off.last_day for off in away[staff_id])


def test_people_come_and_go_and_the_new_are_given_time(quarter: tuple[Summary, list[Recorded]]) -> None:
    summary, recorded = quarter
    ended = {one.originator_id: one.event.last_day for one in recorded if isinstance(one.event, EmploymentEnded)}
    hired = {
        one.originator_id: one.event.hired_on
        for one in recorded
        if isinstance(one.event, StaffRegistered) and one.event.hired_on > summary.first_day
    }
    assert ended
    assert hired
    contacts = contacts_of(recorded)
    for staff_id, last in ended.items():
        assert max(c.started_at.date() for c in contacts[staff_id]) <= last
    for staff_id, first in hired.items():
        assert min(c.started_at.date() for c in contacts[staff_id]) >= first + timedelta(days=5)


def verdict(recorded: Sequence[Recorded], note_id: str, rule: str, as_at: datetime, reading: str) -> Verdict:
    """The verdict of a rule on a note under a reading, from its events."""
    events = [one for one in recorded if one.originator_id == note_id]
    drafted = next(one.event for one in events if isinstance(one.event, NoteDrafted))
    signed = next((one.row.recorded for one in events if isinstance(one.event, NoteSigned)), None)
    asked = next((one.row.recorded for one in events if isinstance(one.event, ExtensionRequested)), None)
    granted = next((one.row.recorded for one in events if isinstance(one.event, ExtensionGranted)), None)
    extension = None
    if asked is not None:
        extension = Extension(requested_at=asked, decided_at=granted, granted=True if granted else None)
    verdicts = rate(
        drafted.document,
        drafted.program,
        drafted.service_ended_at,
        signed,
        extension=extension,
        adopted={rule: reading},
        as_at=as_at,
    )
    return verdicts.under(rule, reading)


def test_signatures_are_rated_full_partial_and_non(quarter: tuple[Summary, list[Recorded]]) -> None:
    summary, recorded = quarter
    by_note: dict[str, list[Recorded]] = defaultdict(list)
    for one in recorded:
        if one.row.topic.startswith("note."):
            by_note[one.originator_id].append(one)
    counts: Counter[str] = Counter()
    end = datetime(2026, 1, 5, tzinfo=UTC)
    for note_id, events in by_note.items():
        if isinstance(events[0].event, NoteDrafted) and events[0].event.program == "psc":
            reading = "72-elapsed-hours+5-business-days"
            counts[verdict(events, note_id, "PSC-14", end, reading).outcome] += 1
    assert counts["full"] > counts["partial"] > 20
    assert counts["non"] > 20
    assert counts["overdue"] > 5  # never signed
    assert counts["full"] > 0.7 * sum(counts.values())
    assert summary.story.note_id in by_note


def test_the_story_turns_on_the_reading(quarter: tuple[Summary, list[Recorded]]) -> None:
    """More time was asked for late under the reading of the service date, in time under the one adopted since."""
    summary, recorded = quarter
    story = summary.story
    assert story.service_on == date(2025, 10, 31)
    old = verdict(recorded, story.note_id, "PSC-13", story.known_after, "72-elapsed-hours")
    new = verdict(recorded, story.note_id, "PSC-13", story.known_after, "3-business-days")
    assert (old.extension, old.requested_late) == ("granted", True)
    assert (new.extension, new.requested_late) == ("granted", False)
    assert old.outcome == "on_time"
    rating = verdict(recorded, story.note_id, "PSC-14", story.known_after, "72-elapsed-hours+5-business-days")
    assert rating.outcome == "partial"
    adopted = [one.event for one in recorded if isinstance(one.event, PolicyAdopted) and one.event.rule_id == "PSC-13"]
    assert [(one.reading, one.effective_from) for one in adopted] == [
        ("72-elapsed-hours", summary.first_day),
        ("3-business-days", story.policy_changed_on),
    ]


def test_the_chart_of_the_story_has_a_history_to_compare(quarter: tuple[Summary, list[Recorded]]) -> None:
    summary, recorded = quarter
    story = summary.story
    between = {
        one.row.topic
        for one in recorded
        if one.row.chart_id == story.chart_id and story.known_before < one.row.recorded <= story.known_after
    }
    assert between >= {
        "note.extension_granted",
        "note.signed",
        "note.addendum_added",
        "note.amended",
        "plan.revised",
        "client.diagnosis_recorded",
        "dispute.opened",
        "dispute.evidence_added",
        "dispute.decided",
        "contact.recorded",
    }
    decided = [one for one in recorded if one.originator_id == story.dispute_id]
    assert [one.row.topic for one in decided] == [
        "dispute.opened",
        "dispute.evidence_added",
        "dispute.evidence_added",
        "dispute.evidence_added",
        "dispute.decided",
    ]
    assert {one.row.actor for one in decided} == {story.author_id, story.supervisor_id, story.compliance_id}


@pytest.mark.parametrize("start", [date(2025, 1, 31), date(2024, 11, 30), date(2025, 10, 30), date(2025, 2, 17)])
def test_the_story_fits_into_any_month(start: date, tmp_path: Path) -> None:
    options = Options(clients=8, months=1, seed=2, start=start)
    summary, rows = run_in(tmp_path, options)
    told = [row for row in rows if row.originator_id == summary.story.dispute_id]
    assert told[-1].topic == "dispute.decided"
    assert told[-1].recorded <= summary.story.known_after


def test_more_clients_take_more_coordinators_and_supervisors(
    small: tuple[Summary, Sequence[StoredRow]], tmp_path: Path
) -> None:
    large, rows = run_in(tmp_path, Options(clients=300, months=1, seed=7))
    assert len(large.clients) == 300
    assert len({row.originator_id for row in rows if row.topic == "client.registered"}) == 300
    assert large.events > 2 * small[0].events
    assert len(large.staff["coordinators"]) > 2 * len(small[0].staff["coordinators"]) - 2
    assert len(large.staff["supervisors"]) == 2
    events = [read(row).event for row in rows if row.topic == "client.coordinator_assigned"]
    leads = Counter(event.staff_id for event in events if isinstance(event, CoordinatorAssigned))
    assert max(leads.values()) <= 60  # nobody starts above the band of an ECM coordinator (ECM-2)


def test_a_store_with_later_events_is_refused_and_a_later_period_is_not(tmp_path: Path) -> None:
    first, _ = run_in(tmp_path, SMALL)
    with pytest.raises(BadInput, match="LEDGER_DATABASE: this store holds events recorded up to 2025-1"):
        run_in(tmp_path, SMALL)
    later = msgspec.structs.replace(SMALL, start=SMALL.end)
    second, rows = run_in(tmp_path, later)
    assert len(rows) == first.events + second.events
    assert not set(first.clients) & set(second.clients)


def test_a_period_that_is_still_to_come_is_refused(tmp_path: Path) -> None:
    clock = starting_clock(SMALL, ZONE)
    recorder = open_store(f"sqlite:///{tmp_path / 's.db'}", clock)
    ledger = Ledger(recorder, clock=clock, zone=ZONE)
    with pytest.raises(BadInput, match="--start: 1 months from 2025-10-01 end on 2025-11-01, which is still to come"):
        simulate(ledger, clock, SMALL, now=datetime(2025, 10, 31, tzinfo=UTC))
    with pytest.raises(BadInput, match="--start: calendar us-ca-agency covers"):
        simulate(ledger, clock, msgspec.structs.replace(SMALL, start=date(1990, 1, 1)))
    late = ManualClock(datetime(2025, 12, 1, tzinfo=UTC))
    with pytest.raises(BadInput, match="after the first morning"):
        simulate(Ledger(recorder, clock=late, zone=ZONE), late, SMALL)
    assert recorder.head() == 0
    recorder.engine.dispose()


@pytest.mark.parametrize(("field", "value"), [("clients", 7), ("clients", 20_001), ("months", 0), ("months", 121)])
def test_numbers_out_of_range_are_refused(field: str, value: int) -> None:
    with pytest.raises(BadInput, match=f"--{field}: {value} is out of range"):
        msgspec.structs.replace(SMALL, **{field: value})


def test_afterwards_commits_wait_for_the_disk_again(tmp_path: Path) -> None:
    clock = starting_clock(SMALL, ZONE)
    recorder = open_store(f"sqlite:///{tmp_path / 's.db'}", clock)
    simulate(Ledger(recorder, clock=clock, zone=ZONE), clock, SMALL)
    with recorder.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
    recorder.engine.dispose()


def test_every_review_freezes_what_the_view_showed_at_its_position(quarter: tuple[Summary, list[Recorded]]) -> None:
    """Minutes, target and rating, by the view's own folds: also of those whom PSC-1 to PSC-5 are not for (PSC-5)."""
    _, events = quarter
    rated = Counter[str]()
    for recorded in events:
        review = recorded.event
        if not isinstance(review, UtilisationReviewed):
            continue
        known = [one for one in events if one.row.position <= review.position]
        members = {line.row.staff_id: line.row for line in fold_all(staffing, known).values()}
        services = list(fold_all(utilisation, known).values())
        adoptions = in_order(fold_all(policies, known).values())
        month = month_summary(members[review.staff_id], services, adoptions, (), review.first_day, review.last_day)
        shown = month_figures(month, review.first_day, review.last_day)
        assert (review.billable_minutes, review.target_minutes, review.rating) == (
            shown.billable_minutes,
            shown.target_minutes,
            shown.rating,
        ), (members[review.staff_id].program, review.first_day)
        rated[review.rating] += 1
    assert set(rated) >= {"non", "full", "not_rated"}
