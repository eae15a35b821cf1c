"""``make demo`` says how much of a long answer it leaves out, and never leaves out totals."""

from __future__ import annotations

import runpy
from typing import Any

import pytest
from tests.docs.examples import ROOT


@pytest.fixture(scope="module")
def demo() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "examples" / "demo.py"))


def test_the_end_stands_and_what_is_left_out_is_counted(demo: dict[str, Any]) -> None:
    services = [line for day in range(1, 31) for line in (f"2025-11-{day:02} 09:00", "    = 4 units")]
    answer = ["Billing rows of 2025-11: 30 services", "", *services, "", "claimable 30 services", "void 0 services"]
    shown = demo["cut"](answer, 12, 3, demo["SERVICES"], "ledger billing rows")
    assert shown[:12] == answer[:12]
    assert shown[12] == "… left out here: 25 of 30 services (50 of 65 lines). To see all of it:"
    assert shown[13:] == ["  ledger billing rows", "", "claimable 30 services", "void 0 services"]


def test_a_short_answer_is_whole(demo: dict[str, Any]) -> None:
    answer = [f"line {number}" for number in range(16)]
    assert demo["cut"](answer, 12, 0, None, "ledger status") == answer
    assert demo["cut"](answer * 2, 12, 0, None, "ledger status")[12:] == [
        "… left out here: 20 of 32 lines. To see all of it:",
        "  ledger status",
    ]
