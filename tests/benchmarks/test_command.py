"""``python -m benchmarks``: rows by name, files that are written after each, and what is wrong named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.__main__ import run
from benchmarks.pages import page
from benchmarks.rows.every import ROWS
from benchmarks.scale import read_results
from benchmarks.servers import BUILD, ROOT
from benchmarks.sizes import TINY


def test_rows_measured_apart_stand_in_one_page_in_their_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set((BUILD / "benchmarks").glob("run-*"))
    run(TINY, ["import"], tmp_path)
    run(TINY, ["append-sqlite"], tmp_path)

    kept = read_results(tmp_path / "results.json")
    assert [row.row for row in kept.rows] == ["append-sqlite", "import"]
    assert {row.mode for row in kept.rows} == {"tiny"}
    assert (tmp_path / "RESULTS.md").read_text(encoding="utf-8") == page(kept)
    assert kept.machine.versions["PostgreSQL"] != "?"
    assert kept.machine.settings["PostgreSQL fsync"] == "on"
    told = capsys.readouterr().err
    assert "import: " in told
    assert not [folder for folder in set((BUILD / "benchmarks").glob("run-*")) - before if folder.exists()]


def test_an_unknown_row_is_named_with_those_there_are() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "speed"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "there is no row speed" in done.stderr
    assert all(name in done.stderr for name in ROWS)
