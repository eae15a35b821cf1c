"""The servers that the rows run on: one PostgreSQL and one broker, started for the run and thrown away after it.

They are those of ``make stack``. Their files lie under ``build/benchmarks`` and not in a temporary folder, which is
memory on many machines, where a commit would cost nothing.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from functools import cached_property
from pathlib import Path

import psycopg
from deploy.stack.brokers import Cluster, fetch_jars
from deploy.stack.postgres import Postgres

from ledger.kafka.connection import KafkaSettings
from ledger.kafka.doctor import create_topic
from ledger.store.database import migrate, open_engine

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
_TEMPLATE = "empty"


class Servers:
    """Starts what is asked for, when it is first asked for."""

    def __init__(self) -> None:
        (BUILD / "benchmarks").mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="run-", dir=BUILD / "benchmarks"))
        self.folder.chmod(0o755)  # for root the server runs as another user

    @cached_property
    def postgres(self) -> Postgres:
        server = Postgres(self.folder / "postgres")
        server.start()
        server.ensure(_TEMPLATE)
        engine = open_engine(server.url(_TEMPLATE))
        migrate(engine)
        engine.dispose()
        return server

    @cached_property
    def cluster(self) -> Cluster:
        cluster = Cluster(self.folder / "kafka", fetch_jars(BUILD / "broker"))
        try:
            cluster.start()
        except BaseException:
            cluster.stop()
            raise
        return cluster

    def database(self, template: str | None = None) -> str:
        """A database of its own with the store's tables, or a copy of another one; returns its URL."""
        name = f"bench_{uuid.uuid4().hex}"
        source, way = (_TEMPLATE, "WAL_LOG") if template is None else (_name_of(template), "FILE_COPY")
        self._admin(f'CREATE DATABASE "{name}" TEMPLATE "{source}" STRATEGY {way}')
        return self.postgres.url(name)

    def drop(self, url: str) -> None:
        """Drop a database, and whatever is still connected to it."""
        self._admin(f'DROP DATABASE "{_name_of(url)}" WITH (FORCE)')

    def _admin(self, statement: str) -> None:
        with psycopg.connect(self.postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def checkpoint(self) -> None:
        """Have the server write what it holds back, so that no row pays for the one before it."""
        self._admin("CHECKPOINT")

    def sqlite(self) -> str:
        """A SQLite file of its own; returns its URL."""
        return f"sqlite:///{self.folder / uuid.uuid4().hex}.db"

    def topic(self, partitions: int) -> KafkaSettings:
        """A topic of its own, as ``ledger topic create`` makes it."""
        settings = KafkaSettings(brokers=(self.cluster.bootstrap,), topic=f"bench.{uuid.uuid4().hex}")
        create_topic(settings, partitions)
        return settings

    def stop(self) -> None:
        """Stop what was started, and remove its files."""
        try:
            if "cluster" in self.__dict__:
                self.cluster.stop()
        finally:
            try:
                if "postgres" in self.__dict__:
                    self.postgres.stop()
            finally:
                shutil.rmtree(self.folder, ignore_errors=True)


def _name_of(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]
