"""The rule book itself: its sources, its versions, what governs what, and the words a deadline is told in."""

from __future__ import annotations

import re
from datetime import date, datetime
from importlib import resources
from zoneinfo import ZoneInfo

import msgspec
import pytest
from tests.policies.deadline_cases import CASES

from ledger.policies.calendar import CalendarBook, CalendarError
from ledger.policies.deadline_rules import RuleBook, RuleError, rule_book
from ledger.policies.deadlines import deadline, deadlines_for, dues, readings

FRIDAY = datetime.fromisoformat("2026-11-20T15:00-08:00")


def text_of(name: str) -> str:
    """A data file as released."""
    return resources.files("ledger.policies").joinpath("data", f"{name}.toml").read_text(encoding="utf-8")


def without(text: str, line: int) -> str:
    """The text less one line."""
    return "\n".join(text.split("\n")[:line] + text.split("\n")[line + 1 :])


@pytest.mark.parametrize(("name", "into"), [("deadlines", RuleBook), ("calendars", CalendarBook)])
@pytest.mark.parametrize("field", ["source", "confidence", "effective_from"])
def test_a_row_without_its_provenance_does_not_load(name: str, into: type, field: str) -> None:
    text = text_of(name)
    msgspec.toml.decode(text, type=into)
    lines = [at for at, line in enumerate(text.split("\n")) if line.startswith(f"{field} = ")]
    assert len(lines) == text.count("\n[[") + text.startswith("[[")  # every row has one
    for line in lines:
        with pytest.raises(msgspec.ValidationError, match=field):
            msgspec.toml.decode(without(text, line), type=into)


def test_a_row_with_an_empty_source_does_not_load() -> None:
    text = re.sub(r'source = "[^"]+"', 'source = " "', text_of("deadlines"), count=1)
    with pytest.raises(msgspec.ValidationError, match="needs a source"):
        msgspec.toml.decode(text, type=RuleBook)


@pytest.mark.parametrize(
    ("said", "instead", "error"),
    [
        ('default = "72-elapsed-hours"', 'default = "74-elapsed-hours"', "none of its readings"),
        ('full = "3-business-days"', 'full = "4-business-days"', "which is not there"),
        ('rules = ["CSS-7"]', 'rules = ["CSS-77"]', "not there"),
        ('id = "3-calendar-days"', 'id = "72-elapsed-hours"', "same version"),
    ],
)
def test_rows_that_contradict_each_other_do_not_load(said: str, instead: str, error: str) -> None:
    text = text_of("deadlines")
    assert said in text
    with pytest.raises(msgspec.ValidationError, match=error):
        msgspec.toml.decode(text.replace(said, instead, 1), type=RuleBook)


def test_a_released_reading_is_never_edited() -> None:
    """What was decided under a version stays explicable: its row may be closed and followed, never changed."""
    released = set((CASES / "released_readings.txt").read_text(encoding="utf-8").split())
    book = rule_book()
    now = {f"{rule.id}/{row.id}/{row.policy_version}" for rule in book.rules for row in rule.readings}
    now |= {f"{rating.id}/{row.id}/{row.policy_version}" for rating in book.ratings for row in rating.readings}
    assert len(released) >= 24
    assert released <= now


@pytest.mark.parametrize(
    ("program", "document", "expected"),
    [
        ("psc", "progress_note", {"PSC-13": "policy", "PSC-13-extension": "extension", "BHIN-23-068-routine": "state"}),
        ("psc", "group_note", {"PSC-13": "policy", "PSC-13-extension": "extension", "BHIN-23-068-routine": "state"}),
        (
            "psc",
            "collateral_note",
            {"PSC-13": "policy", "PSC-13-extension": "extension", "BHIN-23-068-routine": "state"},
        ),
        ("psc", "crisis_note", {"PSC-13": "policy", "PSC-13-extension": "extension", "BHIN-23-068-crisis": "state"}),
        ("psc", "discharge_plan", {}),
        ("psc", "team_note", {}),
        ("ecm", "progress_note", {"ECM-8": "policy", "BHIN-23-068-routine": "state"}),
        ("ecm", "crisis_note", {"ECM-8": "policy", "BHIN-23-068-crisis": "state"}),
        ("css", "progress_note", {"CSS-7": "policy"}),
        ("css", "collateral_note", {"CSS-7": "policy"}),
        ("css", "team_note", {"CSS-7": "policy"}),
        ("css", "crisis_note", {"CSS-7": "policy"}),
        ("css", "discharge_plan", {"CSS-10": "policy"}),
        ("css", "contact_after_release", {"CSS-3": "policy"}),
    ],
)
def test_what_governs_a_document(program: str, document: str, expected: dict[str, str]) -> None:
    found = deadlines_for(document, program, FRIDAY)
    assert {answer.rule_id: answer.role for answer in found} == expected
    assert [(a.rule_id, a.reading) for a in found] == [(rule, r.id) for rule in expected for r in readings(rule)]
    zone = "America/Chicago" if program == "css" else "America/Los_Angeles"
    assert {answer.zone for answer in found} <= {zone}


def test_the_state_rule_holds_from_2024() -> None:
    """BHIN 23-068 speaks of services from 2024-01-01; the day is the agency's, not UTC's."""
    eve = datetime.fromisoformat("2023-12-31T23:30-08:00")
    assert {a.role for a in deadlines_for("progress_note", "psc", eve)} == {"policy", "extension"}
    new_year = datetime.fromisoformat("2024-01-01T00:00-08:00")
    assert {a.role for a in deadlines_for("progress_note", "psc", new_year)} == {"policy", "extension", "state"}
    with pytest.raises(RuleError, match="not in force on 2023-12-31"):
        deadline("BHIN-23-068-routine", "3-business-days", eve, calendar="us-ca-agency")


def test_a_program_may_go_by_another_calendar() -> None:
    usual = deadlines_for("progress_note", "psc", FRIDAY)
    other = deadlines_for("progress_note", "psc", FRIDAY, calendar="us-ca-agency-open-black-friday")
    days = [a.last_day for a in usual if a.reading == "5-business-days"]
    assert days == [date(2026, 12, 1)]
    assert [a.last_day for a in other if a.reading == "5-business-days"] == [date(2026, 11, 30)]
    assert {a.calendar_version for a in usual}.isdisjoint({a.calendar_version for a in other})


@pytest.mark.parametrize(
    ("rule", "reading", "started", "words"),
    [
        (
            "PSC-13",
            "72-elapsed-hours",
            "2026-11-20T15:00-08:00",
            "Service ended Fri 20 Nov 2026 15:00 PST. 72 elapsed hours: Fri 20 Nov 9 h, 9 h in all; "
            "Sat 21 Nov 24 h, 33 h in all; Sun 22 Nov 24 h, 57 h in all; Mon 23 Nov 15 h, 72 h in all. "
            "Due Mon 23 Nov 2026 15:00 PST.",
        ),
        (
            "PSC-13",
            "72-elapsed-hours",
            "2026-10-30T09:15:30-07:00",
            "Service ended Fri 30 Oct 2026 09:15:30 PDT. 72 elapsed hours: Fri 30 Oct 14 h 44 min 30 s, "
            "14 h 44 min 30 s in all; Sat 31 Oct 24 h, 38 h 44 min 30 s in all; "
            "Sun 1 Nov 25 h, 63 h 44 min 30 s in all (clocks moved "
            "back by 1 h that day); Mon 2 Nov 8 h 15 min 30 s, 72 h in all. Due Mon 2 Nov 2026 08:15:30 PST.",
        ),
        (
            "PSC-13",
            "3-business-days",
            "2026-11-25T10:30-08:00",
            "Service ended Wed 25 Nov 2026 10:30 PST. 3 business days, that day being day 0: Thu 26 Nov not counted "
            "(Thanksgiving Day); Fri 27 Nov not counted (Day After Thanksgiving); Sat 28 Nov not counted (Saturday); "
            "Sun 29 Nov not counted (Sunday); Mon 30 Nov is business day 1; Tue 1 Dec is business day 2; "
            "Wed 2 Dec is business day 3. Due by the end of Wed 2 Dec 2026 (PST).",
        ),
        (
            "CSS-3",
            "5-business-days",
            "2026-06-01T10:00-07:00",
            "Released Mon 1 Jun 2026 10:00 PDT. 5 business days, that day being day 0: Tue 2 Jun is business day 1; "
            "Wed 3 Jun is business day 2; Thu 4 Jun is business day 3; Fri 5 Jun is business day 4; Sat 6 Jun "
            "not counted (Saturday); Sun 7 Jun not counted (Sunday); Mon 8 Jun is business day 5. "
            "Due by the end of Mon 8 Jun 2026 (PDT).",
        ),
    ],
)
def test_the_words(rule: str, reading: str, started: str, words: str) -> None:
    assert deadline(rule, reading, datetime.fromisoformat(started), calendar="us-ca-agency").words() == words


def test_the_words_come_from_the_steps() -> None:
    answer = deadline("PSC-13", "3-business-days", FRIDAY, calendar="us-ca-agency")
    steps = tuple(msgspec.structs.replace(step, why=f"reason {n}") for n, step in enumerate(answer.steps))
    words = msgspec.structs.replace(answer, steps=steps).words()
    assert [int(n) for n in re.findall(r"reason (\d+)", words)] == list(range(len(steps)))


def test_the_deadlines_in_force() -> None:
    """Service on Friday 20 November: the three dates a note carries, by default and as adopted."""
    by_default = dues("progress_note", "psc", FRIDAY)
    assert {role: (a.rule_id, a.due.isoformat()) for role, a in by_default.items()} == {
        "policy": ("PSC-13", "2026-11-23T15:00:00-08:00"),
        "extension": ("PSC-13-extension", "2026-12-01T23:59:59.999999-08:00"),
        "state": ("BHIN-23-068-routine", "2026-11-25T23:59:59.999999-08:00"),
    }
    adopted = {"PSC-13": "3-business-days@1", "PSC-13-extension": "5-calendar-days"}
    days = {role: a.last_day.day for role, a in dues("crisis_note", "psc", FRIDAY, adopted=adopted).items()}
    assert days == {"policy": 25, "extension": 25, "state": 21}
    assert dues("discharge_plan", "psc", FRIDAY) == {}


def test_of_two_rules_of_one_kind_the_stricter_is_in_force() -> None:
    text = text_of("deadlines").replace('rules = ["CSS-7"]', 'rules = ["CSS-3", "CSS-10"]')
    book = msgspec.toml.decode(text, type=RuleBook)
    monday = datetime.fromisoformat("2026-06-01T10:00-05:00")
    found = deadlines_for("team_note", "css", monday, book=book)
    assert [(a.reading, a.last_day.day) for a in found] == [
        ("10-calendar-days", 11),
        ("10-business-days", 15),
        ("5-business-days", 8),
    ]
    assert dues("team_note", "css", monday, book=book)["policy"].rule_id == "CSS-3"


def test_a_reading_that_is_not_in_force_yet_is_not_among_the_answers() -> None:
    text = text_of("deadlines")
    first = text.index('id = "next-business-day"')
    row = text[first : text.index("[[", first)]
    added = row.replace("next-business-day", "second-business-day").replace("amount = 1", "amount = 2")
    added = added.replace("2018-01-01", "2026-11-21")
    book = msgspec.toml.decode(text.replace(row, f"{row}[[rules.readings]]\n{added}", 1), type=RuleBook)
    saturday = datetime.fromisoformat("2026-11-21T09:00-06:00")
    assert [a.last_day.day for a in deadlines_for("team_note", "css", FRIDAY, book=book)] == [23]
    assert [a.last_day.day for a in deadlines_for("team_note", "css", saturday, book=book)] == [23, 24]


def test_a_rule_that_stopped_governing_a_document_governs_it_no_more() -> None:
    """The row that ties a document to a rule has dates too."""
    text = text_of("deadlines")
    first = text.index('documents = ["discharge_plan"]')
    row = text[first : text.index("[[", first)].rstrip()
    book = msgspec.toml.decode(text.replace(row, f"{row}\neffective_to = 2026-11-20", 1), type=RuleBook)
    assert {a.rule_id for a in deadlines_for("discharge_plan", "css", FRIDAY, book=book)} == {"CSS-10"}
    saturday = datetime.fromisoformat("2026-11-21T00:00-06:00")
    assert deadlines_for("discharge_plan", "css", saturday, book=book) == []


def test_another_zone_than_the_calendars() -> None:
    """An agency near the border of two zones may keep one calendar and go by its own clocks."""
    answer = deadline("CSS-7", "next-business-day", FRIDAY, calendar="us-mo-agency", zone="America/Denver")
    assert answer.due.isoformat() == "2026-11-23T23:59:59.999999-07:00"
    assert answer.zone == "America/Denver"


def test_met_at_the_due_instant_in_the_repeated_hour() -> None:
    """Python compares two times of one zone by their wall clocks; a deadline must not."""
    zone = ZoneInfo("America/Los_Angeles")
    answer = deadline("PSC-13", "72-elapsed-hours", datetime(2026, 10, 29, 1, 45, tzinfo=zone), calendar="us-ca-agency")
    assert answer.due == datetime(2026, 11, 1, 1, 45, tzinfo=zone)
    later = datetime(2026, 11, 1, 1, 15, tzinfo=zone, fold=1)  # 30 minutes after, though the wall clock reads less
    assert later < answer.due
    assert not answer.met_by(later)


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(RuleError, match="no deadline rule 'PSC-99'"):
        deadline("PSC-99", "72-elapsed-hours", FRIDAY, calendar="us-ca-agency")
    with pytest.raises(RuleError, match="no reading '4-business-days'"):
        deadline("PSC-13", "4-business-days", FRIDAY, calendar="us-ca-agency")
    with pytest.raises(RuleError, match="no reading '3-business-days@9'"):
        deadline("PSC-13", "3-business-days@9", FRIDAY, calendar="us-ca-agency")
    with pytest.raises(RuleError, match="no program 'pcs'"):
        deadlines_for("progress_note", "pcs", FRIDAY)
    with pytest.raises(RuleError, match="no document 'progres_note'"):
        deadlines_for("progres_note", "psc", FRIDAY)
    with pytest.raises(ValueError, match="does not say its offset"):
        deadlines_for("progress_note", "psc", datetime(2026, 11, 20, 15))  # noqa: DTZ001 - the fault under test
    with pytest.raises(CalendarError, match="no calendar"):
        deadlines_for("progress_note", "psc", FRIDAY, calendar="us-nv-agency")
    with pytest.raises(ValueError, match="does not say its offset"):
        deadlines_for("progress_note", "psc", FRIDAY)[0].met_by(datetime(2026, 11, 20, 15))  # noqa: DTZ001 - likewise
    assert {r.id for r in readings("PSC-13", date(2026, 1, 1))} == {
        "72-elapsed-hours",
        "3-calendar-days",
        "3-business-days",
    }
    assert readings("BHIN-23-068-crisis", date(2023, 12, 31)) == ()


def test_a_deadline_survives_being_recorded() -> None:
    """A deadline is kept in events and read back: the instants, steps and versions come back as they were."""
    for answer in deadlines_for("progress_note", "psc", FRIDAY):
        read = msgspec.json.decode(msgspec.json.encode(answer), type=type(answer))
        assert read == answer
        assert read.due.isoformat() == answer.due.isoformat()
