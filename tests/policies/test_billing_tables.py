"""The tables hold together: every name resolves, no two rows speak for one day, every rule has its worked cases."""

from __future__ import annotations

import tomllib
from datetime import date, timedelta
from importlib import resources
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from ledger.policies.service_codes import (
    codes_for,
    delivery_system,
    lockout_tables,
    modifiers_for,
    place_on,
    places_on,
    unit_rule,
)
from ledger.policies.taxonomy import expand_classes

DAY = date(2026, 6, 15)
SYSTEMS = [("CA", "smhs"), ("CA", "ecm"), ("MO", "cprc")]
TABLES = {
    "service_codes": ("state", "system", "code", "variant"),
    "unit_rules": ("id",),
    "modifiers": ("modifier", "systems"),
    "places": ("code",),
    "diagnoses": ("id",),
    "billing_systems": ("state", "system"),
    "billing_checks": ("code",),
    "taxonomy": ("id", "provider_class", "kinds"),
    "credentials": ("id", "position", "kind"),
    "productivity": ("rule", "id"),
    "supervision": ("rule", "id", "kind"),
    "caseload": ("program", "level"),
}
RATED = [
    "billing_units",
    "billing_same_day",
    "billing_blocks",
    "productivity_psc1",
    "productivity_psc2_calendar_months",
    "productivity_psc2_thirty_day_spans",
    "productivity_psc2_months",
    "productivity_psc3",
    "productivity_psc4_lesser_of_band_and_days",
    "productivity_psc4_prorated_band",
    "supervision_psc6",
    "supervision_psc7",
    "caseload_psc16",
    "caseload_ecm2",
    "caseload_css12",
    "credentials_psc23",
]


def rows(name: str) -> dict[str, list[dict[str, Any]]]:
    text = resources.files("ledger.policies").joinpath("data", f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@pytest.mark.parametrize("name", RATED)
def test_each_rule_has_at_least_twenty_five_worked_cases(name: str) -> None:
    path = Path(__file__).parent / "cases" / f"{name}.toml"
    cases = tomllib.loads(path.read_text(encoding="utf-8"))["case"]
    assert len(cases) >= 25
    assert len({case["name"] for case in cases}) == len(cases)


@pytest.mark.parametrize("name", TABLES)
def test_no_two_rows_of_a_table_speak_for_one_day(name: str) -> None:
    for table, entries in rows(name).items():
        for a, b in combinations(entries, 2):
            if [a.get(key) for key in TABLES[name]] != [b.get(key) for key in TABLES[name]]:
                continue
            start = max(a["effective_from"], b["effective_from"])
            end = min(a.get("effective_to", date.max), b.get("effective_to", date.max))
            assert start > end, (table, a, b)


@pytest.mark.parametrize(("state", "system"), SYSTEMS)
def test_every_name_in_a_code_row_resolves_on_each_day_of_the_table(state: str, system: str) -> None:
    assert delivery_system(state, system, DAY) is not None
    codes = codes_for(state, system, DAY)
    assert codes
    for row in codes:
        day = row.effective_from
        for when in (day, day + timedelta(days=400), DAY):
            assert expand_classes(row.who, when)
            assert unit_rule(row.unit_rule, when).unit_minutes >= 0
        for other in row.add_on_to:
            assert other == "any" or other in {code.code for code in codes}


def test_lockouts_and_modifiers_name_codes_that_exist() -> None:
    known = {row.code for row in codes_for("CA", "smhs", DAY)}
    tables = lockout_tables()
    for pair in tables.pair:
        assert {pair.code_a, pair.code_b} <= known
        assert pair.override_on in {pair.code_a, pair.code_b} or not pair.override_allowed
    for ceiling in tables.ceiling:
        assert set(ceiling.codes) <= known
    for rule in tables.inpatient:
        assert set(rule.placement_codes) <= known
    for _, system in SYSTEMS:
        state = "MO" if system == "cprc" else "CA"
        codes = {row.code for row in codes_for(state, system, DAY)}
        for modifier in modifiers_for(system, DAY):
            assert not modifier.codes or codes.intersection(modifier.codes)
            assert all(place_on(place, DAY) for place in modifier.places)


def test_a_timed_code_gives_its_first_unit_at_its_least_minutes() -> None:
    for entry in rows("unit_rules")["unit_rule"]:
        if entry["kind"] == "rounded":
            assert entry["min_minutes"] + entry["add_minutes"] == entry["unit_minutes"]
        if entry["kind"] == "bands":
            assert min(band["from"] for band in entry["bands"]) == entry["min_minutes"]


def test_the_places_of_the_sources_are_all_held() -> None:
    expected = {"02", "10", "03", "04", "09", "11", "12", "15", "21", "23", "27", "31", "51", "53", "99"}
    assert {place.code for place in places_on(DAY)} == expected
    assert [place.code for place in places_on(DAY) if not place.federal_share] == ["09"]
