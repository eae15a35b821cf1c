"""Units from minutes, and the two readings of a day's repeats."""

from __future__ import annotations

import ast
import tomllib
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.policies import billing_day
from ledger.policies.billing import (
    BillingLine,
    Interval,
    ServiceFacts,
    SignerFacts,
    claim_line,
    combine_same_day,
    day_findings,
    overlaps,
    provider_day,
)
from ledger.policies.billing_programs import finding
from ledger.policies.credentials import Credential
from ledger.policies.service_codes import combine_readings, unit_rule, units_for

DAY = date(2026, 11, 20)
FOLDER = Path(__file__).parent / "cases"
UNITS = tomllib.loads((FOLDER / "billing_units.toml").read_text(encoding="utf-8"))["case"]
REPEATS = tomllib.loads((FOLDER / "billing_same_day.toml").read_text(encoding="utf-8"))["case"]
LCSW = SignerFacts(
    credential_kind="lcsw",
    taxonomy="1041C0700X",
    credentials=(Credential(kind="lcsw", issued_on=date(2024, 1, 1)),),
)


def service(contact: str, minutes: int, code: str = "T1017", **changes: Any) -> ServiceFacts:
    base = ServiceFacts(
        contact_id=contact,
        client_id="client-1",
        provider_id="staff-1",
        program="psc",
        state="CA",
        system="smhs",
        service_date=DAY,
        direct_minutes=minutes,
        code=code,
        place_of_service="11",
        delivery_mode="in_person",
        signer=LCSW,
        signed=True,
        payer_id_present=True,
        diagnoses=("F20.9",),
        plan_linked=True,
    )
    return msgspec.structs.replace(base, **changes)


def lines(*services: ServiceFacts) -> list[BillingLine]:
    return [claim_line(one) for one in services]


def count_units(minutes: int) -> int:
    """A unit begins at minute 8, and at every fifteenth minute after it."""
    return sum(1 for minute in range(1, minutes + 1) if minute % 15 == 8)


@pytest.mark.parametrize("case", UNITS, ids=[case["name"] for case in UNITS])
def test_units_of_a_case(case: dict[str, Any]) -> None:
    answer = units_for(unit_rule(case["rule"], DAY), case["minutes"])
    assert answer.units == case["units"]
    assert str(case["units"]) in answer.words


@given(st.integers(0, 3000))
def test_units_equal_a_count_minute_by_minute_and_never_fall(minutes: int) -> None:
    rule = unit_rule("timed_15", DAY)
    assert units_for(rule, minutes).units == count_units(minutes)
    assert 0 <= units_for(rule, minutes + 1).units - units_for(rule, minutes).units <= 1


def test_negative_minutes_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        units_for(unit_rule("timed_15", DAY), -1)


@pytest.mark.parametrize("case", REPEATS, ids=[case["name"] for case in REPEATS])
@pytest.mark.parametrize("reading", ["sum_then_round", "round_then_sum"])
def test_repeats_of_a_case(case: dict[str, Any], reading: str) -> None:
    day = lines(*(service(f"c{n}", minutes) for n, minutes in enumerate(case["minutes"])))
    (line,) = combine_same_day(day, reading)
    assert line.units == case[reading]
    assert line.direct_minutes == sum(case["minutes"])
    assert line.billable is (case[reading] > 0)
    assert len(line.contact_ids) == len(case["minutes"])


@given(st.lists(st.integers(0, 120), min_size=1, max_size=6))
def test_repeats_keep_every_minute_under_both_readings(minutes: list[int]) -> None:
    day = lines(*(service(f"c{n}", m) for n, m in enumerate(minutes)))
    (summed,) = combine_same_day(day, "sum_then_round")
    (rounded,) = combine_same_day(day, "round_then_sum")
    assert summed.units == count_units(sum(minutes))
    assert rounded.units == sum(count_units(m) for m in minutes)
    assert summed.direct_minutes == rounded.direct_minutes == sum(minutes)


def test_the_default_reading_is_the_tables() -> None:
    day = lines(service("a", 7), service("b", 7))
    assert combine_readings(DAY)[0].id == "sum_then_round"
    assert combine_same_day(day) == combine_same_day(day, "sum_then_round")
    with pytest.raises(ValueError, match="no reading"):
        combine_same_day(day, "as you like")


def test_a_blocked_repeat_stays_out() -> None:
    day = lines(service("a", 30), service("b", 30, signed=False), service("c", 30))
    combined = combine_same_day(day)
    assert [(line.contact_ids, line.units, line.billable) for line in combined] == [
        (("a", "c"), 4, True),
        (("b",), 2, False),
    ]


def test_repeats_that_differ_in_modifiers_stay_apart_and_are_flagged() -> None:
    day = lines(service("a", 30), service("b", 30, delivery_mode="video", place_of_service="10"))
    combined = combine_same_day(day)
    assert [line.units for line in combined] == [2, 2]
    assert all("group-of-repeats" in {flag.code for flag in line.flags} for line in combined)


def test_other_members_providers_and_codes_do_not_combine() -> None:
    day = lines(
        service("a", 30),
        service("b", 30, client_id="client-2"),
        service("c", 30, provider_id="staff-2"),
        service("d", 30, code="H2017"),
    )
    assert len(combine_same_day(day)) == 4


def test_the_combined_line_is_checked_against_the_days_maximum() -> None:
    day = lines(service("a", 240, "H2011"), service("b", 248, "H2011"))
    (line,) = combine_same_day(day)
    assert (line.units, [block.code for block in line.blocks]) == (33, ["max-units"])
    (under,) = combine_same_day(lines(service("a", 240, "H2011"), service("b", 240, "H2011")))
    assert (under.units, under.billable) == (32, True)


START = datetime.fromisoformat("2026-11-20T09:00:00-08:00")


def interval(
    name: str, start: int, end: int, provider: str = "staff-1", session: str | None = None, client: str | None = None
) -> Interval:
    return Interval(
        contact_id=name,
        client_id=client or f"client of {name}",
        provider_id=provider,
        started_at=START + timedelta(minutes=start),
        ended_at=START + timedelta(minutes=end),
        session_id=session,
    )


def test_touching_intervals_do_not_overlap_and_one_shared_minute_does() -> None:
    assert overlaps([interval("a", 0, 30), interval("b", 30, 60)]) == ()
    (found,) = overlaps([interval("b", 29, 60), interval("a", 0, 30)])
    assert (found.first, found.second, found.minutes) == ("a", "b", 1)


def test_a_group_session_and_other_providers_do_not_overlap() -> None:
    assert overlaps([interval("a", 0, 60, session="g"), interval("b", 0, 60, session="g")]) == ()
    assert overlaps([interval("a", 0, 60), interval("b", 0, 60, provider="staff-2")]) == ()


def test_one_client_twice_in_one_group_session_is_one_hour_recorded_twice() -> None:
    (found,) = overlaps([interval(name, 0, 60, session="g", client="client-1") for name in ("a", "b")])
    assert (found.first, found.second, found.minutes) == ("a", "b", 60)


def test_intervals_compare_as_instants_whatever_their_offsets() -> None:
    utc = Interval(
        contact_id="b",
        client_id="client of b",
        provider_id="staff-1",
        started_at=datetime.fromisoformat("2026-11-20T17:15:00+00:00"),
        ended_at=datetime.fromisoformat("2026-11-20T18:00:00+00:00"),
    )
    (found,) = overlaps([interval("a", 0, 30), utc])
    assert found.minutes == 15


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 40)), max_size=8))
def test_overlaps_equal_a_count_of_shared_minutes(spans: list[tuple[int, int]]) -> None:
    given_intervals = [interval(f"c{n}", start, start + length) for n, (start, length) in enumerate(spans)]
    found = {frozenset((o.first, o.second)): o.minutes for o in overlaps(given_intervals)}
    expected: dict[frozenset[str], int] = {}
    for a, (start_a, length_a) in enumerate(spans):
        for b, (start_b, length_b) in enumerate(spans[:a]):
            shared = len(set(range(start_a, start_a + length_a)) & set(range(start_b, start_b + length_b)))
            if shared:
                expected[frozenset((f"c{a}", f"c{b}"))] = shared
    assert found == expected


def test_a_providers_day_counts_a_group_once() -> None:
    group = [
        service(f"g{n}", 200, "H2017", client_id=f"client-{n}", group_size=9, session_id="group-1") for n in range(9)
    ]
    assert provider_day(group) == ()
    apart = [service(f"g{n}", 200, "H2017", client_id=f"client-{n}") for n in range(8)]
    assert [finding.code for finding in provider_day(apart)] == ["minutes-over-day", "direct-over-eight-hours"]


def test_a_providers_overlap_is_found_and_a_record_in_error_is_not() -> None:
    one = service("a", 30, started_at=START, ended_at=START + timedelta(minutes=30))
    two = service("b", 30, started_at=START + timedelta(minutes=15), ended_at=START + timedelta(minutes=45))
    assert [finding.contact_ids for finding in provider_day([one, two])] == [("a", "b")]
    assert provider_day([one, msgspec.structs.replace(two, entered_in_error=True)]) == ()


def test_locked_out_codes_and_their_override() -> None:
    day = lines(service("a", 30, "90832"), service("b", 60, "90837"))
    assert [finding.code for finding in day_findings(day)] == ["lockout"]
    lifted = lines(service("a", 30, "90832", modifiers=("59",)), service("b", 60, "90837"))
    assert day_findings(lifted) == ()
    wrong_code = lines(service("a", 30, "90832"), service("b", 60, "90837", modifiers=("59",)))
    assert [finding.code for finding in day_findings(wrong_code)] == ["lockout"]
    other_provider = lines(service("a", 30, "90832"), service("b", 60, "90837", provider_id="staff-2"))
    assert day_findings(other_provider) == ()


def test_a_ceiling_holds_over_several_providers() -> None:
    day = lines(service("a", 300, "H2011"), service("b", 180, "H2011", provider_id="staff-2"))
    assert day_findings(day) == ()
    over = lines(service("a", 300, "H2011"), service("b", 181, "H2011", provider_id="staff-2"))
    assert [finding.code for finding in day_findings(over)] == ["ceiling"]


def test_an_add_on_needs_its_primary() -> None:
    alone = lines(service("a", 30, "T2021"))
    assert [finding.code for finding in day_findings(alone)] == ["add-on-alone"]
    assert day_findings(lines(service("a", 30, "T2021"), service("b", 60, "90837"))) == ()
    interpreter = lines(service("a", 60, "T1013"), service("b", 30, "T1017"))
    assert [finding.code for finding in day_findings(interpreter)] == ["add-on-above-primary"]
    assert day_findings(lines(service("a", 30, "T1013"), service("b", 30, "T1017"))) == ()


def test_what_is_found_between_services_has_its_row_in_the_table() -> None:
    """A code without a row would stop the whole month's page."""
    tree = ast.parse(Path(billing_day.__file__).read_text(encoding="utf-8"))
    keywords = [
        keyword.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "DayFinding"
        for keyword in call.keywords
        if keyword.arg == "code"
    ]
    codes = {value.value for value in keywords if isinstance(value, ast.Constant) and isinstance(value.value, str)}
    assert {"overlap", "direct-over-eight-hours"} <= codes
    for code in codes:
        block, flag = finding(code, "words", "", DAY)
        assert (block or flag) is not None


def test_the_eight_hours_are_those_of_a_persons_day_over_all_clients() -> None:
    """Three services of 170 direct minutes are 510, none of them long by itself; a group counts once."""
    three = [service(name, 170, client_id=name) for name in ("a", "b", "c")]
    (found,) = provider_day(three)
    assert (found.code, found.contact_ids) == ("direct-over-eight-hours", ("a", "b", "c"))
    assert "510 direct minutes" in found.words
    assert provider_day([*three[:2], msgspec.structs.replace(three[2], direct_minutes=140)]) == ()
    assert provider_day([*three[:2], msgspec.structs.replace(three[2], entered_in_error=True)]) == ()
    assert provider_day([*three[:2], msgspec.structs.replace(three[2], provider_id="another")]) == ()
    assert provider_day([msgspec.structs.replace(one, session_id="group") for one in three]) == ()
