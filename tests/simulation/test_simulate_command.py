"""``ledger simulate`` as a person runs it: the summary, the next commands, and plain refusals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def ledger(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder, with no settings but a store of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
    return subprocess.run(
        [sys.executable, "-c", "from ledger.cli import main; main()", *arguments],
        cwd=folder,
        env={**kept, "LEDGER_DATABASE": "sqlite:///simulated.db", "LEDGER_LOG": "json"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_summary_and_its_next_commands_work(tmp_path: Path) -> None:
    done = ledger(tmp_path, "--json", "simulate", "--clients", "8", "--months", "1", "--seed", "3")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["events"] == sum(told["by_type"].values())
    assert len(told["clients"]) == 8
    for command in told["next"]:
        name, *arguments = command.split()
        assert name == "ledger"
        shown = ledger(tmp_path, *arguments)
        assert shown.returncode == 0, (command, shown.stderr)
    again = ledger(tmp_path, "--json", "simulate", "--clients", "8", "--months", "1", "--seed", "3")
    assert again.returncode == 2
    assert "LEDGER_DATABASE" in json.loads(again.stderr)["error"]


def test_the_text_names_the_story(tmp_path: Path) -> None:
    done = ledger(tmp_path, "simulate", "--clients", "8", "--months", "1")
    assert done.returncode == 0, done.stderr
    assert "Simulated 8 clients from 2025-10-01 to 2025-10-31" in done.stdout
    assert "The disputed note:" in done.stdout
    assert "ledger verify" in done.stdout


def test_wrong_options_are_named(tmp_path: Path) -> None:
    few = ledger(tmp_path, "simulate", "--clients", "2")
    assert few.returncode == 2
    assert "--clients" in few.stderr
    ahead = ledger(tmp_path, "simulate", "--start", "2099-01-01")
    assert ahead.returncode == 2
    assert "still to come" in ahead.stderr
    assert "Traceback" not in few.stderr + ahead.stderr
