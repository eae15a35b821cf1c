"""The pages with figures are made from the figures that were kept, and from nothing else."""

from __future__ import annotations

import re

import msgspec
import pytest
from benchmarks.measure import Spread
from benchmarks.pages import page
from benchmarks.result import Goal, Results
from benchmarks.rows.every import ROWS
from benchmarks.scale import BLOCKS, PAGE, RESULTS, Rates, loads, read_results, rewritten, write_scale


@pytest.fixture(scope="module")
def results() -> Results:
    return read_results()


def test_the_results_page_is_what_its_figures_give(results: Results) -> None:
    assert (RESULTS.parent / "RESULTS.md").read_text(encoding="utf-8") == page(results), "run: make bench"


def test_every_row_has_been_measured(results: Results) -> None:
    assert [row.row for row in results.rows] == list(ROWS)


def test_the_figures_of_the_scale_page_are_those_of_the_results(results: Results) -> None:
    assert PAGE.read_text(encoding="utf-8") == rewritten(PAGE.read_text(encoding="utf-8"), results), (
        "run: python -m benchmarks.scale"
    )


def test_the_scale_page_has_each_block_once() -> None:
    found = re.findall(r"<!-- figures: (\w+) -->", PAGE.read_text(encoding="utf-8"))
    assert sorted(found) == sorted(BLOCKS)


def test_no_rate_of_the_scale_page_stands_outside_its_blocks() -> None:
    prose = re.sub(r"<!-- figures.*?<!-- end -->", "", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert not re.findall(r"\d[\d,.]* (?:events|commands|a second|ms|GB|TB|hours)\b(?! a month)", prose)


def test_another_figure_changes_the_scale_page(results: Results) -> None:
    """A page that is not made from the figures would not notice."""
    rows = tuple(
        msgspec.structs.replace(row, ours=Spread(median=1.0, low=1.0, high=1.0)) if row.row == "project" else row
        for row in results.rows
    )
    slower = msgspec.structs.replace(results, rows=rows)
    assert rewritten(PAGE.read_text(encoding="utf-8"), slower) != PAGE.read_text(encoding="utf-8")


def test_a_row_that_was_not_measured_is_named(results: Results) -> None:
    without = msgspec.structs.replace(results, rows=tuple(row for row in results.rows if row.row != "relay"))
    with pytest.raises(KeyError, match="relay has not been measured"):
        write_scale(without)


def test_a_goal_that_was_missed_is_shown_as_missed(results: Results) -> None:
    first = msgspec.structs.replace(results.rows[0], goals=(Goal(wanted="≥ 2.00", found="1.00", met=False),))
    shown = page(msgspec.structs.replace(results, rows=(first,)))
    assert "**missed**" in shown
    assert "≥ 2.00: 1.00, missed" in shown


def test_a_county_is_what_the_page_says_it_is(results: Results) -> None:
    county = loads(Rates.of(results))[1]
    assert county.events == 10_000_000
    assert county.average == pytest.approx(10_000_000 / (22 * 9 * 3600))
    assert county.peak == pytest.approx(5 * county.average)
