"""The figures in ``docs/scale.md``: what stands between its markers is made from ``results.json``."""

from __future__ import annotations

from benchmarks.result import Results


def write_scale(results: Results) -> None:
    """Write the page's figures anew."""
