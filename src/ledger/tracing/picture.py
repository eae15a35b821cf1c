"""The picture of a trace: the service, the deadlines of every reading and the events on both clocks, on one axis (SVG).

It reads in black and white: what is in force is solid and bold, what is not is an outline, closed days are hatched.
Nothing overlaps by construction: every deadline has a line of its own, its words stand in the margins, and events
that would touch are stacked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import msgspec

from ledger.policies.calendar import CalendarError
from ledger.policies.calendar import calendar as calendar_of
from ledger.policies.deadline_rules import rule_book
from ledger.tracing import legend
from ledger.tracing.bracket_told import proved_lines
from ledger.tracing.findings import Limit, Opinion, Trace
from ledger.tracing.page import element
from ledger.tracing.words import OUTCOMES, local

_WIDTH, _LEFT, _RIGHT = 1420.0, 380.0, 400.0
_LANE, _DOT = 22.0, 9.0
_INK = "#111"
#: White around letters, so that a line behind them does not strike them through.
_HALO: dict[str, str | float | None] = {
    "stroke": "#fff",
    "stroke_width": 5.0,
    "paint_order": "stroke",
    "stroke_linejoin": "round",
}


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One deadline's line, from the clock's start to ``due``: its name at the left, what came of it at the right.

    ``partial`` is where a rating's Partial ends, after ``due``, where its Full ends.
    """

    label: str
    due: datetime
    said: str
    solid: bool
    partial: datetime | None = None


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """One event: its number in the table, and where it stands on the person's clock and on the server's."""

    number: int
    claimed: datetime
    recorded: datetime
    title: str


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A moment that matters to every deadline: a line across all of them, with its words above."""

    at: datetime
    label: str
    dashed: bool = False


def trace_picture(trace: Trace) -> ET.Element | None:
    """The picture of a trace; None where no rule could be applied, so that there is nothing to draw."""
    if not trace.opinions:
        return None
    bars = [
        Bar(
            label=f"{opinion.rule_id} {opinion.reading}",
            due=opinion.due,
            said=f"{local(opinion.due, trace.zone)} {opinion.said}{_before(trace, opinion)}",
            solid=opinion.adopted,
            partial=opinion.partial_due,
        )
        for opinion in trace.opinions
    ]
    marks = [
        Mark(number=e.number, claimed=e.occurred_at, recorded=e.recorded_at, title=f"{e.number}: {e.words}")
        for e in trace.events
    ]
    lines = [Line(at=trace.service_ended_at, label=f"Service ended {local(trace.service_ended_at, trace.zone)}")]
    if trace.signature is not None:
        claimed, recorded = trace.signature.claimed_at, trace.signature.recorded_at
        lines.append(Line(at=recorded, label=f"Signed, by the server's clock {local(recorded, trace.zone)}"))
        if abs(recorded - claimed) >= timedelta(seconds=1):
            own = f"Signed, by their own clock {local(claimed, trace.zone)}"
            lines.append(Line(at=claimed, label=own, dashed=True))
    lines += [Line(at=at, label=label, dashed=True) for at, label in proved_lines(trace)]
    return draw(f"Timeline of note {trace.note_id}", bars, marks, lines, trace.zone, trace.program)


def _before(trace: Trace, opinion: Opinion) -> str:
    """In brackets, what a restated verdict was: the picture shows at once that it was turned."""
    one = trace.turned(opinion)
    if one is None:
        return ""
    return " (restated)" if one.outcome_then == one.outcome_now else f" (was {OUTCOMES[one.outcome_then]})"


def deadline_picture(title: str, started: datetime, limits: Sequence[Limit], zone: str, program: str) -> ET.Element:
    """The picture of deadlines before anything is written."""
    bars = [
        Bar(
            label=f"{limit.limit}: {', '.join(dict.fromkeys(rule.split(' ')[0] for rule in limit.serves))}",
            due=limit.due,
            said=local(limit.due, zone) + (" [default]" if limit.adopted else ""),
            solid=limit.adopted,
        )
        for limit in limits
    ]
    return draw(title, bars, (), [Line(at=started, label=f"Clock started {local(started, zone)}")], zone, program)


class _Axis:
    """Where a moment lies, from left to right. The axis is linear in elapsed time, so a day of 25 hours is wider."""

    def __init__(self, first: datetime, last: datetime, zone: str) -> None:
        margin = max((last - first) * 0.04, timedelta(minutes=30))
        self.first, self.last = (first - margin).astimezone(UTC), (last + margin).astimezone(UTC)
        self.zone = ZoneInfo(zone)
        self.left, self.right = _LEFT, _WIDTH - _RIGHT

    def x(self, at: datetime) -> float:
        share = (at.astimezone(UTC) - self.first) / (self.last - self.first)
        return self.left + share * (self.right - self.left)

    def holds(self, at: datetime) -> bool:
        return self.first <= at.astimezone(UTC) <= self.last

    def days(self) -> list[tuple[date, float, float]]:
        """Each local day that the axis touches, with its edges."""
        found = []
        day = self.first.astimezone(self.zone).date()
        while (start := self._midnight(day)) < self.last:
            end = self._midnight(day + timedelta(days=1))
            found.append((day, self.x(max(start, self.first)), self.x(min(end, self.last))))
            day += timedelta(days=1)
        return found

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), tzinfo=self.zone).astimezone(UTC)


def draw(
    title: str, bars: Sequence[Bar], marks: Sequence[Mark], lines: Sequence[Line], zone: str, program: str
) -> ET.Element:
    """Draw deadlines, lines across them, and events; times that lie far outside are named at the edge."""
    moments = [(bar.partial or bar.due).astimezone(UTC) for bar in bars] + [line.at.astimezone(UTC) for line in lines]
    moments += [bar.due.astimezone(UTC) for bar in bars]
    first, last = min(moments), max(moments)
    reach = (last - first) * 0.5
    near = [at for m in marks for at in (m.claimed.astimezone(UTC), m.recorded.astimezone(UTC))]
    near = [at for at in near if first - reach <= at <= last + reach]
    axis = _Axis(min([first, *near]), max([last, *near]), zone)
    heads = 18.0 * len(lines) + 8
    top = heads + 34
    parts: list[ET.Element] = []
    y = top
    for bar in bars:
        parts += _bar(axis, bar, lines[0].at, y)
        y += _LANE
    bottom = y + 4
    if marks:
        y += 14
        parts.append(_line(8, y - 6, _WIDTH - 8, y - 6, stroke="#999"))
        y = _events(axis, marks, y, parts)
        bottom = y
    ground, days = _ground(axis, top - 34, bottom, _closed(program))
    across, words = _heads(axis, lines, bottom)
    key, taken = legend.legend(_samples(bars, marks, lines), 12.0, _WIDTH - 12, y + 10)
    height = y + 10 + taken + 8
    return element(
        "svg",
        element("title", title),
        element("desc", "; ".join([*(line.label for line in lines), *(f"{bar.label}: {bar.said}" for bar in bars)])),
        _patterns(),
        element("rect", x=0.0, y=0.0, width=_WIDTH, height=height, fill="#fff"),
        *ground,
        *across,
        *parts,
        *days,
        *words,
        key,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_WIDTH:g} {height:g}",
        width=_WIDTH,
        height=height,
        role="img",
        font_family="system-ui, Helvetica, Arial, sans-serif",
        font_size="12",
    )


def _samples(bars: Sequence[Bar], marks: Sequence[Mark], lines: Sequence[Line]) -> list[tuple[legend.Sample, str]]:
    """What the marks that this picture has mean."""
    samples = [(legend.bar(solid=True), "deadline, the reading in force (its end: when it is due)")]
    if not all(bar.solid for bar in bars):
        samples.append((legend.bar(solid=False), "deadline, another reading"))
    if any(bar.partial is not None for bar in bars):
        samples.append((legend.partial, "from the end of Full to the end of Partial"))
    across = "the service's end; the signature, by the server's clock" if marks else "when the clock started"
    samples.append((legend.across(dashed=False), across))
    if any(line.dashed for line in lines):
        samples.append((legend.across(dashed=True), "the signature, by its signer's own clock"))
    samples.append((legend.closed, "offices closed"))
    if marks:
        samples.append((legend.dot(solid=False), "event, by its person's own clock"))
        samples.append((legend.dot(solid=True), "the same, by the server's clock (numbers: the table of events)"))
    return samples


def _patterns() -> ET.Element:
    stripe = element("path", d="M0 6 L6 0", stroke="#bbb", stroke_width=1.0)
    pattern = element("pattern", stripe, id="closed", width=6.0, height=6.0, patternUnits="userSpaceOnUse")
    return element("defs", pattern)


def _closed(program: str) -> Callable[[date], str | None]:
    try:
        days = calendar_of(rule_book().program(program).calendar)
    except LookupError:
        return lambda _: None

    def why(day: date) -> str | None:
        try:
            return days.why_not(day)
        except CalendarError:
            return None

    return why


def _ground(
    axis: _Axis, y: float, bottom: float, closed: Callable[[date], str | None]
) -> tuple[list[ET.Element], list[ET.Element]]:
    """The days, hatched where the offices are closed, and their names, as often as there is room for one."""
    names: list[ET.Element] = []
    days = axis.days()
    parts = [_line(axis.left, y + 32, axis.right, y + 32)]
    width = (axis.right - axis.left) / max(len(days), 1)
    step = next((n for n in (1, 2, 7, 14, 28, 91, 182, 364) if n * width >= 52), 728)
    named = -100.0
    for number, (day, left, right) in enumerate(days):
        why = closed(day) if len(days) <= 130 else None
        if why is not None:
            box = element("rect", x=left, y=y + 32, width=right - left, height=bottom - y - 32, fill="url(#closed)")
            box.append(element("title", f"{day}: {why}"))
            parts.append(box)
        if step == 1 or number % step == 0:
            if number:
                parts.append(_line(left, y + 26, left, bottom, stroke="#ccc"))
            middle, anchor = ((left + right) / 2, "middle") if step < 7 else (left, "start")
            if middle - named >= 46 and (number or right - left >= 30):
                names.append(_text(f"{day:%a}" if step < 7 else f"{day:%Y}", middle, y + 12, anchor, **_HALO))
                names.append(_text(f"{day:%m-%d}", middle, y + 26, anchor, **_HALO))
                named = middle
    return parts, names


def _heads(axis: _Axis, lines: Sequence[Line], bottom: float) -> tuple[list[ET.Element], list[ET.Element]]:
    """The lines across everything, each with its words on a line of its own above the axis, over the lines."""
    drawn: list[ET.Element] = []
    words: list[ET.Element] = []
    for number, line in enumerate(sorted(lines, key=lambda one: one.at.timestamp())):
        x, y = axis.x(line.at), 14 + 18.0 * number
        dashes = "5 4" if line.dashed else None
        drawn.append(_line(x, y + 4, x, bottom, stroke_width=1.6, stroke_dasharray=dashes))
        side, anchor = (6, "start") if x + 8.0 * len(line.label) < _WIDTH else (-6, "end")
        words.append(_text(line.label, x + side, y, anchor, font_weight="600", **_HALO))
    return drawn, words


def _bar(axis: _Axis, bar: Bar, started: datetime, y: float) -> list[ET.Element]:
    left, right = sorted((axis.x(started), axis.x(bar.due)))
    weight = "700" if bar.solid else None
    middle = y + _LANE / 2
    further = []
    if bar.partial is not None and bar.partial.timestamp() > bar.due.timestamp():
        end = axis.x(bar.partial)
        further = [
            _line(right, middle, end, middle, stroke_width=1.6, stroke_dasharray="2 3"),
            _line(end, middle - 7, end, middle + 7, stroke_width=1.6),
        ]
    return [
        *further,
        _text(_fit(bar.label, 49), _LEFT - 10, middle + 4, "end", font_weight=weight),
        element(
            "rect",
            x=left,
            y=middle - 5,
            width=max(right - left, 1.0),
            height=10.0,
            fill=_INK if bar.solid else "#fff",
            stroke=_INK,
            stroke_width=1.0,
        ),
        _line(axis.x(bar.due), middle - 9, axis.x(bar.due), middle + 9, stroke_width=3.0),
        _text(bar.said, axis.right + 10, middle + 4, "start", font_weight=weight),
    ]


def _events(axis: _Axis, marks: Sequence[Mark], y: float, parts: list[ET.Element]) -> float:
    """Two lanes of numbered events, their own clocks above the server's, joined where the two differ."""
    shown = [mark for mark in marks if axis.holds(mark.recorded) and axis.holds(mark.claimed)]
    aside = [mark for mark in marks if mark not in shown]
    claimed = _stacked([axis.x(mark.claimed) for mark in shown])
    recorded = _stacked([axis.x(mark.recorded) for mark in shown])
    height = 2 * _DOT + 3
    lower = y + height * (max(claimed, default=0) + 1) + 16
    parts.append(_text("Events, by their own clocks", _LEFT - 10, y + 14, "end", font_weight="600"))
    parts.append(_text("Events, by the server's clock", _LEFT - 10, lower + 14, "end", font_weight="600"))
    places = [
        (
            mark,
            axis.x(mark.claimed),
            y + _DOT + 1 + height * up,
            axis.x(mark.recorded),
            lower + _DOT + 1 + height * down,
        )
        for mark, up, down in zip(shown, claimed, recorded, strict=True)
    ]
    parts += [_line(x1, y1, x2, y2, stroke="#999") for _, x1, y1, x2, y2 in places if abs(x1 - x2) > 2]
    for mark, x1, y1, x2, y2 in places:
        parts.append(_dot(x1, y1, mark, solid=False))
        parts.append(_dot(x2, y2, mark, solid=True))
    bottom = lower + height * (max(recorded, default=0) + 1) + 4
    if aside:
        numbers = ", ".join(str(mark.number) for mark in aside)
        parts.append(_text(_fit(f"Outside these days: {numbers}", 40), axis.right + 10, lower + 14, "start"))
    return bottom


def _stacked(xs: Iterable[float]) -> list[int]:
    """For each dot the lowest level on which it touches no earlier one."""
    placed: list[list[float]] = []
    levels = []
    for x in xs:
        for level, row in enumerate(placed):
            if all(abs(x - other) >= 2 * _DOT + 2 for other in row):
                row.append(x)
                levels.append(level)
                break
        else:
            placed.append([x])
            levels.append(len(placed) - 1)
    return levels


def _dot(x: float, y: float, mark: Mark, *, solid: bool) -> ET.Element:
    circle = element("circle", cx=x, cy=y, r=_DOT, fill=_INK if solid else "#fff", stroke=_INK)
    label = _text(str(mark.number), x, y + 4, "middle", fill="#fff" if solid else _INK, font_size="11")
    return element("g", element("title", mark.title), circle, label)


def _line(x1: float, y1: float, x2: float, y2: float, **more: str | float | None) -> ET.Element:
    style: dict[str, str | float | None] = {"stroke": _INK, "stroke_width": 1.0, **more}
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **style)


def _text(text: str, x: float, y: float, anchor: str, **more: str | float | None) -> ET.Element:
    style: dict[str, str | float | None] = {"fill": _INK, **more}
    return element("text", text, x=x, y=y, text_anchor=anchor, **style)


def _fit(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
