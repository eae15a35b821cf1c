"""The proof's commands as people type them: keys, sealing, exporting, proving, checking, and what each refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.integrity.meddling import meddle
from tests.proof.conftest import ORIGIN, Outside
from tests.store.agency import said_log, small_agency

from ledger.application.commands import Ledger
from ledger.store.database import open_store

MAIN = [sys.executable, "-c", "from ledger.cli import main; main()"]


class Shell:
    """Runs commands in one folder, with one store that has events."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = {"LEDGER_SEAL_KEY": str(folder / "seal.key")}
        self.grow("a", 300)

    def grow(self, label: str, count: int) -> None:
        recorder = open_store(f"sqlite:///{self.folder / 'ledger.db'}")
        recorder.insert_events(said_log([(f"{label} {n % 3}", f"text {n}") for n in range(count)]))
        recorder.engine.dispose()

    def run(self, *arguments: str, code: int = 0) -> str:
        settings = {**os.environ, **self.settings, "LEDGER_DATABASE": f"sqlite:///{self.folder / 'ledger.db'}"}
        done = subprocess.run(
            [*MAIN, *arguments], cwd=self.folder, env=settings, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stderr

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run("--json", *arguments))


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    one = Shell(tmp_path)
    settings, one.settings = one.settings, {}
    one.run("tlog", "key", "new", "--name", ORIGIN, "--out", "seal.key")
    one.settings = settings
    return one


def test_from_the_key_to_a_proof_that_is_checked_without_the_store(shell: Shell, outside: Outside) -> None:
    assert "300 events sealed, root" in shell.run("seal")
    assert "nothing is new" in shell.run("seal")
    shell.run("--as", "system:auditor", "tlog", "export", "--out", "public")
    kept = (shell.folder / "public" / "checkpoint").rename(shell.folder / "kept")
    shell.grow("b", 50)
    assert shell.json("seal")["size"] == 351, "the export has recorded that it read the entries"
    shell.run("--as", "system:auditor", "tlog", "export", "--out", "public")
    assert outside("log", shell.folder / "public")["size"] == 351
    assert "351 events: every tile, every entry: sound" in shell.run("tlog", "check", "public", "--vkey", "public/vkey")
    made = shell.json("proof", "inclusion", "7", "--out", "seven")
    shell.run("proof", "consistency", "300", "351", "--out", "growth")
    (shell.folder / "ledger.db").rename(shell.folder / "gone.db")
    shell.settings = {}
    vkey = ("--vkey", "public/vkey")
    assert shell.json("proof", "check", "seven", *vkey, "--leaf", made["leaf"])["position"] == 7
    found = shell.json("proof", "check", "growth", *vkey, "--old", str(kept))
    assert (found["old"], found["size"], found["proved"]) == (300, 351, True)
    assert "does not lead to the root" in shell.run("proof", "check", "seven", *vkey, "--leaf", "00" * 32, code=5)
    assert "--old" in shell.run("proof", "check", "growth", *vkey, code=2)
    assert not (shell.folder / "ledger.db").exists(), "checking opens no store"


def test_an_export_that_was_changed_is_named_by_its_file_without_a_store(shell: Shell) -> None:
    shell.run("seal")
    shell.run("tlog", "export", "--out", "public", "--no-entries")
    (shell.folder / "ledger.db").unlink()
    assert shell.json("tlog", "check", "public", "--vkey", "public/vkey")["sound"]
    (shell.folder / "public" / "tile" / "0" / "000").unlink()
    assert "tile/0/000 is missing" in shell.run("tlog", "check", "public", "--vkey", "public/vkey", code=5)
    assert not (shell.folder / "ledger.db").exists(), "checking opens no store"


def test_an_entry_is_shown_only_with_an_access_event(shell: Shell) -> None:
    recorder = open_store(f"sqlite:///{shell.folder / 'ledger.db'}")
    charts = small_agency(Ledger(recorder))
    head, position = recorder.head(), recorder.read_chart(charts[0])[0].position
    shell.run("seal")
    assert "--as" in shell.run("proof", "inclusion", str(position), "--with-entry", code=2)
    shell.run("--as", "system:auditor", "proof", "inclusion", str(position), "--with-entry", "--out", "proof")
    last = recorder.read_log(head, 10)
    recorder.engine.dispose()
    assert [row.topic for row in last] == ["access.granted"]
    shell.run("tlog", "export", "--out", "public", "--no-entries")
    assert not (shell.folder / "public" / "tile" / "entries").exists()
    assert shell.json("proof", "check", "proof", "--vkey", "public/vkey")["position"] == position


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("proof", "inclusion", "7"), 4, "there is no checkpoint yet"),
        (("--as", "system:a", "tlog", "export", "--out", "public"), 4, "nothing is sealed"),
        (("tlog", "export", "--out", "public"), 2, "--as"),
        (("proof", "inclusion", "x"), 2, "neither a position nor STREAM@VERSION"),
        (("proof", "inclusion", "99999"), 4, "there is no event 99999"),
        (("tlog", "key", "new", "--name", "two words", "--out", "k"), 2, "example.org/ledger"),
        (("tlog", "key", "new", "--name", "a", "--out", "seal.key"), 2, "never overwritten"),
        (("verify", "--witness"), 2, "--witness: it needs a trust policy"),
        (("verify", "--vkey", "nonsense"), 2, "--vkey"),
        (("seal", "--key", "missing"), 2, "--key: missing cannot be read"),
    ],
)
def test_what_cannot_be_is_refused_by_name(shell: Shell, arguments: tuple[str, ...], code: int, words: str) -> None:
    assert words in shell.run(*arguments, code=code)


def test_a_key_that_others_may_read_seals_nothing(shell: Shell) -> None:
    (shell.folder / "seal.key").chmod(0o644)
    assert "chmod 600" in shell.run("seal", code=2)
    assert not (shell.folder / "seal.key.last").exists()


def test_verify_ends_with_five_when_an_old_backup_was_put_back(shell: Shell) -> None:
    before = (shell.folder / "ledger.db").read_bytes()
    shell.grow("lost", 50)
    shell.run("seal")
    shell.run("verify")
    for name in ("ledger.db-wal", "ledger.db-shm"):
        (shell.folder / name).unlink(missing_ok=True)
    (shell.folder / "ledger.db").write_bytes(before)
    assert "an old backup was restored" in shell.run("verify", code=5)
    assert "an old backup was restored" in shell.run("seal", code=5)
    shell.grow("other", 51)
    assert "it was forked" in shell.run("verify", code=5)
    assert "does not begin with" in shell.run("seal", code=5)


def test_an_export_of_entries_is_one_access_that_names_its_positions(shell: Shell) -> None:
    """Each export names what it reads; hashes alone are no read, and an export that may not be recorded writes none."""
    shell.run("seal")
    assert "--as" in shell.run("tlog", "export", "--out", "public", code=2)
    assert not (shell.folder / "public").exists()
    shell.run("tlog", "export", "--out", "hashes", "--no-entries")
    for _ in range(2):
        shell.run("--as", "system:auditor", "--purpose", "audit", "tlog", "export", "--out", "public")
        shell.grow("b" if _ == 0 else "c", 10)
        shell.run("seal")
    recorder = open_store(f"sqlite:///{shell.folder / 'ledger.db'}")
    found = [row for row in recorder.read_log(300, 100) if row.topic == "access.granted"]
    recorder.engine.dispose()
    assert [(row.actor, row.purpose) for row in found] == [("system:auditor", "audit")] * 2
    assert [json.loads(row.state)["resource"] for row in found] == [
        "tlog export of the entries of positions 1 to 300",
        "tlog export of the entries of positions 257 to 311",
    ]


def test_an_entry_that_was_changed_is_not_exported(shell: Shell) -> None:
    shell.run("seal")
    recorder = open_store(f"sqlite:///{shell.folder / 'ledger.db'}")
    event_id = recorder.read_log(6, 1)[0].event_id
    meddle(recorder, "UPDATE events SET actor = 'somebody' WHERE position = 7")
    recorder.engine.dispose()
    assert event_id in shell.run("--as", "system:auditor", "tlog", "export", "--out", "public", code=5)
    assert not (shell.folder / "public" / "checkpoint").exists()


def test_verify_since_a_kept_checkpoint_reads_only_what_came_behind_it(shell: Shell) -> None:
    shell.run("seal")
    shell.run("tlog", "export", "--out", "public", "--no-entries")
    kept = (shell.folder / "public" / "checkpoint").rename(shell.folder / "kept")
    shell.grow("b", 50)
    shell.run("seal")
    found = shell.json("verify", "--since", str(kept), "--vkey", "public/vkey")
    assert (found["events"], found["since"], found["head"], found["sound"]) == (50, 300, 350, True)
    assert "50 events, positions 301 to 350, without a gap" in shell.run("verify", "--since", str(kept))
    shell.settings = {}
    assert "--since" in shell.run("verify", "--since", str(kept), code=2), "whose checkpoint it is has to be checked"
    kept.write_bytes(kept.read_bytes().replace(b"300", b"301"))
    shell.run("verify", "--since", str(kept), "--vkey", "public/vkey", code=5)
