"""Replay: the chart as known at every position is the state that was folded then, and agrees with the aggregates."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from typing import Any

from hypothesis import given, settings
from tests.replay.world import FIRST_DAY, Step, World, a_world, full_story, play, steps

from ledger.aggregates.base import Aggregate
from ledger.aggregates.client import Client
from ledger.aggregates.contact import Contact
from ledger.aggregates.note import Note
from ledger.aggregates.plan import Plan
from ledger.aggregates.vocabulary import event_types
from ledger.clock import to_text
from ledger.replay.chart import ChartFold, chart_as_known, fold_chart
from ledger.replay.diff import Fields, changes_between, fields_of
from ledger.replay.shown import versions_shown
from ledger.replay.state import Chart, ItemKey
from ledger.replay.verified import read_verified
from ledger.store.codec import read
from ledger.store.envelope import Recorded

DAYS = [FIRST_DAY + timedelta(days=n) for n in (-1, 0, 1, 7, 20, 33, 52, 60, 75)]


@settings(max_examples=25, deadline=None)
@given(steps)
def test_as_known_at_every_position_is_the_state_that_was_folded_then(what: list[Step]) -> None:
    with a_world() as world:
        live: dict[tuple[str, int], Chart] = {}
        for head in play(world, what):
            for chart_id in world.charts:
                live[chart_id, head] = chart_as_known(world.recorder, world.at(chart_id, head), chart_id)
        head = world.recorder.sequence()
        for chart_id in world.charts:
            folding = ChartFold(chart_id)
            for row in world.recorder.read_log(0, head):
                if row.chart_id == chart_id:
                    folding.add(read(row))
                seen = chart_as_known(world.recorder, world.at(chart_id, row.position), chart_id)
                assert seen == folding.chart(row.position)
                assert seen == live.get((chart_id, row.position), seen)


@settings(max_examples=25, deadline=None)
@given(steps)
def test_a_time_means_everything_recorded_by_then_and_nothing_after(what: list[Step]) -> None:
    with a_world() as world:
        for _ in play(world, what):
            pass
        chart_id = world.charts[0]
        rows = world.recorder.read_log(0, world.recorder.sequence())
        world.clock.advance(timedelta(minutes=1))
        for row in rows:
            grant = world.read([chart_id], as_known_at=row.recorded)
            seen = chart_as_known(world.recorder, grant, chart_id)
            known = [r for r in rows if r.chart_id == chart_id and r.recorded_at <= row.recorded_at]
            assert seen.verified.events == len(known)
            assert {t.event_id for item in seen.items for t in item.changes} == {
                r.event_id for r in known if r.topic != "access.granted"
            }
            assert seen.as_known_at == row.recorded


@settings(max_examples=25, deadline=None)
@given(steps)
def test_the_replay_agrees_with_the_aggregates_that_decided(what: list[Step]) -> None:
    with a_world() as world:
        for _ in play(world, what):
            pass
        head = world.recorder.sequence()
        for position in (head // 2, head):
            for chart_id in world.charts:
                agree(world, chart_id, position)


def agree(world: World, chart_id: str, position: int) -> None:
    """Compare the chart at a position with the aggregates, which fold the same streams in code of their own."""
    seen = chart_as_known(world.recorder, world.at(chart_id, position), chart_id)

    def state(kind: type[Aggregate], stream: str) -> Any:
        aggregate = kind(stream)
        for row in world.recorder.select_events(stream):
            if row.position <= position:
                recorded = read(row)
                aggregate.replay(recorded.event, row.occurred)
        return aggregate

    client = state(Client, chart_id)
    if seen.client is None:
        assert not client.exists
        return
    assert str(seen.client.details.name) == client.name
    for contact in seen.contacts:
        aggregate = state(Contact, contact.contact_id)
        assert contact.facts == aggregate.facts
        assert (contact.in_error is not None) == aggregate.in_error
    for note in seen.notes:
        aggregate = state(Note, note.note_id)
        assert note.content == aggregate.content
        assert (note.status != "draft") == (aggregate.signed is not None or aggregate.in_error)
        assert (note.status == "in error") == aggregate.in_error
        assert [e.event.signer_id for e in note.cosignatures] == list(aggregate.cosigners)
        assert (note.signature.event if note.signature else None) == aggregate.signed
        if note.signature:
            assert note.signature.event.content_sha256 == aggregate.content_sha256
        assert {e.event.addendum_id for e in note.addenda} | {
            a.event.amendment_id for a in note.amendments
        } == aggregate.additions
        decided = {True: "granted", False: "refused"}
        assert {
            x.requested.event.request_id: decided[bool(x.granted)] if x.granted or x.refused else "requested"
            for x in note.extensions
        } == aggregate.requests
    for day in DAYS:
        then = chart_as_known(world.recorder, world.at(chart_id, position, day), chart_id)
        assert sorted(
            a.assigned.staff_id for a in then.coordinators if a.released is None or a.released.last_day == day
        ) == sorted(client.coordinators_on(day))
        assert [d.recorded for d in then.diagnoses if d.resolved is None or d.resolved.resolved_on == day] == list(
            client.diagnoses_on(day)
        )
        for program in ("psc", "ecm"):
            running = [
                e.opened
                for e in then.episodes
                if e.opened.program == program and (e.closed is None or e.closed.closed_on == day)
            ]
            found = client.episode_on(program, day)
            assert (found in running) if found is not None else not running
        shown = {plan.plan_id: plan.in_force for plan in then.plans}
        for plan in seen.plans:
            assert shown.get(plan.plan_id) == state(Plan, plan.plan_id).version_on(day)


@settings(max_examples=25, deadline=None)
@given(steps)
def test_a_later_service_date_never_shows_less(what: list[Step]) -> None:
    with a_world() as world:
        for _ in play(world, what):
            pass
        head = world.recorder.sequence()
        for chart_id in world.charts:
            before: set[tuple[str, str]] = set()
            for day in DAYS:
                seen = chart_as_known(world.recorder, world.at(chart_id, head, day), chart_id)
                ids = {(type(item).__name__, item.first.event_id) for item in seen.items}
                assert before <= ids
                assert all(c.facts.started_at.date() <= day for c in seen.contacts)
                assert all(note.drafted.service_started_at.date() <= day for note in seen.notes)
                before = ids
            everything = chart_as_known(world.recorder, world.at(chart_id, head), chart_id)
            last = chart_as_known(world.recorder, world.at(chart_id, head, date.max), chart_id)
            assert len(last.items) == len(everything.items)


def fields_at(chart_id: str, events: list[Recorded], position: int, day: date | None) -> dict[ItemKey, Fields]:
    folding = fold_chart(chart_id, [e for e in events if e.row.position <= position])
    found = {key: fields_of(item, day, folding.items) for key, item in folding.items.items()}
    return {key: fields for key, fields in found.items() if fields is not None}


@settings(max_examples=25, deadline=None)
@given(steps)
def test_a_difference_explains_every_change_and_nothing_else(what: list[Step]) -> None:
    with a_world() as world:
        for _ in play(world, what):
            pass
        head = world.recorder.sequence()
        chart_id = world.charts[0]
        events = read_verified(world.recorder, world.at(chart_id, head), chart_id)

        @cache
        def then(position: int, day: date | None) -> dict[ItemKey, Fields]:
            return fields_at(chart_id, events, position, day)

        for day in (None, DAYS[4]):
            for first, second in ((0, head), (head // 3, head), (head // 3, 2 * head // 3), (head // 2, head // 2)):
                before = fields_at(chart_id, events, first, day)
                after = fields_at(chart_id, events, second, day)
                changes = changes_between(chart_id, events, first, second, day)
                assert first != second or changes == ()
                for change in changes:
                    key = (change.section, change.item_id)
                    assert change.change == (
                        "added" if key not in before else "removed" if key not in after else "changed"
                    )
                    item = before.setdefault(key, {})
                    for field in change.fields:
                        assert field.before != field.after
                        assert item.get(field.field) == field.before
                        assert first < field.by.position <= second
                        assert field.by in change.events
                        just_before = then(field.by.position - 1, day).get(key, {})
                        assert just_before.get(field.field) != field.after, "its event set it"
                        assert then(field.by.position, day).get(key, {}).get(field.field) == field.after
                        if field.after is None:
                            del item[field.field]
                        else:
                            item[field.field] = field.after
                    if change.change == "removed":
                        assert before.pop(key) == {}
                assert before == after


@settings(max_examples=15, deadline=None)
@given(steps)
def test_the_versions_shown_are_those_at_the_position(what: list[Step]) -> None:
    with a_world() as world:
        for _ in play(world, what):
            pass
        head = world.recorder.sequence()
        chart_id = world.charts[0]
        events = read_verified(world.recorder, world.at(chart_id, head), chart_id)
        positions = [*range(head, 0, -3), head // 2]
        answers = versions_shown(chart_id, events, [(position, None) for position in positions])
        for position, answer in zip(positions, answers, strict=True):
            expected: dict[str, int] = {}
            for row in world.recorder.read_log(0, position):
                if row.chart_id == chart_id and row.topic != "access.granted":
                    expected[str(row.originator_id)] = row.originator_version
            assert answer == tuple(f"{stream}@{version}" for stream, version in expected.items())
        (shown,) = versions_shown(chart_id, events, [(head, DAYS[3])])
        chart = chart_as_known(world.recorder, world.at(chart_id, head, DAYS[3]), chart_id)
        assert {v.rpartition("@")[0] for v in shown} == {
            t.event_id.rpartition("@")[0] for item in chart.items for t in item.changes
        }


def test_the_story_has_every_event_a_chart_can_hold() -> None:
    """The generator's own test: without it, a kind of event that never happens would never be replayed."""
    with a_world() as world:
        full_story(world)
        happened = {row.topic for row in world.recorder.read_log(0, 1000)}
        kinds = ("client.", "contact.", "note.", "plan.", "dispute.")
        assert {name for name in event_types() if name.startswith(kinds)} <= happened
        chart_id = world.charts[0]
        seen = chart_as_known(world.recorder, world.at(chart_id, world.recorder.sequence()), chart_id)
        assert not seen.others
        assert {note.status for note in seen.notes} == {"cosigned", "in error"}


def test_an_end_shows_from_its_last_day_on_and_not_before() -> None:
    with a_world() as world:
        full_story(world)
        chart_id, head = world.charts[0], world.recorder.sequence()
        now = chart_as_known(world.recorder, world.at(chart_id, head), chart_id)
        coordinator, diagnosis = now.coordinators[0], now.diagnoses[0]
        episode = next(e for e in now.episodes if e.closed)
        assert coordinator.released
        assert diagnosis.resolved
        assert episode.closed

        def on(day: date) -> Chart:
            return chart_as_known(world.recorder, world.at(chart_id, head, day), chart_id)

        eve = timedelta(days=1)
        last = coordinator.released.last_day
        assert (on(last).coordinators[0].released, on(last - eve).coordinators[0].released) == (
            coordinator.released,
            None,
        )
        last = diagnosis.resolved.resolved_on
        assert (on(last).diagnoses[0].resolved, on(last - eve).diagnoses[0].resolved) == (diagnosis.resolved, None)
        last = episode.closed.closed_on
        number = now.episodes.index(episode)
        assert on(last).episodes[number].closed == episode.closed
        assert all(e.closed is None for e in on(last - eve).episodes)


def test_the_last_change_of_each_item_names_who_and_when() -> None:
    with a_world() as world:
        full_story(world)
        chart_id = world.charts[0]
        rows = {row.event_id: row for row in world.recorder.read_chart(chart_id)}
        seen = chart_as_known(world.recorder, world.at(chart_id, world.recorder.sequence()), chart_id)
        for item in seen.items:
            assert [t.position for t in item.changes] == sorted(t.position for t in item.changes)
            for trace in item.changes:
                row = rows[trace.event_id]
                assert (trace.actor, trace.role, trace.credential) == (row.actor, row.role, row.credential)
                assert (to_text(trace.occurred_at), to_text(trace.recorded_at)) == (row.occurred_at, row.recorded_at)
                assert trace.leaf == row.leaf.hex()
