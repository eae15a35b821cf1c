"""Every page tells the server's times on the agency's clock with its offset; what a person meant keeps their own."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest
from tests.cli.agency import Agency

UTC_TOLD = re.compile(r"\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00)")


@pytest.fixture
def agency(tmp_path: Path) -> Agency:
    """One service, recorded with the offset of central Europe, whose note was signed weeks later on 1 December."""
    made = Agency(f"sqlite:///{tmp_path / 'ledger.db'}")
    started = datetime.fromisoformat("2025-11-03T18:00:00+01:00")
    made.service(3, "09:00", 53, started_at=started, ended_at=datetime.fromisoformat("2025-11-03T18:53:00+01:00"))
    return made


@pytest.mark.parametrize(
    "command",
    [
        ("chart", "CLIENT"),
        ("chart", "CLIENT", "--timeline"),
        ("chart", "CLIENT", "--diff", "2025-11-30T00:00:00Z", "2025-12-01T17:00:00Z"),
        ("billing", "rows", "--month", "2025-11", "--as-known-at", "2025-12-01T17:00:00Z"),
        ("billing", "rows", "--month", "2025-11", "--changed-since", "2025-11-30T00:00:00Z"),
        ("access-audit", "CLIENT"),
        ("timeliness", "--month", "2025-11"),
        ("trace", "NOTE"),
    ],
    ids=" ".join,
)
def test_no_page_speaks_utc(agency: Agency, command: tuple[str, ...]) -> None:
    note = next(row.originator_id for row in agency.recorder.read_log(0, 1000) if row.topic == "note.signed")
    words = [{"CLIENT": agency.clients[0], "NOTE": str(note)}.get(word, word) for word in command]
    agency.read("chart", agency.clients[0])  # so that the audit has something to tell
    told = agency.run("--purpose", "operations", *words)
    assert told.exit_code == 0, told.output
    assert not UTC_TOLD.search(told.stdout), told.stdout
    assert "-08:00" in told.stdout


def test_the_chart_tells_both_times_each_on_its_clock(agency: Agency) -> None:
    told = " ".join(agency.run("chart", agency.clients[0]).stdout.split())
    assert "2025-11-03 18:53+01:00; recorded 2025-12-01 09:00:00-08:00 as" in told


def test_a_review_tells_the_signature_on_the_agencys_clock_not_on_the_services(agency: Agency) -> None:
    told = agency.run("timeliness", "--month", "2025-11").stdout
    late = told[told.index("Not in time") :]
    cells = [
        " ".join(column) for column in zip(*(re.split(r" {2,}", line) for line in late.splitlines()[4:6]), strict=False)
    ]
    assert cells[0].startswith("Mon 2025-11-03 18:53 +01:00")
    assert cells[2].startswith("Mon 2025-12-01 09:00 -08:00")


def test_what_a_program_reads_has_its_offset(agency: Agency) -> None:
    read = (
        ("timeliness", "--month", "2025-11"),
        ("chart", agency.clients[0]),
        ("billing", "rows", "--month", "2025-11"),
    )
    for command in read:
        times = re.findall(r'"(?:recorded_at|signed_at)": ?"([^"]+)"', agency.run("--json", *command).stdout)
        assert times, command
        assert all(datetime.fromisoformat(time).utcoffset() is not None for time in times)
