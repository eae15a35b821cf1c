"""Read-only media: what cannot be written there is refused with exit code 2, and ``verify`` works from there."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.agency import Agency

LEDGER = Path(sys.executable).with_name("ledger")
#: In a namespace of its own: an empty file system, filled and then made read-only, as a mounted disc is.
MOUNTED = """
mount -t tmpfs none "$1" || exit 99
cp -a "$2"/. "$1"/ && mount -o remount,ro "$1" || exit 99
shift 2
exec "$@"
"""


@pytest.fixture
def agency(tmp_path: Path) -> Agency:
    (tmp_path / "source").mkdir()
    made = Agency(f"sqlite:///{tmp_path / 'source' / 'ledger.db'}")
    made.service(3, "09:00", 60)
    made.run("run", "--once")
    return made


def mounted(tmp_path: Path, database: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command with ``source`` mounted read-only at ``medium``."""
    medium = tmp_path / "medium"
    medium.mkdir(exist_ok=True)
    enter = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNTED, "sh"]
    done = subprocess.run(
        [*enter, medium, tmp_path / "source", LEDGER, "--as", "system:auditor", *words],
        capture_output=True,
        text=True,
        check=False,
        env={"LEDGER_DATABASE": f"sqlite:///{database}", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    assert done.returncode != 99, f"a file system could not be mounted in a namespace of its own: {done.stderr}"
    return done


@pytest.mark.parametrize("ending", [".html", ".txt", ".json"])
def test_a_page_that_cannot_be_written_is_refused_before_anything_is_recorded(
    agency: Agency, tmp_path: Path, ending: str
) -> None:
    note = next(str(row.originator_id) for row in agency.recorder.read_log(0, 100) if row.topic == "note.drafted")
    database, head = tmp_path / "source" / "ledger.db", agency.recorder.head()
    out = str(tmp_path / "medium" / f"page{ending}")
    for words in (
        ("trace", note),
        ("chart", agency.clients[0]),
        ("access-audit", agency.clients[0]),
        ("billing", "rows", "--month", "2025-11"),
    ):
        done = mounted(tmp_path, database, *words, "--out", out)
        assert done.returncode == 2, done.stderr
        assert "--out: the folder" in done.stderr
        assert "cannot be written to" in done.stderr
    assert agency.recorder.head() == head


def test_a_store_on_a_read_only_medium_is_verified(agency: Agency, tmp_path: Path) -> None:
    agency.recorder.engine.dispose()
    here = agency.run("verify", "--alone").stdout
    agency.recorder.engine.dispose()
    assert not (tmp_path / "source" / "ledger.db-wal").exists()
    done = mounted(tmp_path, tmp_path / "medium" / "ledger.db", "verify", "--alone")
    assert (done.returncode, done.stdout) == (0, here), done.stderr


def test_what_stands_in_the_write_ahead_log_is_verified_as_well(agency: Agency, tmp_path: Path) -> None:
    """As a copy of a store in use would be: the newest events are beside the file, not in it."""
    source, running = tmp_path / "source" / "ledger.db", tmp_path / "running.db"
    agency.recorder.engine.dispose()
    shutil.move(source, running)
    late = Agency.__new__(Agency)
    late.__dict__.update(agency.__dict__ | {"url": f"sqlite:///{running}"})
    with closing(sqlite3.connect(running)) as reader:  # so that nobody merges the log
        reader.execute("SELECT count(*) FROM events").fetchone()
        assert late.run("record", "register-client", "--client-id", agency.new(), "--name",
                        '{"family": "Quixote", "given": "Zebulon"}', "--birth-date", "1980-05-01",
                        actor="system:setup").exit_code == 0  # fmt: skip
        for part in ("", "-wal", "-shm"):
            shutil.copy(f"{running}{part}", f"{source}{part}")
        assert Path(f"{source}-wal").stat().st_size
        here = late.run("verify", "--alone").stdout
    done = mounted(tmp_path, tmp_path / "medium" / "ledger.db", "verify", "--alone")
    assert (done.returncode, done.stdout) == (0, here), done.stderr


def test_a_read_that_could_not_be_recorded_is_refused_in_words(agency: Agency, tmp_path: Path) -> None:
    for words in (("chart", agency.clients[0]), ("status",), ("billing", "rows", "--month", "2025-11")):
        done = mounted(tmp_path, tmp_path / "medium" / "ledger.db", *words)
        assert done.returncode == 2, done.stderr
        assert "read-only medium" in done.stderr
        assert done.stdout == ""
