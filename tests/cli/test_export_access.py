"""An export of entries is a read of every chart that they name: each is in the access events, and in its own audit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.agency import Agency

from ledger.aggregates.access import AccessGranted
from ledger.application import reading
from ledger.store.codec import read


@pytest.fixture
def agency(database_url: str) -> Iterator[Agency]:
    made = Agency(database_url)
    made.recorder.sequence()
    yield made
    made.recorder.engine.dispose()


def export(agency: Agency, folder: Path, *more: str) -> None:
    key = folder / "seal.key"
    if not key.exists():
        assert agency.run("tlog", "key", "new", "--name", "example.org/agency", "--out", str(key)).exit_code == 0
    for words in (("seal", "--key", str(key)), ("tlog", "export", "--out", str(folder / "public"), "--key", str(key))):
        done = agency.run(*words, *(more if words[0] == "tlog" else ()))
        assert done.exit_code == 0, (done.output, done.exception)


def accesses(agency: Agency) -> list[AccessGranted]:
    agency.recorder.sequence()
    found = (read(row).event for row in agency.recorder.read_log(0, 1000) if row.topic == AccessGranted.TYPE)
    return [event for event in found if isinstance(event, AccessGranted)]


def test_it_names_every_chart_that_it_shows_and_only_those(
    agency: Agency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = agency.recorder.sequence()
    export(agency, tmp_path, "--no-entries")
    assert accesses(agency) == [], "hashes alone are no read"
    export(agency, tmp_path)
    (access,) = accesses(agency)
    assert access.resource == f"tlog export of the entries of positions 1 to {head}"
    assert {(shown.chart_id, shown.position) for shown in access.charts} == {(one, head) for one in agency.clients}
    for client in agency.clients:
        told = agency.read("access-audit", client)["accesses"]
        assert access.resource in [one["access"]["resource"] for one in told]


def test_many_charts_take_several_events_appended_together(
    agency: Agency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "CHARTS_PER_EVENT", 1)
    export(agency, tmp_path)
    assert [[shown.chart_id for shown in one.charts] for one in accesses(agency)] == [
        [c] for c in sorted(agency.clients)
    ]
