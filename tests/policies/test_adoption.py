"""Which adopted reading holds: by the day of the service, the program's before the agency's, the later one first."""

from __future__ import annotations

from datetime import date, datetime
from importlib import resources

import msgspec
import pytest

from ledger.policies.adoption import Adoption, adopted_readings, holding_adoption, in_force
from ledger.policies.deadline_rules import RuleBook, RuleError
from ledger.policies.deadlines import deadline
from ledger.policies.timeliness import rate


def adopt(reading: str, start: str, until: str | None = None, **more: str) -> Adoption:
    """An adoption of a reading of PSC-13, unless ``more`` says otherwise."""
    retired = None if until is None else date.fromisoformat(until)
    said = {"rule_id": "PSC-13", "version": "1", "reading": reading, "effective_from": date.fromisoformat(start)}
    return msgspec.convert(said | {"retired_on": retired} | more, Adoption)


HOURS, DAYS, OPEN = "72-elapsed-hours", "3-calendar-days", "3-business-days"


@pytest.mark.parametrize(
    ("why", "adoptions", "day", "expected"),
    [
        ("none adopted: the default", [], "2026-06-01", None),
        ("before its first day", [adopt(DAYS, "2026-06-02")], "2026-06-01", None),
        ("on its first day", [adopt(DAYS, "2026-06-01")], "2026-06-01", DAYS),
        ("the day before it is retired", [adopt(DAYS, "2026-06-01", "2026-07-01")], "2026-06-30", DAYS),
        ("on the day it is retired", [adopt(DAYS, "2026-06-01", "2026-07-01")], "2026-07-01", None),
        ("replaced by a later one", [adopt(DAYS, "2026-06-01"), adopt(OPEN, "2026-07-01")], "2026-07-01", OPEN),
        ("not replaced yet", [adopt(DAYS, "2026-06-01"), adopt(OPEN, "2026-07-01")], "2026-06-30", DAYS),
        (
            "later by its date, whatever the order",
            [adopt(OPEN, "2026-07-01"), adopt(DAYS, "2026-06-01")],
            "2026-08-01",
            OPEN,
        ),
        ("the same day, recorded last", [adopt(DAYS, "2026-06-01"), adopt(OPEN, "2026-06-01")], "2026-06-01", OPEN),
        (
            "the later one retired",
            [adopt(DAYS, "2026-06-01"), adopt(OPEN, "2026-07-01", "2026-08-01")],
            "2026-08-01",
            DAYS,
        ),
        (
            "the program's own first",
            [adopt(DAYS, "2026-01-01", program="psc"), adopt(OPEN, "2026-07-01")],
            "2026-08-01",
            DAYS,
        ),
        ("another program's", [adopt(DAYS, "2026-01-01", program="ecm")], "2026-08-01", None),
        ("another rule's", [adopt("5-calendar-days", "2026-01-01", rule_id="PSC-13-extension")], "2026-08-01", None),
    ],
)
def test_which_reading_holds(why: str, adoptions: list[Adoption], day: str, expected: str | None) -> None:
    answer = in_force(adoptions, "PSC-13", "psc", date.fromisoformat(day))
    assert answer.reading == (expected or HOURS), why
    assert answer.is_default == (expected is None)
    assert answer.selector == (HOURS if expected is None else f"{expected}@1")
    assert ("default" in answer.reasons[0]) == (expected is None)
    assert holding_adoption(adoptions, "PSC-13", "psc", date.fromisoformat(day)) == answer.adoption
    assert adopted_readings(adoptions, "psc", date.fromisoformat(day)).get("PSC-13") == (expected and f"{expected}@1")


def test_the_reasons_name_what_was_passed_over() -> None:
    known = [adopt(DAYS, "2026-01-01"), adopt(OPEN, "2026-02-01"), adopt(HOURS, "2026-01-15", program="psc")]
    known.append(adopt(DAYS, "2026-01-15", program="psc"))
    assert in_force(known, "PSC-13", "psc", date(2026, 3, 1)).reasons == (
        "for a service of 2026-03-01: program psc adopted PSC-13 read as 3-calendar-days@1 from 2026-01-15",
        "not in force: program psc adopted PSC-13 read as 72-elapsed-hours@1 from 2026-01-15 "
        "(the same day was adopted again)",
        "not in force: the agency adopted PSC-13 read as 3-business-days@1 from 2026-02-01 "
        "(the program's own adoption comes first)",
        "not in force: the agency adopted PSC-13 read as 3-calendar-days@1 from 2026-01-01 "
        "(the program's own adoption comes first)",
    )
    assert in_force(known, "PSC-13", "ecm", date(2026, 3, 1)).reasons[1].endswith("(replaced by a later one)")


def test_what_the_rule_book_does_not_have_cannot_hold() -> None:
    day = date(2026, 6, 1)
    with pytest.raises(RuleError, match="4-business-days@1 from 2026-01-01, which the rule book does not have"):
        in_force([adopt("4-business-days", "2026-01-01")], "PSC-13", "psc", day)
    with pytest.raises(RuleError, match="72-elapsed-hours@7"):
        in_force([adopt(HOURS, "2026-01-01", version="7")], "PSC-13", "psc", day)
    with pytest.raises(RuleError, match="no deadline rule 'PSC-99'"):
        in_force([], "PSC-99", "psc", day)
    with pytest.raises(RuleError, match="no program 'pcs'"):
        in_force([], "PSC-13", "pcs", day)


def test_adoptions_of_other_tables_are_no_concern_of_deadlines() -> None:
    known = [adopt("calendar-months", "2026-01-01", rule_id="PSC-2"), adopt(DAYS, "2026-01-01")]
    assert adopted_readings(known, "psc", date(2026, 6, 1)) == {"PSC-13": "3-calendar-days@1"}
    assert holding_adoption(known, "PSC-2", "psc", date(2026, 6, 1)) == known[0]
    assert holding_adoption(known, "PSC-2", "psc", date(2025, 12, 31)) is None


def test_a_policy_that_changed_between_service_and_signature() -> None:
    """The service's date decides: the note of 30 November goes by the old reading, that of 1 December by the new."""
    known = [
        adopt(HOURS, "2026-01-01", "2026-12-01"),
        adopt(OPEN, "2026-12-01"),
        adopt("72-elapsed-hours+5-business-days", "2026-01-01", "2026-12-01", rule_id="PSC-14"),
        adopt("3-business-days+5-calendar-days", "2026-12-01", rule_id="PSC-14"),
    ]
    signed = datetime.fromisoformat("2026-12-04T16:00-08:00")
    outcomes = {}
    for day in ("2026-11-30", "2026-12-01"):
        ended = datetime.fromisoformat(f"{day}T15:00-08:00")
        adopted = adopted_readings(known, "psc", date.fromisoformat(day))
        verdicts = rate("progress_note", "psc", ended, signed, adopted=adopted, as_at=signed)
        policy, rating = verdicts.adopted("PSC-13"), verdicts.adopted("PSC-14")
        assert policy is not None
        assert rating is not None
        assert not policy.is_default
        outcomes[day] = (policy.reading, policy.outcome, rating.reading, rating.outcome)
    assert outcomes == {
        "2026-11-30": (HOURS, "late", "72-elapsed-hours+5-business-days", "partial"),
        "2026-12-01": (OPEN, "on_time", "3-business-days+5-calendar-days", "full"),
    }


def test_a_new_version_of_a_reading_leaves_the_old_decisions_alone() -> None:
    """A county replaces a row: version 2 of a reading from July 2026. Services before it stay under version 1."""
    text = resources.files("ledger.policies").joinpath("data", "deadlines.toml").read_text(encoding="utf-8")
    first = text.index('id = "3-business-days"')
    row = text[first : text.index("[[", first)]
    second = row.replace('version = "1"', 'version = "2"').replace("amount = 3", "amount = 2")
    second = second.replace("2018-01-01", "2026-07-01")
    closed = f"{row.rstrip()}\neffective_to = 2026-06-30\n\n[[rules.readings]]\n{second}"
    book = msgspec.toml.decode(text.replace(row, closed, 1), type=RuleBook)
    known = [adopt(OPEN, "2026-01-01"), adopt(OPEN, "2026-07-01", version="2")]

    def verdict(started: str) -> tuple[str, str]:
        ended = datetime.fromisoformat(started)
        adopted = adopted_readings(known, "psc", ended.date(), book=book)
        found = rate("progress_note", "psc", ended, None, adopted=adopted, as_at=ended, book=book).adopted("PSC-13")
        assert found is not None
        return found.due.policy_version.split("+")[0], found.due.last_day.isoformat()

    def unadopted(started: str) -> str:
        found = deadline("PSC-13", OPEN, datetime.fromisoformat(started), calendar="us-ca-agency", book=book)
        return found.policy_version.split("+")[0]

    assert unadopted("2026-06-30T23:59-07:00") == "1"
    assert unadopted("2026-07-01T00:00-07:00") == "2"
    assert verdict("2026-06-30T15:00-07:00") == ("1", "2026-07-03")  # 1, 2 and 3 July: the Friday is worked
    assert verdict("2026-07-06T15:00-07:00") == ("2", "2026-07-08")  # 7 and 8 July
