"""What the marks of a picture mean: one line of small samples with words, as many lines as they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from xml.etree import ElementTree as ET

from ledger.tracing.page import element

_INK = "#111"
_ROW, _SAMPLE, _LETTER, _GAP = 20.0, 34.0, 6.4, 26.0

#: A sample drawn from a left edge and a middle line, 26 wide.
Sample = Callable[[float, float], list[ET.Element]]


def legend(samples: Sequence[tuple[Sample, str]], left: float, right: float, top: float) -> tuple[ET.Element, float]:
    """The legend between two edges, and the height it takes."""
    parts: list[ET.Element] = []
    x, y = left, top + _ROW / 2
    for draw, words in samples:
        width = _SAMPLE + _LETTER * len(words)
        if x > left and x + width > right:
            x, y = left, y + _ROW
        parts += draw(x, y)
        parts.append(element("text", words, x=x + _SAMPLE, y=y + 4, fill=_INK))
        x += width + _GAP
    return element("g", element("title", "Legend"), *parts, Class="legend"), y + _ROW / 2 - top


def bar(*, solid: bool) -> Sample:
    """The line of one deadline, with the mark at its end."""

    def draw(x: float, y: float) -> list[ET.Element]:
        fill = _INK if solid else "#fff"
        return [
            element("rect", x=x, y=y - 5, width=24.0, height=10.0, fill=fill, stroke=_INK, stroke_width=1.0),
            element("line", x1=x + 24, y1=y - 9, x2=x + 24, y2=y + 9, stroke=_INK, stroke_width=3.0),
        ]

    return draw


def partial(x: float, y: float) -> list[ET.Element]:
    """From the end of Full to the end of Partial."""
    return [
        element("line", x1=x, y1=y, x2=x + 24, y2=y, stroke=_INK, stroke_width=1.6, stroke_dasharray="2 3"),
        element("line", x1=x + 24, y1=y - 7, x2=x + 24, y2=y + 7, stroke=_INK, stroke_width=1.6),
    ]


def across(*, dashed: bool) -> Sample:
    """A moment that matters to every deadline."""

    def draw(x: float, y: float) -> list[ET.Element]:
        middle, dashes = x + 12, "5 4" if dashed else None
        style: dict[str, str | float | None] = {"stroke": _INK, "stroke_width": 1.6, "stroke_dasharray": dashes}
        return [element("line", x1=middle, y1=y - 9, x2=middle, y2=y + 9, **style)]

    return draw


def closed(x: float, y: float) -> list[ET.Element]:
    """A day on which the offices are closed."""
    return [element("rect", x=x, y=y - 7, width=24.0, height=14.0, fill="url(#closed)", stroke="#bbb")]


def dot(*, solid: bool) -> Sample:
    """An event on one of the two clocks."""

    def draw(x: float, y: float) -> list[ET.Element]:
        fill, ink = (_INK, "#fff") if solid else ("#fff", _INK)
        return [
            element("circle", cx=x + 12, cy=y, r=8.0, fill=fill, stroke=_INK),
            element("text", "1", x=x + 12, y=y + 4, text_anchor="middle", fill=ink, font_size="11"),
        ]

    return draw
