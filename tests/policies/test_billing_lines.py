"""Claim lines: each worked case differs from one sound line, and must have exactly the blocks it names."""

from __future__ import annotations

import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.policies.billing import BillingLine, ServiceFacts, SignerFacts, claim_line
from ledger.policies.billing_facts import check_rows
from ledger.policies.credentials import Credential
from ledger.policies.service_codes import codes_for, place_on

CASES = tomllib.loads((Path(__file__).parent / "cases" / "billing_blocks.toml").read_text(encoding="utf-8"))["case"]
MHRS = SignerFacts(
    credential_kind="mhrs",
    taxonomy="171M00000X",
    credentials=(Credential(kind="mhrs", issued_on=date(2024, 1, 1)),),
)
SOUND = ServiceFacts(
    contact_id="contact-1",
    client_id="client-1",
    provider_id="staff-1",
    program="psc",
    state="CA",
    system="smhs",
    service_date=date(2026, 11, 20),
    started_at=datetime.fromisoformat("2026-11-20T14:00:00-08:00"),
    ended_at=datetime.fromisoformat("2026-11-20T15:00:00-08:00"),
    direct_minutes=60,
    code="T1017",
    place_of_service="11",
    delivery_mode="in_person",
    signer=MHRS,
    signed=True,
    payer_id_present=True,
    diagnoses=("F20.9",),
    plan_linked=True,
)


def facts_of(case: dict[str, Any]) -> ServiceFacts:
    raw: dict[str, Any] = msgspec.to_builtins(SOUND)
    changes = dict(case.get("facts", {}))
    minutes = changes.get("direct_minutes", 60)
    if changes.pop("ended", True) is False or minutes > 60:
        raw["ended_at"] = None
    for field in changes.pop("delete", []):
        raw[field] = None
    raw |= changes
    if "signer" in case:
        raw["signer"] = {"credential_kind": None} | case["signer"]
    return msgspec.convert(raw, ServiceFacts)


def codes(line: BillingLine) -> list[str]:
    return sorted(block.code for block in line.blocks)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_line_has_exactly_the_blocks_of_its_case(case: dict[str, Any]) -> None:
    line = claim_line(facts_of(case))
    assert codes(line) == case["blocks"]
    assert line.billable is (not case["blocks"])
    if "flags" in case:
        assert sorted(flag.code for flag in line.flags) == case["flags"]
    for block in (*line.blocks, *line.flags):
        assert block.words
        assert block.mend
        assert block.source
    assert line.steps[-1].startswith("nothing blocks" if line.billable else "blocked by")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ()),
        ({"delivery_mode": "video", "place_of_service": "10"}, ("GT",)),
        ({"delivery_mode": "telephone", "place_of_service": "10"}, ("SC",)),
        ({"code": "H2017", "group_size": 4}, ("HQ",)),
        ({"modifiers": ("HK",), "delivery_mode": "video", "place_of_service": "02"}, ("GT", "HK")),
        ({"code": "H2011", "place_of_service": "15"}, ("HW",)),
        ({"code": "H2011", "place_of_service": "12"}, ()),
        ({"code": "90834", "delivery_mode": "video"}, ("95",)),
        ({"code": "90834", "delivery_mode": "telephone"}, ("93",)),
        ({"program": "ecm", "system": "ecm", "code": "G9012"}, ("U2",)),
        ({"program": "ecm", "system": "ecm", "code": "G9012", "delivery_mode": "telephone"}, ("U2", "GQ")),
        ({"program": "ecm", "system": "ecm", "code": "G9008", "delivery_mode": "video"}, ("U1", "GQ")),
        ({"program": "ecm", "system": "ecm", "code": "G9008", "variant": "outreach"}, ("U8",)),
        (
            {"program": "ecm", "system": "ecm", "code": "G9012", "variant": "outreach", "delivery_mode": "telephone"},
            ("U8", "GQ"),
        ),
        ({"program": "css", "state": "MO", "system": "cprc", "code": "H0031"}, ("52",)),
        ({"code": "T1017", "modifiers": ("59",)}, ("59",)),
    ],
)
def test_modifiers_follow_the_table(changes: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert claim_line(msgspec.structs.replace(SOUND, **changes)).modifiers == expected


def test_travel_and_documentation_give_no_units() -> None:
    more = msgspec.structs.replace(SOUND, travel_minutes=90, documentation_minutes=30)
    assert claim_line(more).units == claim_line(SOUND).units == 4
    assert (claim_line(more).travel_minutes, claim_line(more).documentation_minutes) == (90, 30)


def test_a_group_line_carries_the_full_time() -> None:
    group = msgspec.structs.replace(SOUND, code="H2017", group_size=8)
    assert claim_line(group).units == 4


def test_a_date_before_every_table_is_blocked() -> None:
    old = msgspec.structs.replace(SOUND, service_date=date(1990, 1, 2), started_at=None, ended_at=None)
    assert {"system-unknown", "code-unknown"} <= set(codes(claim_line(old)))


def test_the_legacy_code_ends_the_day_before_payment_reform() -> None:
    def line(day: date) -> BillingLine:
        return claim_line(
            msgspec.structs.replace(
                SOUND,
                code="H2015",
                service_date=day,
                started_at=None,
                ended_at=None,
                signer=msgspec.structs.replace(
                    MHRS, credentials=(Credential(kind="mhrs", issued_on=date(2020, 1, 1)),)
                ),
            )
        )

    assert line(date(2023, 6, 30)).billable
    assert line(date(2023, 6, 30)).modifiers == ("HE",)
    assert codes(line(date(2023, 7, 1))) == ["code-unknown"]


def test_every_blocking_check_is_shown_by_a_case() -> None:
    shown = {code for case in CASES for code in case["blocks"]}
    blocking = {row.code for row in check_rows() if row.severity == "block"}
    assert blocking - shown == {"code-missing", "times-offset"}
    naive = msgspec.structs.replace(SOUND, ended_at=datetime.fromisoformat("2026-11-20T15:00:00"))
    assert codes(claim_line(naive)) == ["times-offset"]
    assert codes(claim_line(msgspec.structs.replace(SOUND, code=None))) == ["code-missing"]


SERVICES = st.builds(
    msgspec.structs.replace,
    st.just(SOUND),
    signed=st.booleans(),
    direct_minutes=st.integers(-5, 1500),
    travel_minutes=st.integers(0, 200),
    code=st.sampled_from([row.code for row in codes_for("CA", "smhs", date(2026, 1, 1))] + ["X0000", None]),
    place_of_service=st.sampled_from(["09", "10", "11", "15", "51", "77", None]),
    delivery_mode=st.sampled_from(["in_person", "video", "telephone"]),
    diagnoses=st.lists(st.sampled_from(["F20.9", "Z03.89", "Z59.0", "bad"]), max_size=2).map(tuple),
    payer_id_present=st.booleans(),
    cosign_needed=st.booleans(),
    cosign_present=st.booleans(),
    entered_in_error=st.booleans(),
    group_size=st.sampled_from([None, 1, 2, 9]),
    signer=st.sampled_from([MHRS, msgspec.structs.replace(MHRS, taxonomy=None), SignerFacts(credential_kind=None)]),
    ended_at=st.sampled_from([None, SOUND.ended_at]),
)


@given(SERVICES)
def test_a_line_without_blocks_satisfies_every_check(service: ServiceFacts) -> None:
    line = claim_line(service)
    assert claim_line(service) == line
    row = next((r for r in codes_for("CA", "smhs", service.service_date) if r.code == service.code), None)
    place = place_on(service.place_of_service or "", service.service_date)
    remote = service.delivery_mode != "in_person"
    sound = (
        service.signed
        and not service.entered_in_error
        and (service.cosign_present or not service.cosign_needed)
        and row is not None
        and ("mhrs" in row.who or "broad" in row.who or "any" in row.who)
        and service.signer.credential_kind == "mhrs"
        and service.signer.taxonomy is not None
        and line.units > 0
        and (row.max_units is None or line.units <= row.max_units)
        and (row.telehealth or not remote)
        and (row.group or service.group_size is None)
        and service.group_size != 1
        and service.direct_minutes + service.travel_minutes + service.documentation_minutes <= 1440
        and (service.ended_at is None or service.direct_minutes <= 60)
        and place is not None
        and place.code != "09"
        and (remote or not place.telehealth)
        and service.payer_id_present
        and bool(service.diagnoses)
        and not {"Z03.89", "bad"}.intersection(service.diagnoses)
    )
    assert line.billable is sound
