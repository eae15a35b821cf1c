"""A page of text for a person or a file: a title, facts, sections of entries. Written as text or as one HTML file.

What people wrote stays inside its own indented block or its own escaped element, whatever it contains.
"""

from __future__ import annotations

import html
import textwrap
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from ledger.printable import safe

#: Columns of a text page.
WIDTH = 100


def count(number: int, what: str) -> str:
    """A number of things."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def at(moment: datetime) -> str:
    """An instant to the minute, with its offset."""
    return moment.isoformat(sep=" ", timespec="minutes")


def by_the_server(recorded: datetime, zone: ZoneInfo) -> str:
    """When the server recorded something, to the second, on the agency's clock and with its offset."""
    return recorded.astimezone(zone).isoformat(sep=" ", timespec="seconds")


@dataclass
class Block:
    """One entry of a section: a heading, lines under it, and texts that people wrote, each with its label."""

    heading: str
    lines: list[str] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Section:
    """A titled list of entries; ``empty`` is said when there are none."""

    title: str
    blocks: list[Block] = field(default_factory=list)
    empty: str = "none"


@dataclass
class Page:
    """The whole page: ``facts`` are said above the sections, ``closing`` below them."""

    title: str
    facts: list[tuple[str, str]]
    sections: list[Section]
    closing: list[str] = field(default_factory=list)


def as_text(page: Page) -> str:
    """The page as text, at most ``WIDTH`` columns wide where words allow."""
    out = [*_wrap(page.title, ""), ""]
    label_width = max((len(label) for label, _ in page.facts), default=0)
    for label, value in page.facts:
        out += _wrap(value, f"{label:<{label_width}}  ", " " * (label_width + 2))
    for section in page.sections:
        out += ["", section.title.upper()]
        if not section.blocks:
            out.append(f"  {section.empty}")
        for block in section.blocks:
            out += _wrap(block.heading, "  ", "    ")
            for line in block.lines:
                out += _wrap(line, "      ", "        ")
            for label, text in block.texts:
                out += _wrap(f"{label}:", "      ")
                for paragraph in safe(text).split("\n"):
                    out += _wrap(paragraph, "        | ") or ["        |"]
    if page.closing:
        out.append("")
        for line in page.closing:
            out += _wrap(line, "")
    return "\n".join(line.rstrip() for line in out) + "\n"


def _wrap(text: str, indent: str, further: str | None = None) -> list[str]:
    return textwrap.wrap(
        safe(text),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent if further is None else further,
        break_on_hyphens=False,
        expand_tabs=True,
        tabsize=4,
    )


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#1a1a1a;background:#fff}"
    "h1{font-size:1.5rem}h2{font-size:1.15rem;border-bottom:1px solid #767676;margin-top:2rem}"
    "h3{font-size:1rem;margin:1.2rem 0 .2rem}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem}dt{color:#555}"
    "dd{margin:0;overflow-wrap:anywhere}"
    "p{margin:.1rem 0;overflow-wrap:anywhere}"
    "blockquote{white-space:pre-wrap;border-left:3px solid #767676;margin:.2rem 0 .6rem;padding-left:.8rem;"
    "overflow-wrap:anywhere}"
    "@media print{body{margin:0;max-width:none}h3{break-after:avoid}}"
)


def as_html(page: Page) -> str:
    """The page as one HTML file that needs nothing else: no script, no link, everything escaped."""

    def esc(text: str) -> str:
        return html.escape(safe(text))

    out = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{esc(page.title)}</title><style>{_STYLE}</style></head><body><main>",
        f"<h1>{esc(page.title)}</h1>",
        "<dl>",
        *(f"<dt>{esc(label)}</dt><dd>{esc(value)}</dd>" for label, value in page.facts),
        "</dl>",
    ]
    for section in page.sections:
        out.append(f"<section><h2>{esc(section.title)}</h2>")
        if not section.blocks:
            out.append(f"<p>{esc(section.empty)}</p>")
        for block in section.blocks:
            out.append(f"<article><h3>{esc(block.heading)}</h3>")
            out += [f"<p>{esc(line)}</p>" for line in block.lines]
            for label, text in block.texts:
                out.append(f"<p>{esc(label)}:</p><blockquote>{esc(text)}</blockquote>")
            out.append("</article>")
        out.append("</section>")
    out += [f"<p>{esc(line)}</p>" for line in page.closing]
    out.append("</main></body></html>")
    return "\n".join(out) + "\n"
