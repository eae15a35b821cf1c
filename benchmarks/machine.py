"""What the figures were measured on: the machine, the versions, and the settings that decide durability."""

from __future__ import annotations

import os
import platform
import sqlite3
from importlib.metadata import version
from pathlib import Path

import psycopg

from benchmarks.result import Machine
from benchmarks.servers import Servers

_PACKAGES = ("ledger", "SQLAlchemy", "psycopg", "kafka-python", "msgspec", "eventsourcing")
_SETTINGS = ("fsync", "synchronous_commit", "shared_buffers", "max_wal_size")


def machine(servers: Servers) -> Machine:
    """Look at this machine and its servers."""
    settings: dict[str, str] = {}
    with psycopg.connect(servers.postgres.url("postgres")) as connection:
        server = connection.execute("SHOW server_version").fetchone()
        for name in _SETTINGS:
            found = connection.execute(f"SHOW {name}".encode()).fetchone()
            settings[f"PostgreSQL {name}"] = found[0] if found else "?"
    settings["SQLite"] = "WAL, synchronous=FULL"
    settings["Kafka"] = "one broker, acks=all, min.insync.replicas=1"
    versions = {"Python": platform.python_version(), "PostgreSQL": server[0].split()[0] if server else "?"}
    versions |= {"SQLite": sqlite3.sqlite_version, "Kafka": _kafka(servers)}
    versions |= {name: version(name) for name in _PACKAGES}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_gb=round(memory, 1),
        system=f"{platform.system()} {platform.release()}",
        versions=versions,
        settings=settings,
    )


def _kafka(servers: Servers) -> str:
    found = next(iter(servers.cluster.jars.glob("kafka_2.13-*.jar")), None)
    return found.stem.removeprefix("kafka_2.13-") if found else "?"


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    lines = (line.partition(":") for line in text.splitlines())
    return next((value.strip() for name, _, value in lines if name.strip() == "model name"), platform.machine())
