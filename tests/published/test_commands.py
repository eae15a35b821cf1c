"""``ledger schemas`` and ``ledger asyncapi``, as people and programs call them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ledger.published.asyncapi import asyncapi
from ledger.published.schemas import event_schemas, render


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name("ledger"))
    return subprocess.run(
        [program, *arguments], cwd=folder, env=os.environ, capture_output=True, text=True, check=False
    )


def test_schemas_are_listed_printed_and_written(tmp_path: Path) -> None:
    listed = run(tmp_path, "schemas")
    assert listed.returncode == 0, listed.stderr
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(event_schemas())
    assert run(tmp_path, "schemas", "note.signed").stdout == render(event_schemas()["note.signed"])
    assert json.loads(run(tmp_path, "--json", "schemas").stdout) == event_schemas()
    done = run(tmp_path, "schemas", "--out", "out")
    assert done.stdout == f"{len(event_schemas())} schemas written to out\n"
    written = {path.stem: path.read_text(encoding="utf-8") for path in (tmp_path / "out" / "v1").iterdir()}
    assert written == {name: render(schema) for name, schema in event_schemas().items()}
    assert {path.name for path in tmp_path.iterdir()} == {"out"}, "no database is needed"


def test_a_broken_promise_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    run(tmp_path, "schemas", "--out", "out")
    assert run(tmp_path, "schemas", "--check", "out").returncode == 0
    path = tmp_path / "out" / "v1" / "note.signed.json"
    earlier: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    earlier["properties"]["gone"] = {"type": "string"}
    path.write_text(render(earlier), encoding="utf-8")
    refused = run(tmp_path, "schemas", "--check", "out", "--out", "out")
    assert refused.returncode == 1
    assert "note.signed gone: was removed (forward)" in refused.stderr
    assert json.loads(path.read_text(encoding="utf-8")) == earlier
    path.write_text("{", encoding="utf-8")
    unreadable = run(tmp_path, "schemas", "--check", "out")
    assert unreadable.returncode == 2
    assert "note.signed.json does not read as JSON" in unreadable.stderr


def test_what_is_not_there_or_cannot_be_written_is_told(tmp_path: Path) -> None:
    unknown = run(tmp_path, "schemas", "note.sung")
    assert (unknown.returncode, unknown.stderr) == (4, "error: there is no event type note.sung\n")
    (tmp_path / "file").touch()
    for arguments in (("schemas", "--out", "file/below"), ("asyncapi", "--out", "file/below.json")):
        refused = run(tmp_path, *arguments)
        assert refused.returncode == 2
        assert "--out: file/below" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_the_document_is_printed_and_written(tmp_path: Path) -> None:
    assert run(tmp_path, "asyncapi").stdout == render(asyncapi())
    assert run(tmp_path, "asyncapi", "--topic", "agency.two").stdout == render(asyncapi("agency.two"))
    done = run(tmp_path, "asyncapi", "--out", "docs/asyncapi.json")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "docs" / "asyncapi.json").read_text(encoding="utf-8") == render(asyncapi())
