"""A trace in words, as HTML and as a picture: it says what it found, escapes what people typed, and fits its page."""

from __future__ import annotations

import html
import re
from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.tracing.clinic import Clinic, at

from ledger.policies.adoption import Adoption
from ledger.tracing.ahead import look_ahead, told_ahead
from ledger.tracing.findings import Trace
from ledger.tracing.page import WIDTH, Page, Section, Table, as_html, as_svg, as_text, element
from ledger.tracing.picture import deadline_picture, trace_picture
from ledger.tracing.told import answer, told
from ledger.tracing.words import span

HOSTILE = "<script>alert('x')</script> & \"quoted\" \ufffe]]>"
SVG = "{http://www.w3.org/2000/svg}"


def story(folder: Path, reason: str = "two crises") -> Trace:
    clinic = Clinic(f"sqlite:///{folder / 'ledger.db'}")
    clinic.adopt("PSC-13", "72-elapsed-hours", date(2026, 1, 1), at("2026-10-02 09:00"))
    clinic.serve(at("2026-10-30 15:00"))
    clinic.draft(at("2026-11-02 10:00"))
    clinic.ask(at("2026-11-02 17:00"), reason)
    clinic.sign(at("2026-11-03 09:30"), at("2026-11-02 13:30"), reason)
    return clinic.trace()


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    return story(tmp_path)


def test_the_answer_names_the_rule_the_reading_the_clock_and_by_how_much(trace: Trace) -> None:
    said = answer(trace)
    assert said[0] == (
        "LATE under PSC-13 (the employer's rule), read as 72-elapsed-hours as adopted for that service date. "
        "Due Mon 2026-11-02 14:00 -08:00; recorded as signed Tue 2026-11-03 09:30 -08:00, 19 h 30 min after it."
    )
    assert said[1] == "The readings of PSC-13 disagree: on time under 3-business-days."
    assert any(
        s.startswith("The clocks disagree. By the signer's own clock (Mon 2026-11-02 13:30 -08:00)") for s in said
    )


@pytest.mark.parametrize(
    ("now", "said"),
    [
        # The service ended on Friday 2026-11-20 at 15:00; Thanksgiving is the 26th.
        ("2026-11-23 14:00", "Every other reading of PSC-14 says the same."),
        (
            "2026-11-23 16:00",
            "The readings of PSC-14 disagree: not due yet (at best Full) under 3-calendar-days+5-business-days; not "
            "due yet (at best Full) under 3-calendar-days+5-calendar-days; not due yet (at best Full) under "
            "3-business-days+5-business-days; not due yet (at best Full) under 3-business-days+5-calendar-days.",
        ),
        (
            "2026-11-26 09:00",
            "The readings of PSC-14 disagree: OVERDUE (at best NON) under 72-elapsed-hours+5-calendar-days; OVERDUE "
            "(at best NON) under 3-calendar-days+5-calendar-days; OVERDUE (at best NON) under "
            "3-business-days+5-calendar-days.",
        ),
        ("2026-12-02 09:00", "Every other reading of PSC-14 says the same."),
    ],
)
def test_readings_that_leave_an_unsigned_note_different_ratings_disagree(tmp_path: Path, now: str, said: str) -> None:
    clinic = Clinic(f"sqlite:///{tmp_path / 'ledger.db'}")
    clinic.serve(at("2026-11-20 15:00"))
    clinic.draft(at("2026-11-21 10:00"))
    clinic.clock.set(at(now))
    trace = clinic.trace()
    assert [sentence for sentence in answer(trace) if "PSC-14" in sentence][1:] == [said]
    table = next(section.table for section in told(trace).sections if section.title == "Verdict under each reading")
    assert table is not None
    assert [row[3] for row in table.rows] == [o.said for o in trace.opinions]


@pytest.mark.parametrize(
    ("signed", "others"),
    [
        ("2026-11-23 14:00", ["Full"] * 5),
        ("2026-11-23 16:00", ["Partial", "Full", "Full", "Full", "Full"]),
        ("2026-11-25 23:00", ["Partial", "Partial", "Partial", "Full", "Full"]),
        ("2026-11-26 09:00", ["NON", "Partial", "NON", "Partial", "NON"]),
        ("2026-12-02 09:00", ["NON"] * 5),
    ],
)
def test_what_is_said_of_the_other_readings_of_a_signed_note_is_what_they_say(
    tmp_path: Path, signed: str, others: list[str]
) -> None:
    clinic = Clinic(f"sqlite:///{tmp_path / 'ledger.db'}")
    clinic.serve(at("2026-11-20 15:00"))
    clinic.draft(at("2026-11-21 10:00"))
    clinic.sign(at(signed))
    trace = clinic.trace()
    mine, *rest = (o for o in trace.opinions if o.rule_id == "PSC-14")
    assert (mine.adopted, [o.said for o in rest]) == (True, others)
    _, said = (sentence for sentence in answer(trace) if "PSC-14" in sentence)
    differ = [f"{o.said} under {o.reading}" for o in rest if o.said != mine.said]
    same = "Every other reading of PSC-14 says the same."
    assert said == (f"The readings of PSC-14 disagree: {'; '.join(differ)}." if differ else same)


def test_the_text_tells_the_arithmetic_the_extension_and_the_change_of_daylight_saving(trace: Trace) -> None:
    text = as_text(told(trace))
    flat = " ".join(text.split())
    assert "clocks moved back by 1 h that day" in flat
    assert "Service ended Fri 30 Oct 2026 15:00 PDT. 72 elapsed hours" in flat
    assert "Ann Sample asked Mon 2026-11-02 17:00 -08:00, after the deadline (accepted, and marked late)" in flat
    assert "Not decided." in flat
    assert "program psc, Fri 2026-10-30" not in flat.split("Every event")[0]
    assert "secret words" not in text
    assert max(len(line) for line in text.splitlines()) <= WIDTH


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("two crises", "two crises."),
        ("two crises.", "two crises."),
        ("Two crises. The computer was down!", "Two crises. The computer was down!"),
        ("電腦壞了。", "電腦壞了。"),
    ],
)
def test_what_people_wrote_ends_with_one_stop(tmp_path: Path, reason: str, shown: str) -> None:
    flat = " ".join(as_text(told(story(tmp_path, reason))).split())
    assert f"Reason: {shown} Not decided." in flat
    assert f"Reason given for lateness: {shown} " in flat
    assert f"{shown}." not in flat


def test_the_html_escapes_what_people_typed(tmp_path: Path) -> None:
    trace = story(tmp_path, HOSTILE.replace("\ufffe", ""))
    page = as_html(told(trace), trace_picture(trace))
    assert "<script" not in page
    assert html.escape("<script>alert('x')</script>", quote=False) in page


def test_the_html_stands_alone_and_holds_the_picture(trace: Trace) -> None:
    page = as_html(told(trace), trace_picture(trace))
    assert page.startswith("<!DOCTYPE html>")
    assert "<svg" in page
    assert not re.search(r"(src|href)=|url\((?!#)|@import", page)
    assert 'lang="en"' in page


def test_the_picture_is_well_formed_whatever_was_typed(tmp_path: Path) -> None:
    clean = HOSTILE.replace("\ufffe", "")
    trace = story(tmp_path, clean)
    drawn = trace_picture(trace)
    assert drawn is not None
    read = ET.fromstring(as_svg(drawn))  # noqa: S314 - our own file, just written
    titles = [title.text or "" for title in read.iter(f"{SVG}title")]
    assert any(clean in title for title in titles)


def test_characters_that_xml_cannot_hold_are_replaced() -> None:
    made = element("text", f"a\ufffe\x00b{HOSTILE}", fill="\x01")
    assert ET.fromstring(ET.tostring(made)).text == f"a\ufffd\ufffdb{HOSTILE}".replace("\ufffe", "\ufffd")  # noqa: S314


def test_every_reading_has_its_line_and_no_two_events_touch(trace: Trace) -> None:
    drawn = trace_picture(trace)
    assert drawn is not None
    texts = {text.text for text in drawn.iter("text")}
    assert {f"{o.rule_id} {o.reading}" for o in trace.opinions} <= texts
    names = [
        text for text in drawn.iter("text") if text.get("text-anchor") == "end" and text.get("font-weight") != "600"
    ]
    # Seven and a half pixels are more than a letter of the widest usual font takes on average.
    assert all(len(name.text or "") * 7.5 <= float(name.get("x", "0")) for name in names)
    explained = {circle for group in drawn.iter("g") if group.get("class") for circle in group.iter("circle")}
    circles = [circle for circle in drawn.iter("circle") if circle not in explained]
    dots = [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in circles]
    assert len(dots) == 2 * (len(trace.events) - 1), "the adoption of October lies outside these days"
    for number, (x, y) in enumerate(dots):
        for other_x, other_y in dots[number + 1 :]:
            assert abs(x - other_x) >= 18 or abs(y - other_y) >= 18
    width, height = (float(drawn.get(name, "")) for name in ("width", "height"))
    assert all(0 <= x <= width and 0 <= y <= height for x, y in dots)
    assert any("Outside these days: 1" in (text or "") for text in texts)


def test_the_words_above_the_axis_stand_on_lines_of_their_own(trace: Trace) -> None:
    drawn = trace_picture(trace)
    assert drawn is not None
    heads = [t for t in drawn.iter("text") if (t.text or "").startswith(("Service ended", "Signed"))]
    assert len(heads) == 3
    assert len({t.get("y") for t in heads}) == 3


def test_a_day_of_twenty_five_hours_is_drawn_wider() -> None:
    ahead = look_ahead("progress_note", "psc", at("2026-10-30 15:00"))
    drawn = deadline_picture("x", ahead.started_at, ahead.limits, ahead.zone, "psc")
    closed = {
        (title.text or "")[:10]: float(box.get("width", "0"))
        for box in drawn.iter("rect")
        for title in box.iter("title")
    }
    assert closed["2026-11-01"] == pytest.approx(closed["2026-10-31"] * 25 / 24, rel=0.01)


def test_the_deadlines_ahead_are_those_of_the_source() -> None:
    """Domain facts B: crisis 21 November, 72 h Monday 15:00, three business days Wednesday, five 1 December."""
    routine = look_ahead("progress_note", "psc", at("2026-11-20 15:00"))
    dues = {(d.rule_id, d.reading): d.due.isoformat() for d in routine.deadlines}
    assert dues["PSC-13", "72-elapsed-hours"] == "2026-11-23T15:00:00-08:00"
    assert dues["BHIN-23-068-routine", "3-business-days"].startswith("2026-11-25T23:59:59")
    assert dues["PSC-13-extension", "5-business-days"].startswith("2026-12-01T23:59:59")
    crisis = look_ahead("crisis_note", "psc", at("2026-11-20 15:00"))
    assert min(d.due for d in crisis.deadlines).date() == date(2026, 11, 21)
    text = as_text(told_ahead(routine))
    assert "Thu 26 Nov not counted (Thanksgiving Day)" in " ".join(text.split())


def test_the_deadlines_ahead_are_counted_by_the_adopted_calendar() -> None:
    adopted = Adoption(
        rule_id="CALENDAR",
        reading="us-ca-agency-open-black-friday",
        version="1",
        effective_from=date(2026, 11, 1),
        program="psc",
    )
    ahead = look_ahead("progress_note", "psc", at("2026-11-24 15:00"), [adopted])
    due = {d.reading: d.due.date() for d in ahead.deadlines if d.rule_id == "PSC-13"}
    assert due["3-business-days"] == date(2026, 11, 30)
    text = " ".join(as_text(told_ahead(ahead)).split())
    assert "program psc adopted CALENDAR read as us-ca-agency-open-black-friday@1 from 2026-11-01" in text
    assert "Business days by calendar us-ca-agency-open-black-friday@" in text


def test_a_document_without_a_limit_is_said_to_have_none() -> None:
    assert "No rule sets a time limit" in as_text(told_ahead(look_ahead("team_note", "psc", at("2026-11-20 15:00"))))


def test_tables_fit_the_page_and_keep_every_word() -> None:
    long = " ".join(f"word{n}" for n in range(60))
    table = Table(headings=("A", "B"), rows=((long, "short"), ("x", long)), marked=frozenset({1}))
    text = as_text(Page(title="t", under=(), lead=(), sections=(Section(title="s", table=table),)))
    assert max(len(line) for line in text.splitlines()) <= WIDTH
    assert all(text.split().count(f"word{n}") == 2 for n in range(60))


def test_spans_are_told_to_the_second() -> None:
    assert span(timedelta(days=1, hours=12, minutes=47, seconds=59, microseconds=999999)) == "1 d 12 h 48 min"
    assert span(timedelta(seconds=-61)) == "1 min 1 s"
    assert span(timedelta()) == "0 s"


def legend(picture: ET.Element) -> list[str]:
    (found,) = [group for group in picture.iter("g") if group.get("class") == "legend"]
    return [text.text or "" for text in found.iter("text") if text.text != "1"]


def test_a_picture_says_what_its_marks_mean_and_of_no_others(trace: Trace) -> None:
    picture = trace_picture(trace)
    assert picture is not None
    words = legend(picture)
    for mark in ("reading in force", "another reading", "Partial", "server's clock", "own clock", "closed", "event"):
        assert [line for line in words if mark in line], mark
    found = look_ahead("progress_note", "psc", at("2026-11-20 15:00"), ())
    ahead = deadline_picture("due", found.started_at, found.limits, found.zone, "psc")
    assert not [line for line in legend(ahead) if "event" in line or "signature" in line]
    assert "when the clock started" in legend(ahead)


def test_the_legend_lies_inside_its_picture_and_no_sample_on_another(trace: Trace) -> None:
    picture = trace_picture(trace)
    assert picture is not None
    width, height = (float(picture.get(side) or 0) for side in ("width", "height"))
    (group,) = [group for group in picture.iter("g") if group.get("class") == "legend"]
    taken: dict[float, float] = {}
    for text in group.iter("text"):
        if text.text == "1":
            continue
        x, y = float(text.get("x") or 0), float(text.get("y") or 0)
        assert x - 34 >= taken.get(y, 0.0)
        taken[y] = x + 6.4 * len(text.text or "")
        assert taken[y] <= width
        assert y < height
