"""A page of findings, and its two printed forms: text of at most a hundred columns, and HTML that stands alone.

HTML and SVG are built as trees and escaped when they are written out, so that nothing a person typed can become markup.
"""

from __future__ import annotations

import textwrap
from xml.etree import ElementTree as ET

import msgspec

from ledger.printable import safe

WIDTH = 100

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #111; background: #fff; margin: 2rem auto; max-width: 72rem;
  padding: 0 1.25rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem;
  border-bottom: 1px solid #777; padding-bottom: .2rem; }
.under { color: #333; margin: 0 0 1rem; overflow-wrap: anywhere; }
.lead { border: 2px solid #111; padding: .6rem 1rem; margin: 1rem 0; } .lead p { margin: .35rem 0; }
p { margin: .4rem 0; overflow-wrap: anywhere; } .scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #bbb; }
th { border-bottom: 2px solid #111; } tr.marked td { font-weight: 700; background: #eee; }
svg { width: 100%; height: auto; display: block; margin: 1rem 0; }
@media print { body { margin: 0; max-width: none; } h2 { break-after: avoid; } tr, svg { break-inside: avoid; } }
"""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Rows under headings; ``marked`` are the numbers of the rows to set off (those in force)."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: frozenset[int] = frozenset()


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A titled part of a page: sentences, then perhaps a table."""

    title: str
    sentences: tuple[str, ...] = ()
    table: Table | None = None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page: what it is about, its answer in a few sentences, and the sections that support it."""

    title: str
    under: tuple[str, ...]
    lead: tuple[str, ...]
    sections: tuple[Section, ...]


def as_text(page: Page) -> str:
    """The page as text, at most ``WIDTH`` columns wide wherever words can be broken."""
    lines = [safe(page.title), "=" * min(len(page.title), WIDTH)]
    for line in page.under:
        lines += _wrapped(line, "  ")
    lines.append("")
    for sentence in page.lead:
        lines += _wrapped(sentence, "  ")
    for section in page.sections:
        lines += ["", section.title, "-" * len(section.title)]
        for sentence in section.sentences:
            lines += _wrapped(sentence, "  ")
        if section.table is not None and section.table.rows:
            lines += _table_lines(section.table)
    return "\n".join(line.rstrip() for line in lines)


def _wrapped(sentence: str, indent: str) -> list[str]:
    return textwrap.wrap(safe(sentence), WIDTH, subsequent_indent=indent, break_long_words=False) or [""]


def _table_lines(table: Table) -> list[str]:
    """A table in columns: the widest ones share what is left of the line, and wrap inside their column."""
    cells = [("", *table.headings)] + [
        ("*" if number in table.marked else "", *map(safe, row)) for number, row in enumerate(table.rows)
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    widths[0] = 1 if table.marked else 0
    room = WIDTH - 2 * (len(widths) - 1)
    while sum(widths) > room:
        widest = max(range(len(widths)), key=lambda column: widths[column])
        if widths[widest] <= 12:
            break
        widths[widest] -= 1
    lines = []
    for number, row in enumerate(cells):
        columns = [textwrap.wrap(cell, max(width, 1)) or [""] for cell, width in zip(row, widths, strict=True)]
        for line in range(max(len(column) for column in columns)):
            parts = [
                (column[line] if line < len(column) else "").ljust(width)
                for column, width in zip(columns, widths, strict=True)
            ]
            lines.append("  ".join(parts[1:]) if not table.marked else "  ".join(parts))
        if number == 0:
            lines.append("  ".join("-" * width for width in (widths if table.marked else widths[1:])))
    return lines


def as_html(page: Page, picture: ET.Element | None = None) -> str:
    """The page as one HTML file that needs nothing else, with a picture after its answer."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", page.title),
        element("style", _STYLE),
    )
    main = element("main", element("h1", page.title))
    for line in page.under:
        main.append(element("p", line, Class="under"))
    main.append(element("div", *(element("p", sentence) for sentence in page.lead), Class="lead"))
    if picture is not None:
        main.append(element("figure", picture, style="margin:0"))
    for section in page.sections:
        main.append(element("h2", section.title))
        main.extend(element("p", sentence) for sentence in section.sentences)
        if section.table is not None and section.table.rows:
            main.append(_html_table(section.table))
    document = element("html", head, element("body", main), lang="en")
    return "<!DOCTYPE html>\n" + ET.tostring(document, encoding="unicode", method="html") + "\n"


def _html_table(table: Table) -> ET.Element:
    rows = [
        element("tr", *(element("td", cell) for cell in row), Class="marked" if number in table.marked else None)
        for number, row in enumerate(table.rows)
    ]
    headings = element("tr", *(element("th", heading, scope="col") for heading in table.headings))
    return element("div", element("table", element("thead", headings), element("tbody", *rows)), Class="scroll")


def as_svg(picture: ET.Element) -> str:
    """A picture as an SVG file."""
    return ET.tostring(picture, encoding="unicode", xml_declaration=False) + "\n"


def element(tag: str, *children: ET.Element | str, **attributes: str | float | None) -> ET.Element:
    """An element with its attributes (``stroke_width`` becomes ``stroke-width``; None is left out) and children."""
    given: dict[str, str] = {}
    for name, value in attributes.items():
        if value is not None:
            text = value if isinstance(value, str) else f"{round(value, 2):g}"
            given["class" if name == "Class" else name.replace("_", "-")] = safe(text)
    made = ET.Element(tag, given)
    last: ET.Element | None = None
    for child in children:
        if not isinstance(child, str):
            made.append(child)
            last = child
        elif last is None:
            made.text = (made.text or "") + safe(child)
        else:
            last.tail = (last.tail or "") + safe(child)
    return made
