"""``ledger import fhir`` as a person runs it: what it prints, its exit codes, and what stays after a refusal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ledger.store.database import open_store


def run(database: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from ledger.cli import main; main()", *map(str, arguments)],
        env={**os.environ, "LEDGER_DATABASE": database},
        capture_output=True,
        text=True,
        check=False,
    )


def head(database: str) -> int:
    recorder = open_store(database)
    try:
        return recorder.head()
    finally:
        recorder.engine.dispose()


def test_the_report_counts_and_names_what_is_not_taken(
    database: str, example: Callable[[], Any], write: Callable[..., Path]
) -> None:
    path = write(example(), "riverside.json")
    done = run(database, "--json", "import", "fhir", path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["total"]["events"]["contact.recorded"] == 10
    assert {"resource": "Observation", "why": "", "count": 1} in report["total"]["not_taken"]
    again = run(database, "import", "fhir", path)
    assert again.returncode == 0, again.stderr
    assert "Events appended: none; everything was imported before." in again.stdout
    assert "Encounter: its status is cancelled" in again.stdout
    assert head(database) == sum(report["total"]["events"].values())


def test_a_broken_file_stops_the_import_and_says_how_the_store_stands(
    database: str, tmp_path: Path, example: Callable[[], Any], write: Callable[..., Path]
) -> None:
    broken = example()
    broken["entry"][5]["resource"]["period"]["start"] = "2025-09-02T09:00:00"
    write(example(), "a.json")
    write(broken, "b.json.gz")
    write(example(), "c.json")
    done = run(database, "import", "fhir", tmp_path)
    assert done.returncode == 2
    assert "b.json.gz: entry[5].resource.period.start: '2025-09-02T09:00:00' has no UTC offset" in done.stderr
    assert "nothing of a refused file was written; 1 of 3 files are imported, 1 after it not looked at" in done.stderr
    assert "a.json: 25 events" in done.stdout
    assert head(database) == 25

    on = run(database, "--json", "import", "fhir", "--keep-going", tmp_path)
    assert on.returncode == 2
    assert [file["file"] for file in json.loads(on.stdout)["files"]] == ["a.json", "c.json"]
    assert json.loads(on.stdout)["refused"][0]["field"] == "b.json.gz: entry[5].resource.period.start"
    assert head(database) == 25


def test_a_path_that_is_not_there_is_bad_input(database: str, tmp_path: Path) -> None:
    done = run(database, "import", "fhir", tmp_path / "nothing.json")
    assert done.returncode == 2
    assert "there is no such file" in done.stderr
    (tmp_path / "empty").mkdir()
    empty = run(database, "import", "fhir", tmp_path / "empty")
    assert empty.returncode == 2
    assert "no .json or .json.gz file" in empty.stderr
