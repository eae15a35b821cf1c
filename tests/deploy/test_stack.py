"""``make stack``: everything starts, what is recorded arrives in the views and on the topic, and it starts again."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploy.stack.brokers import StackError, fetch_jars
from deploy.stack.stack import Service, Stack
from tests.deploy.commands import ROOT, ledger


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="ledger-stack-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def numbers(page: str) -> dict[str, float]:
    """The metrics on a page."""
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in page.splitlines() if line[:1] != "#"}


def test_what_is_recorded_arrives_everywhere_and_is_there_after_a_new_start(folder: Path) -> None:
    jars = fetch_jars(ROOT / "build" / "broker")
    first = Stack(folder, jars)
    first.start()
    try:
        settings = {n: v for n, v in first.environment("ledger_writer").items() if n.startswith("LEDGER_")}
        assert settings.keys() == {"LEDGER_DATABASE", "LEDGER_KAFKA"}
        assert ledger(settings, "simulate", "--clients", "8", "--months", "1", "--seed", "1").returncode == 0
        done = ledger(settings, "--json", "--as", "system:nightly", "caseload", "--on", "2025-10-15")
        assert done.returncode == 0, done.stderr
        done = ledger(settings, "--json", "status", "--over", "0.5")
        assert done.returncode == 0, done.stderr
        status = json.loads(done.stdout)
        head = status["head"]
        assert head > 600
        assert {view["behind"] for view in status["views"]} == {0}
        assert status["topic"]["place"] == head
        assert status["topic"]["events_per_second"] == 0.0

        relay, projector = first.services["relay"], first.services["run"]
        for service in (relay, projector):
            assert service.answers("/health/live")
            assert service.answers("/health/ready")
            assert not service.answers("/elsewhere")
        found = numbers(relay.page("/metrics"))
        assert found["ledger_log_head"] == found["ledger_relay_position"] == found["ledger_relay_events_total"] == head
        assert found["ledger_relay_active"] == 1
        assert found["ledger_relay_lag_events"] == found["ledger_relay_lag_seconds"] == 0
        found = numbers(projector.page("/metrics"))
        assert found["ledger_projector_events_total"] >= head
        assert found['ledger_view_position{view="billing"}'] == head
        assert found['ledger_view_lag_events{view="billing"}'] == found['ledger_view_parked{view="billing"}'] == 0
        assert relay.stop() == projector.stop() == 0, "they end gently"
    finally:
        first.stop()

    again = Stack(folder, jars)
    again.start()
    try:
        reader = {n: v for n, v in again.environment("ledger_reader").items() if n.startswith("LEDGER_")}
        status = json.loads(ledger(reader, "--json", "status").stdout)
        assert status["head"] == status["topic"]["place"] == head, "nothing was sent to the topic a second time"
        assert again.cluster.cluster_id == first.cluster.cluster_id
    finally:
        again.stop()


def test_a_process_that_does_not_become_ready_is_named_with_what_it_said(tmp_path: Path) -> None:
    settings = {"LEDGER_DATABASE": f"sqlite:///{tmp_path / 'nowhere' / 'ledger.db'}"}
    service = Service(["run"], settings, tmp_path / "run.log")
    with pytest.raises(StackError, match=r"ledger run does not become ready:\n(.|\n)*nowhere does not exist"):
        service.start()
    assert service.process is not None
    assert service.process.poll() is not None


def test_a_missing_tool_is_named_with_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match="mvn is missing; on Debian or Ubuntu: apt-get install maven"):
        fetch_jars(tmp_path / "jars")
