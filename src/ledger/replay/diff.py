"""The difference between two moments of a chart: what was added, what changed field by field, by whose event.

Both moments are folded from the same events, and the events between them are walked one by one, so that each changed
field names the event that last set it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from ledger.clock import to_text
from ledger.grants import Grant
from ledger.replay.chart import SIGNATURES, ChartFold, trace_of
from ledger.replay.effective import effective
from ledger.replay.state import Item, ItemKey, Trace, plain
from ledger.replay.verified import read_verified
from ledger.store.envelope import Recorded
from ledger.store.recorder import Recorder

Fields = dict[str, Any]

#: What tells the entries of a list apart, so that a new one in the middle is not a change of all that follow.
_NAMES = (
    "number",
    "addendum_id",
    "amendment_id",
    "evidence_id",
    "request_id",
    "signer_id",
    "objective",
    "system",
)
#: Not content: the provenance, which a difference gives by itself, and the chart's own id on every event.
_SKIPPED = frozenset(("changes", "by", "written", "client_id"))


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """One field before and after (None: it had, or has, no value), and the event that last set it."""

    field: str
    before: Any
    after: Any
    by: Trace


class ItemChange(msgspec.Struct, frozen=True, kw_only=True):
    """One item of the chart that is not what it was, with every event that touched it between the moments.

    ``fields`` is empty when what was changed was changed back.
    """

    section: str
    item_id: str
    #: added, changed or removed (as of the day asked for; nothing ever leaves the record).
    change: str
    fields: tuple[FieldChange, ...]
    events: tuple[Trace, ...]


class ChartDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What changed on a chart between two moments; what was checked to say so is ``verified_…``."""

    chart_id: str
    since: datetime
    #: Empty when it reaches to what is known now.
    until: datetime | None
    since_position: int
    until_position: int
    as_of: date | None
    verified_events: int
    verified_signatures: int
    last_leaf: str
    items: tuple[ItemChange, ...]


def diff_as_known(recorder: Recorder, grant: Grant, chart_id: str, since: datetime) -> ChartDiff:
    """What changed between ``since`` and the grant's moment, as of the grant's service date if it has one.

    Raises ``NotGranted`` and ``IntegrityFault``, as a reading of the chart does.
    """
    events = read_verified(recorder, grant, chart_id)
    return diff_of(chart_id, events, grant, since, recorder.position_at(to_text(since)))


def diff_of(chart_id: str, events: Sequence[Recorded], grant: Grant, since: datetime, since_position: int) -> ChartDiff:
    """The same, of events that were read and checked already; ``since_position`` is the last one known at ``since``."""
    grant.check(chart_id)
    since_position = min(since_position, grant.position)
    return ChartDiff(
        chart_id=chart_id,
        since=since,
        until=grant.as_known_at,
        since_position=since_position,
        until_position=grant.position,
        as_of=grant.as_of,
        verified_events=len(events),
        verified_signatures=sum(recorded.row.topic in SIGNATURES for recorded in events),
        last_leaf=events[-1].row.leaf.hex() if events else "",
        items=changes_between(chart_id, events, since_position, grant.position, grant.as_of),
    )


def changes_between(
    chart_id: str, events: Sequence[Recorded], first: int, second: int, as_of: date | None = None
) -> tuple[ItemChange, ...]:
    """What the events with positions in (first, second] changed, in the order in which items were first touched."""
    folding = ChartFold(chart_id)
    start: dict[ItemKey, Fields | None] = {}
    now: dict[ItemKey, Fields | None] = {}
    setters: dict[ItemKey, dict[str, Trace]] = {}
    touched: dict[ItemKey, list[Trace]] = {}
    for recorded in events:
        position = recorded.row.position
        if position > second:
            break
        if position <= first:
            folding.add(recorded)
            continue
        key = folding.touches(recorded)
        if key is not None and key not in start:
            start[key] = now[key] = fields_of(folding.items.get(key), as_of, folding.items)
        folding.add(recorded)
        if key is None:
            continue
        trace = trace_of(recorded)
        after = fields_of(folding.items[key], as_of, folding.items)
        for name in _differing(now[key], after):
            setters.setdefault(key, {})[name] = trace
        now[key] = after
        touched.setdefault(key, []).append(trace)
    found = (_item_change(key, start[key], now[key], setters.get(key, {}), touched[key]) for key in touched)
    return tuple(change for change in found if change is not None)


def fields_of(item: Item | None, as_of: date | None, items: dict[ItemKey, Item]) -> Fields | None:
    """An item's values by their path, as of a day; None when the item is not there (yet). Empty values are left out."""
    seen = None if item is None else effective(item, as_of, items)
    if seen is None:
        return None
    found: Fields = {}
    _walk(plain(seen), "", found)
    return found


def _walk(value: Any, path: str, found: Fields) -> None:
    if isinstance(value, dict):
        # An entry's event stands for the entry: its trace is given beside the change.
        if value.keys() == {"event", "by"}:
            _walk(value["event"], path, found)
            return
        for name, inner in value.items():
            if name not in _SKIPPED:
                _walk(inner, f"{path}.{name}" if path else str(name), found)
    elif isinstance(value, (list, tuple)):
        taken: set[str] = set()
        for number, inner in enumerate(value, start=1):
            name = _name_of(inner) or str(number)
            if name in taken:
                name = f"{name}#{number}"
            taken.add(name)
            _walk(inner, f"{path}[{name}]", found)
    elif value is not None:
        found[path] = value


def _name_of(value: Any) -> str | None:
    if not isinstance(value, dict):
        return None
    inner = value.get("event", value.get("requested", value))
    inner = inner.get("event", inner) if isinstance(inner, dict) else value
    return next((str(inner[name]) for name in _NAMES if inner.get(name) is not None), None)


def _differing(before: Fields | None, after: Fields | None) -> list[str]:
    before, after = before or {}, after or {}
    return [name for name in {**before, **after} if before.get(name) != after.get(name)]


def _item_change(
    key: ItemKey, before: Fields | None, after: Fields | None, setters: dict[str, Trace], events: list[Trace]
) -> ItemChange | None:
    if before is None and after is None:
        return None
    change = "added" if before is None else "removed" if after is None else "changed"
    return ItemChange(
        section=key[0],
        item_id=key[1],
        change=change,
        fields=tuple(
            FieldChange(field=name, before=(before or {}).get(name), after=(after or {}).get(name), by=setters[name])
            for name in _differing(before, after)
        ),
        events=tuple(events),
    )
