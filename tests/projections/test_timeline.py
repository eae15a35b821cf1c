"""The timeline: one row for every event of a chart, in words, bounded by what the grant may show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from tests.replay.world import START, Step, World, a_world, full_story, play, steps

from ledger.aggregates.vocabulary import Event, event_types
from ledger.consumers.log import LocalLog
from ledger.consumers.rebuild import build_beside, compare, rows_of
from ledger.consumers.runner import Runner
from ledger.grants import NotGranted
from ledger.projections.access_audit import access_audit
from ledger.projections.base import Projection
from ledger.projections.every import PROJECTIONS
from ledger.projections.folding import fold_all
from ledger.projections.timeline import TimelineEvent, events_of, happened_on, timeline
from ledger.projections.timeline_words import WORDS, brief, first_sentence, words
from ledger.store.codec import read

KINDS = ("client.", "contact.", "note.", "plan.", "dispute.")
VIEWS: tuple[Projection[Any], ...] = (timeline, access_audit)


@pytest.fixture
def world() -> Iterator[World]:
    with a_world() as made:
        full_story(made)
        yield made


def up_to_date(world: World, batch: int = 1000, views: Sequence[Projection[Any]] = VIEWS) -> Runner:
    runner = Runner(world.recorder.engine, LocalLog(world.recorder), views, batch=batch)
    runner.prepare()
    runner.catch_up()
    return runner


def rows(world: World, chart: int = 0, **options: Any) -> list[TimelineEvent]:
    chart_id = world.charts[chart]
    as_of = options.pop("as_of", None)
    position = options.pop("position", world.recorder.sequence())
    with world.recorder.reading() as connection:
        return events_of(connection, world.at(chart_id, position, as_of), chart_id, **options)


@pytest.mark.parametrize("name", sorted(name for name in event_types() if name.startswith(KINDS)))
def test_every_event_of_a_chart_has_words_of_its_own(name: str) -> None:
    assert event_types()[name] in WORDS


def test_the_words_of_a_whole_story_are_short_distinct_and_from_the_event(world: World) -> None:
    said: dict[str, str] = {}
    for row in world.recorder.read_chart(world.charts[0]):
        if row.topic != "access.granted":
            line = words(read(row).event)
            assert line
            assert "\n" not in line
            assert len(line) < 220
            said.setdefault(row.topic, line)
    assert len(set(said.values())) == len(said)
    assert said["note.signed"].startswith("note signed by Rosa Example, lcsw; late:")
    assert said["plan.put_in_force"] == "plan version 1 signed by Rosa Example, lcsw, in force from 2025-03-03"
    assert said["contact.corrected"] == "contact corrected (travel minutes): typing"
    assert said["plan.reviewed"].endswith("1 partly met")
    assert said["dispute.decided"] == "dispute decided, upheld, under PSC-13 (72-elapsed-hours)"


def test_an_event_of_a_new_kind_is_told_by_its_definition() -> None:
    class Weighed(Event, frozen=True, kw_only=True):
        """The client was weighed,
        in kilograms. More is said here."""

    assert first_sentence(Weighed) == "The client was weighed, in kilograms"
    assert words(Weighed()) == "The client was weighed, in kilograms"


def test_a_long_reason_is_cut_at_a_word() -> None:
    assert brief("short\n text") == "short text"
    assert brief("word " * 60) == " ".join(["word"] * 24) + " …"


def test_each_event_of_the_chart_has_one_row_and_an_access_has_none(world: World) -> None:
    up_to_date(world)
    expected = [r for r in world.recorder.read_chart(world.charts[0]) if r.topic != "access.granted"]
    found = rows(world)
    assert [(f.event_id, f.position, f.actor, f.role, f.recorded_at, f.type) for f in found] == [
        (r.event_id, r.position, r.actor, r.role, r.recorded_at, r.topic) for r in expected
    ]
    contact = next(f for f in found if f.type == "contact.recorded")
    assert (contact.service_date, contact.credential, contact.version) == ("2025-01-18", "lcsw", 1)
    note = next(f for f in found if f.type == "note.signed")
    assert note.about in world.contacts
    assert note.document in world.notes
    dispute = next(f for f in found if f.type == "dispute.opened")
    assert dispute.about == note.document


def test_the_grant_bounds_what_is_shown(world: World) -> None:
    up_to_date(world)
    everything = rows(world)
    half = everything[len(everything) // 2].position
    assert rows(world, position=half) == [row for row in everything if row.position <= half]
    with world.recorder.reading() as connection, pytest.raises(NotGranted):
        events_of(connection, world.at(world.charts[1], half), world.charts[0])


def test_as_of_a_service_date_shows_what_had_begun(world: World) -> None:
    """The contacts of the story are of 18 January; so are their notes and the dispute about one, written in March."""
    up_to_date(world)
    before = {row.type for row in rows(world, as_of=date(2025, 1, 17))}
    after = {row.type for row in rows(world, as_of=date(2025, 1, 18))}
    assert not {t for t in before if t.startswith(("contact.", "note.", "dispute."))}
    assert {"contact.recorded", "note.signed", "note.addendum_added", "dispute.decided"} <= after
    assert "client.registered" not in before, "the client was registered in March"
    assert "client.episode_opened" in before


def test_days_narrow_by_when_it_happened_in_the_offset_meant(world: World) -> None:
    up_to_date(world)
    everything = rows(world)
    contact_day = date(2025, 1, 18)
    assert {row.type for row in rows(world, last=contact_day)} == {"contact.recorded"}
    later = rows(world, first=START.date())
    assert later == [row for row in everything if happened_on(row) >= START.date()]
    assert len(later) < len(everything)


@settings(max_examples=8, deadline=None)
@given(steps)
def test_a_rebuild_and_any_cutting_give_the_same_bytes(what: list[Step]) -> None:
    with a_world() as world:
        for turn, _ in enumerate(play(world, what)):
            if turn == len(what) // 2:
                up_to_date(world, batch=5, views=PROJECTIONS)
        world.read(world.charts)
        up_to_date(world, batch=7, views=PROJECTIONS)
        log = [read(row) for row in world.recorder.read_log(0, 10_000)]
        filled = set()
        for view in PROJECTIONS:
            _, generation = build_beside(world.recorder.engine, LocalLog(world.recorder), view)
            difference = compare(world.recorder.engine, view, generation)
            assert difference.same
            live = rows_of(world.recorder.engine, view)
            assert live == rows_of(world.recorder.engine, view, generation)
            folded = [view.to_columns(line) for line in fold_all(view, log).values()]
            order = [view.key_of(view.from_columns(row).row) for row in live]
            assert order == sorted(order)
            assert sorted(folded, key=lambda row: tuple(row[name] for name in view.key)) == live
            if live:
                filled.add(view.name)
        assert filled >= {"timeline", "access_audit", "staffing", "coverage"}
