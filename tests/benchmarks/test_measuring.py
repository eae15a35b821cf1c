"""Measuring: the fastest of the baselines counts, ratios are those of pairs, and a profile names the libraries."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from benchmarks.measure import Comparison, Timed, compare, percentile, profiled


def worked(seconds: list[float], calls: list[str], name: str) -> Callable[[], Timed]:
    """Work that took so long, each time it is asked."""
    left: Iterator[float] = iter(seconds)

    def work() -> Timed:
        calls.append(name)
        return Timed(100, next(left))

    return work


def compared() -> tuple[Comparison, list[str]]:
    calls: list[str] = []
    ways = {
        "slow": worked([4.0, 5.0], calls, "slow"),
        "fast": worked([8.0, 1.0, 1.0, 2.0, 1.0], calls, "fast"),
    }
    return compare(worked([9.0, 2.0, 2.0, 4.0], calls, "ours"), ways, 3), calls


def test_the_fastest_way_is_the_baseline_and_the_others_are_told() -> None:
    found, _ = compared()
    assert found.best == "fast"
    assert found.tried == {"slow": 25.0, "fast": 100.0}


def test_a_ratio_is_the_median_of_the_pairs_and_not_of_the_rates() -> None:
    found, _ = compared()
    assert [found.ratio.low, found.ratio.median, found.ratio.high] == [0.25, 0.5, 1.0]
    assert (found.ours.median, found.bare.median) == (50.0, 100.0)


def test_the_two_sides_take_turns_and_neither_always_goes_first() -> None:
    _, calls = compared()
    assert calls == [*["slow", "fast"] * 2, *["ours"] * 2, *["fast"] * 2, *["ours"] * 2, "fast"]


def test_with_one_way_to_do_the_baseline_nothing_is_tried_first() -> None:
    calls: list[str] = []
    found = compare(worked([2.0], calls, "ours"), {"only": worked([1.0], calls, "only")}, 1)
    assert calls == ["ours", "only"]
    assert (found.best, found.tried, found.ratio.median) == ("only", {}, 0.5)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(value) for value in range(1, 201)]
    assert percentile(values, 0.5) == 100.0
    assert percentile(values, 0.99) == 198.0
    assert percentile([7.0], 0.99) == 7.0


def test_a_profile_names_what_the_time_went_to() -> None:
    block = bytes(1_000_000)
    shares = profiled(lambda: [hashlib.sha256(block).digest() for _ in range(50)])
    assert shares[0].where == "SHA-256"
    assert shares[0].share > 0.9
