"""A replayed access as it is told: who read what, when and why, what is proved of it, and what was shown."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import msgspec

from ledger.aggregates.access import Question
from ledger.answers.names import Names
from ledger.answers.page import Block, Page, Section, as_text, at, by_the_server, count
from ledger.clock import from_text
from ledger.proof.between import Word


class AccessTold(msgspec.Struct, frozen=True, kw_only=True):
    """The access event: who, as what, when, why, on which surface."""

    access_id: str
    event_ids: tuple[str, ...]
    position: int
    leaf: str
    recorded_at: datetime
    reader_id: str
    role: str
    credential: str | None
    surface: str
    resource: str
    purpose: str
    correlation_id: str
    as_known_at: datetime | None
    as_of: date | None


class ChartTold(msgspec.Struct, frozen=True, kw_only=True):
    """One chart that was shown, with the exact versions of its documents, as ``stream@version``."""

    chart_id: str
    position: int
    relationship: str
    versions: tuple[str, ...]


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """The sealed checkpoint under which events are proved, up to ``last_position``, and others' words for its time."""

    size: int
    root: str
    sealed_at: str
    last_position: int
    words: tuple[Word, ...]


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What ``ledger --json replay-view`` prints; ``shown`` is what was shown, to the byte."""

    access_id: str
    replayed: AccessTold
    charts: tuple[ChartTold, ...]
    question: Question | None
    names: dict[str, str]
    events_checked: int
    #: None: nothing is sealed over it yet.
    access_covered: Covered | None
    shown_covered: Covered | None
    #: What is not known of the page, or is made otherwise now than it was then.
    differs: tuple[str, ...]
    shown: str | None
    not_shown_because: str | None


def page_of(data: Replayed, names: Names, zone: ZoneInfo, *, with_shown: bool = True) -> Page:
    """The whole as a page; ``with_shown`` puts what was shown into it."""
    read = data.replayed
    held = f", {read.credential}" if read.credential else ""
    facts = [
        ("Access", f"{read.access_id} (position {read.position})"),
        ("Read by", f"{names(read.reader_id)}, {read.role}{held}"),
        ("Read at", f"{at(read.recorded_at.astimezone(zone))} ({zone.key})"),
        ("Purpose", read.purpose),
        ("What", f"{read.resource} on {read.surface}"),
        *([("As known at", at(read.as_known_at.astimezone(zone)))] if read.as_known_at else []),
        *([("As of", read.as_of.isoformat())] if read.as_of else []),
        ("Charts", str(len(data.charts))),
        ("This reading", f"{data.access_id} (recorded)"),
    ]
    sections = [
        Section("How it was made", [Block(line) for line in _made(data, zone)], "not recorded"),
        Section("What differs, or is not known", [Block(line) for line in data.differs], "nothing"),
        Section("Proof", [Block(line) for line in _proof(data, zone)]),
        Section("Charts shown", [_chart(chart) for chart in data.charts], "no chart"),
    ]
    if data.shown is None:
        sections.append(Section("What was shown", [Block(f"Not made again: {data.not_shown_because}")]))
    elif with_shown:
        sections.append(Section("What was shown", [Block("to the byte", [], [("as shown", data.shown)])]))
    return Page("What was seen", facts, sections)


def as_words(data: Replayed, names: Names, zone: ZoneInfo) -> str:
    """The same as text; what was shown stands last, as it was, and nothing after it."""
    told = as_text(page_of(data, names, zone, with_shown=False))
    return told if data.shown is None else f"{told}\nWHAT WAS SHOWN, TO THE BYTE\n{data.shown}"


def _made(data: Replayed, zone: ZoneInfo) -> list[str]:
    question = data.question
    if question is None:
        return []
    views = ", ".join(f"{name} (version {version})" for name, version in question.views.items()) or "none: the log"
    return [
        f"ledger {question.command} {' '.join(question.options)}".rstrip(),
        f"as {question.form}, in {question.zone}, asked at {by_the_server(question.asked_at, zone)}",
        f"views: {views}",
        f"as at position {question.position}, by release {question.release}",
    ]


def _proof(data: Replayed, zone: ZoneInfo) -> list[str]:
    return [
        f"{count(data.events_checked, 'event')} of these charts and of the access hold against their leaf hashes",
        f"leaf hash of the access: {data.replayed.leaf}",
        *_covered("the access event", data.access_covered, zone),
        *(_covered("the events shown", data.shown_covered, zone) if data.charts or data.shown_covered else []),
    ]


def _covered(what: str, covered: Covered | None, zone: ZoneInfo) -> list[str]:
    if covered is None:
        return [f"{what}: nothing is sealed over it yet (ledger seal)"]
    lines = [
        f"{what}: under the sealed checkpoint of {covered.size} events, root {covered.root}, "
        f"sealed at {by_the_server(from_text(covered.sealed_at), zone)} by the agency's clock"
    ]
    for word in covered.words:
        checked = "" if word.checked else "; not checked: give the keys with --trust"
        lines.append(f"not after {by_the_server(word.at, zone)}, on the word of {word.name} ({word.whose}{checked})")
    return lines


def _chart(chart: ChartTold) -> Block:
    return Block(
        f"{chart.chart_id}, as at position {chart.position}, relationship {chart.relationship}",
        [f"could be seen: {version}" for version in chart.versions],
    )
