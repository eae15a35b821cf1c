"""Today's schemas keep the promise of the recorded ones; and the check notices each way of breaking it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from tests.published.record_schemas import RECORDED, record

from ledger.aggregates.vocabulary import Event
from ledger.published.compatibility import Direction, breaks
from ledger.published.schemas import Schema, event_schema, event_schemas, file_name, published_types, render

BOTH: frozenset[Direction] = frozenset({"backward", "forward"})
BACKWARD: frozenset[Direction] = frozenset({"backward"})
FORWARD: frozenset[Direction] = frozenset({"forward"})
NOTHING: frozenset[Direction] = frozenset()


@pytest.mark.parametrize("name", published_types())
def test_todays_schema_keeps_the_promise_of_the_recorded_one(name: str) -> None:
    path = RECORDED / file_name(published_types()[name])
    assert path.exists(), "run: python -m tests.published.record_schemas"
    recorded = path.read_text(encoding="utf-8")
    assert [str(each) for each in breaks(json.loads(recorded), event_schemas()[name])] == []
    # What was added since must be recorded too, or taking it away again would go unnoticed.
    assert recorded == render(event_schemas()[name]), "run: python -m tests.published.record_schemas"


def test_a_recorded_schema_has_its_event_still() -> None:
    """An event type that was released is never taken away: its events are stored for ever."""
    recorded = {(path.stem, int(path.parent.name[1:])) for path in RECORDED.glob("v*/*.json")}
    types = published_types()
    assert recorded
    assert not [(name, version) for name, version in recorded if name not in types or version > types[name].SCHEMA]


Change = Callable[[Schema], Any]


def field(schema: Schema, name: str) -> Schema:
    found: Schema = schema["properties"][name]
    return found


CHANGES: list[tuple[str, str, Change, frozenset[Direction], str]] = [
    # what is changed, in which event, how, whom it breaks, and where that is told
    ("nothing", "note.drafted", lambda s: None, NOTHING, ""),
    ("better words", "note.drafted", lambda s: s.update(description="x", title="y"), NOTHING, ""),
    (
        "a field with a default",
        "note.drafted",
        lambda s: s["properties"].update(tone={"type": "string", "default": ""}),
        NOTHING,
        "",
    ),
    (
        "a new required field",
        "note.drafted",
        lambda s: (s["properties"].update(tone={"type": "string"}), s["required"].append("tone")),
        BACKWARD,
        "tone",
    ),
    (
        "a required field removed",
        "note.signed",
        lambda s: (s["properties"].pop("role"), s["required"].remove("role")),
        FORWARD,
        "role",
    ),
    ("an optional field removed", "note.signed", lambda s: s["properties"].pop("late_reason"), FORWARD, "late_reason"),
    ("required becomes optional", "note.signed", lambda s: s["required"].remove("role"), FORWARD, "role"),
    (
        "optional becomes required",
        "note.signed",
        lambda s: s["required"].append("late_reason"),
        BACKWARD,
        "late_reason",
    ),
    (
        "another type",
        "contact.recorded",
        lambda s: field(s, "direct_minutes").update(type="string"),
        BOTH,
        "direct_minutes",
    ),
    (
        "a wider number",
        "contact.recorded",
        lambda s: field(s, "direct_minutes").update(type="number"),
        BOTH,
        "direct_minutes",
    ),
    (
        "null allowed",
        "note.signed",
        lambda s: field(s, "role").update(anyOf=[{"type": "null"}, {"type": "string"}]),
        FORWARD,
        "role",
    ),
    (
        "null refused",
        "note.signed",
        lambda s: field(s, "credential").update(anyOf=[{"type": "string"}]),
        BACKWARD,
        "credential",
    ),
    (
        "another default",
        "contact.recorded",
        lambda s: field(s, "late_entry").update(default=True),
        BACKWARD,
        "late_entry",
    ),
    ("zero for false", "contact.recorded", lambda s: field(s, "late_entry").update(default=0), BACKWARD, "late_entry"),
    (
        "a format added",
        "note.signed",
        lambda s: field(s, "role").update(format="uri"),
        BACKWARD,
        "role",
    ),
    (
        "a format removed",
        "note.drafted",
        lambda s: field(s, "service_ended_at").pop("format"),
        FORWARD,
        "service_ended_at",
    ),
    (
        "a format changed",
        "note.drafted",
        lambda s: field(s, "service_ended_at").update(format="date"),
        BOTH,
        "service_ended_at",
    ),
    (
        "a list of something else",
        "contact.recorded",
        lambda s: field(s, "diagnoses").update(items={"type": "integer"}),
        BOTH,
        "diagnoses[]",
    ),
    ("fewer items", "contact.recorded", lambda s: field(s, "diagnoses").update(maxItems=9), BACKWARD, "diagnoses"),
    (
        "a higher minimum, deep below",
        "contact.recorded",
        lambda s: s["$defs"]["Group"]["properties"]["size"].update(minimum=3),
        BACKWARD,
        "group.size",
    ),
    (
        "a lower minimum, deep below",
        "contact.recorded",
        lambda s: s["$defs"]["Group"]["properties"]["size"].update(minimum=1),
        FORWARD,
        "group.size",
    ),
    (
        "a lower maximum",
        "contact.recorded",
        lambda s: s["$defs"]["Group"]["properties"]["size"].update(maximum=20),
        BACKWARD,
        "group.size",
    ),
    (
        "no maximum",
        "contact.recorded",
        lambda s: s["$defs"]["Group"]["properties"]["size"].pop("maximum"),
        FORWARD,
        "group.size",
    ),
    (
        "another pattern",
        "contact.recorded",
        lambda s: s["$defs"]["Group"]["properties"]["group_id"].update(pattern="^x$"),
        BOTH,
        "group.group_id",
    ),
    (
        "shorter texts in a mapping",
        "note.drafted",
        lambda s: s["$defs"]["NoteContent"]["properties"]["sections"]["additionalProperties"].update(maxLength=10),
        BACKWARD,
        "content.sections{additionalProperties}",
    ),
    (
        "longer keys in a mapping",
        "note.drafted",
        lambda s: s["$defs"]["NoteContent"]["properties"]["sections"]["propertyNames"].update(maxLength=999),
        FORWARD,
        "content.sections{propertyNames}",
    ),
    (
        "a field removed from what a list holds",
        "note.signed",
        lambda s: (
            s["$defs"]["CitedPlan"]["properties"].pop("plan_id")
            and s["$defs"]["CitedPlan"]["required"].remove("plan_id")
        ),
        FORWARD,
        "cited_plans[].plan_id",
    ),
    (
        "unknown fields refused",
        "note.signed",
        lambda s: s.update(additionalProperties=False),
        BACKWARD,
        "the payload",
    ),
    (
        "a part of a tuple taken away",
        "access.granted",
        lambda s: s["$defs"]["ChartShown"]["prefixItems"].pop(),
        BOTH,
        "charts[]",
    ),
    (
        "a part of a tuple changed",
        "access.granted",
        lambda s: s["$defs"]["ChartShown"]["prefixItems"][1].update(minimum=1),
        BACKWARD,
        "charts[][1]",
    ),
    (
        "a rule that this check does not know",
        "note.signed",
        lambda s: field(s, "role").update(madeUp=1),
        BACKWARD,
        "role",
    ),
]


@pytest.mark.parametrize(("what", "name", "change", "broken", "where"), CHANGES, ids=[change[0] for change in CHANGES])
def test_the_check_notices(what: str, name: str, change: Change, broken: frozenset[Direction], where: str) -> None:
    recorded = event_schemas()[name]
    today = copy.deepcopy(recorded)
    change(today)
    found = breaks(recorded, today)
    assert {each.direction for each in found} == broken, [str(each) for each in found]
    assert {each.where for each in found} == ({where} if broken else set()), what


def test_a_change_and_its_reverse_break_opposite_directions() -> None:
    """Whatever breaks old payloads one way breaks old consumers the other way, defaults apart."""
    turned = {"backward": "forward", "forward": "backward"}
    for what, name, change, _, _ in CHANGES:
        if (
            what in ("another default", "zero for false", "a field with a default", "a new required field")
            or "removed" in what
        ):
            continue
        recorded = event_schemas()[name]
        today = copy.deepcopy(recorded)
        change(today)
        there, back = breaks(recorded, today), breaks(today, recorded)
        assert {each.direction for each in back} == {turned[each.direction] for each in there}, what


class Before(Event, frozen=True, kw_only=True):
    """A made-up event."""

    TYPE = "made_up.event"
    kind: Literal["a", "b"]
    other: int | None = None


class After(Event, frozen=True, kw_only=True):
    """The same event, changed."""

    TYPE = "made_up.event"
    kind: Literal["b", "c"]
    other: int | str | None = None
    more: tuple[str, ...] = ()


def test_the_check_works_on_definitions_not_only_on_schemas() -> None:
    found = [str(each) for each in breaks(event_schema(Before), event_schema(After))]
    assert sorted(found) == [
        "kind: 'a' is no longer a choice (backward)",
        "kind: 'c' is a new choice (forward)",
        "other: may now be string (forward)",
    ]


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """A part that holds parts like itself."""

    name: str
    branches: tuple[Branch, ...] = ()


class Tree(Event, frozen=True, kw_only=True):
    """A made-up event."""

    TYPE = "made_up.tree"
    root: Branch


def test_a_type_that_holds_itself_is_compared_to_its_end() -> None:
    recorded = event_schema(Tree)
    today = copy.deepcopy(recorded)
    assert breaks(recorded, today) == []
    today["$defs"]["Branch"]["properties"]["name"]["maxLength"] = 3
    assert [each.where for each in breaks(recorded, today)] == ["root.name"]


def test_recording_replaces_nothing_that_was_promised(tmp_path: Path) -> None:
    assert record(tmp_path) == len(published_types())
    assert record(tmp_path) == 0
    path = tmp_path / "v1" / "note.signed.json"
    recorded = json.loads(path.read_text(encoding="utf-8"))
    del recorded["properties"]["late_reason"]  # as if today's release had added it, with a default
    path.write_text(render(recorded), encoding="utf-8")
    assert record(tmp_path) == 1
    recorded["properties"]["gone"] = {"type": "string"}
    path.write_text(render(recorded), encoding="utf-8")
    with pytest.raises(SystemExit, match=r"note.signed gone: was removed \(forward\)"):
        record(tmp_path)
    assert json.loads(path.read_text(encoding="utf-8")) == recorded
