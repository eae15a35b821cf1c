"""``make stack``: everything starts, what is recorded arrives in the views and on the topic, and it starts again."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy.stack.brokers import StackError, fetch_jars
from deploy.stack.stack import SERVICES, Service, Stack
from tests.deploy.commands import ROOT, ledger
from tests.kafka.test_relay import wait_for


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

        relay, sealer, projector = (first.services[name] for name in ("relay", "seal", "run"))
        for service in (relay, sealer, projector):
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
        reader = {n: v for n, v in first.environment("ledger_reader").items() if n.startswith("LEDGER_")}
        wait_for(lambda: json.loads(ledger(reader, "--json", "verify").stdout)["sealed"]["agrees"] == head)
        assert relay.stop() == sealer.stop() == projector.stop() == 0, "they end gently"
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


def test_with_two_brokers_everything_is_on_both(folder: Path) -> None:
    """As with one, in a folder of its own; no event is acknowledged while only one of the two has it."""
    stack = Stack(folder, fetch_jars(ROOT / "build" / "broker"), brokers=2)
    stack.start()
    try:
        writer = {n: v for n, v in stack.environment("ledger_writer").items() if n.startswith("LEDGER_")}
        assert len(writer["LEDGER_KAFKA"].split(",")) == 2
        assert all(service.answers("/health/ready") for service in stack.services.values())
        name = json.dumps({"family": "Example", "given": "Robin"})
        command = ("--as", "system:setup", "record", "register-client", "--name", name, "--birth-date", "1980-01-01")
        assert ledger(writer, *command).returncode == 0
        status: dict[str, Any] = {}

        def arrived() -> bool:
            status.update(json.loads(ledger(writer, "--json", "status").stdout))
            return (status["topic"].get("behind"), status["views"][0]["behind"]) == (0, 0)

        wait_for(arrived)
        done = ledger(writer, "--json", "doctor")
        assert done.returncode == 0, done.stdout
        found = {each["what"].partition(": ")[2] or each["what"]: each for each in json.loads(done.stdout)["findings"]}
        assert [found[what]["found"] for what in ("brokers", "replicas", "min.insync.replicas")] == ["2", "2", "2"]
        stack.cluster.kill(stack.cluster.brokers[1])
        assert ledger(writer, *command).returncode == 0, "what is recorded needs no Kafka"
        stack.cluster.start_broker(stack.cluster.brokers[1])
        wait_for(arrived)
        assert all(
            service.process is not None and service.process.poll() is None for service in stack.services.values()
        )
    finally:
        stack.stop()


def test_the_same_runs_as_with_docker() -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    ran = {}
    for service in compose.values():
        command = service.get("command", [])
        if "--metrics" in command:
            role = service["environment"]["LEDGER_DATABASE"].partition("://")[2].partition("@")[0]
            ran[tuple(command[: command.index("--metrics")])] = role
    assert ran == dict(SERVICES)


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
