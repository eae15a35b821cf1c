"""``ledger import fhir`` as a person runs it: what it prints, its exit codes, and what stays after a refusal."""

from __future__ import annotations

import hashlib
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
        env={**os.environ, "LEDGER_ACTOR": "system:setup", "LEDGER_DATABASE": database},
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
    assert "a.json: 26 events" in done.stdout
    assert head(database) == 26

    on = run(database, "--json", "import", "fhir", "--keep-going", tmp_path)
    assert on.returncode == 2
    assert [file["file"] for file in json.loads(on.stdout)["files"]] == ["a.json", "c.json"]
    assert json.loads(on.stdout)["refused"][0]["field"] == "b.json.gz: entry[5].resource.period.start"
    assert head(database) == 26


def test_who_imports_needs_standing_and_is_the_cause_of_every_event_of_the_file(
    database: str, example: Callable[[], Any], write: Callable[..., Path]
) -> None:
    path = write(example(), "riverside.json")
    ids = {role: staff_id(database, role) for role in ("administrator", "clinician")}
    before = head(database)
    for who, words in (
        (ids["clinician"], "Ned Sample has no standing to take file"),
        ("system:import", "the program import has no standing to take file"),
        ("nobody", "nobody is not a staff member"),
    ):
        refused = run(database, "--as", who, "import", "fhir", "--keep-going", path)
        assert refused.returncode == 2
        assert f"refused: actor: {words}" in refused.stderr
        assert head(database) == before

    done = run(database, "--as", ids["administrator"], "--json", "import", "fhir", path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["total"]["events"]["import.file_taken"] == 1
    recorder = open_store(database)
    rows = recorder.read_log(before, 1000)
    recorder.engine.dispose()
    taken = rows[0]
    assert (taken.topic, taken.actor, taken.role, taken.key) == (
        "import.file_taken",
        ids["administrator"],
        "administrator",
        "agency",
    )
    told = json.loads(taken.state)
    assert told["file"] == "riverside.json"
    assert told["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert {(row.actor, row.causation_id) for row in rows[1:]} == {("system:import", taken.event_id)}

    # Again, by somebody else who may: nothing changes, and nobody is named for nothing.
    assert run(database, "--as", "system:setup", "import", "fhir", path).returncode == 0
    assert head(database) == before + len(rows)
    assert run(database, "--as", ids["clinician"], "import", "fhir", path).returncode == 2


def staff_id(database: str, role: str) -> str:
    """Register somebody with a role."""
    name = json.dumps({"family": "Sample", "given": "Ned"})
    done = run(
        database, "--as", "system:setup", "--json", "record", "register-staff", "--name", name, "--roles", role,
        "--programs", "psc", "--hired-on", "2024-01-01",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["stream_id"])


def test_a_path_that_is_not_there_is_bad_input(database: str, tmp_path: Path) -> None:
    done = run(database, "import", "fhir", tmp_path / "nothing.json")
    assert done.returncode == 2
    assert "there is no such file" in done.stderr
    (tmp_path / "empty").mkdir()
    empty = run(database, "import", "fhir", tmp_path / "empty")
    assert empty.returncode == 2
    assert "no .json or .json.gz file" in empty.stderr
