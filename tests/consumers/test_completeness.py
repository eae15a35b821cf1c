"""Of every view at every position: applied, parked and left add up to the log; a rebuild does nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cli.agency import Agency
from tests.integrity.meddling import meddle

from ledger.consumers import outcomes
from ledger.consumers.log import LocalLog
from ledger.consumers.runner import Runner
from ledger.integrity.verify import verify
from ledger.projections.every import PROJECTIONS

#: What reaches beyond the process and its database, as Python's audit events name it.
_OUTSIDE = ("socket.connect", "socket.sendto", "socket.sendmsg", "subprocess.Popen", "os.system", "os.exec", "smtplib.")
_heard: list[str] | None = None


def _listen(name: str, args: tuple[Any, ...]) -> None:
    if _heard is None:
        return
    if name.startswith(_OUTSIDE):
        _heard.append(f"{name} {args[1:]}")
    elif name == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        _heard.append(f"open {args[0]} {args[1]}")


@contextmanager
def heard() -> Iterator[list[str]]:
    """What the process does to the world meanwhile: connections, messages, other programs, files that are written."""
    global _heard
    found: list[str] = []
    _heard = found
    try:
        yield found
    finally:
        _heard = None


sys.addaudithook(_listen)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("parks", [False, True], ids=["sound", "parks"])
def test_at_every_position_every_view_accounts_for_every_event(database_url: str, batch: int, parks: bool) -> None:
    agency = Agency(database_url)
    agency.service(3, "09:00", 60)
    agency.service(4, "09:00", 30, client=1)
    agency.service(5, "09:00", 30)
    head = agency.recorder.sequence()
    if parks:
        row = next(row for row in agency.recorder.read_log(0, head) if row.topic == "contact.recorded")
        meddle(
            agency.recorder,
            "UPDATE events SET actor = 'somebody' WHERE stream_id = :stream AND version = :version",
            stream=str(row.originator_id),
            version=row.originator_version,
        )
    runner = Runner(agency.recorder.engine, LocalLog(agency.recorder), PROJECTIONS, batch=batch)
    runner.prepare()
    done, parked = 0, 0
    while runner.step(0):
        done = min(done + batch, head)
        with agency.recorder.engine.connect() as connection:
            for stand in runner.stands(connection):
                assert runner.accounted(connection, stand) == done, stand.id
                marks = dict(outcomes.read(connection, stand.id))
                assert list(marks) == list(range(1, done + 1)), stand.id
                parked += sum(mark == outcomes.PARKED for mark in marks.values())
    assert done == head
    assert bool(parked) is parks
    faults = {fault.kind for fault in verify(agency.recorder, PROJECTIONS).faults}
    assert "skipped" not in faults
    assert "outcome" not in faults
    agency.recorder.engine.dispose()


def test_what_reaches_out_is_heard(tmp_path: Path) -> None:
    import socket
    import subprocess

    with heard() as found:
        (tmp_path / "mail").write_text("to somebody", encoding="utf-8")
        subprocess.run([sys.executable, "-c", ""], check=True)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            sending.sendto(b"x", ("127.0.0.1", 9))
    assert [line.partition(" ")[0] for line in found] == ["open", "subprocess.Popen", "socket.sendto"]


def test_a_rebuild_writes_nothing_but_the_views(sqlite_url: str) -> None:
    """No event, no file, no message, no other program: whatever the events are that it folds again."""
    agency = Agency(sqlite_url)
    agency.service(3, "09:00", 60)
    assert agency.run("billing", "rows", "--month", "2025-11").exit_code == 0
    head = agency.recorder.sequence()
    with heard() as found:
        done = agency.run("rebuild")
    assert done.exit_code == 0, done.output
    assert found == []
    assert agency.recorder.sequence() == head
    agency.recorder.engine.dispose()
