"""The endpoints beside a loop: metrics as Prometheus reads them, and health that is bad when the loop stands still."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.store.agency import small_agency

from ledger.application.commands import Ledger
from ledger.clock import ManualClock
from ledger.consumers.log import LocalLog
from ledger.consumers.runner import Runner
from ledger.errors import BadInput
from ledger.kafka.relay import RelayState
from ledger.projections.every import PROJECTIONS
from ledger.serving.endpoints import address_of, answering
from ledger.serving.health import Health
from ledger.serving.lag import Lag, lag_at, lags, recorded_a_second, view_places
from ledger.serving.metrics import ProjectorMetrics, RelayMetrics, registry_of
from ledger.store.recorder import Recorder

LOCAL = ("127.0.0.1", 0)


class Hands:
    """A clock of seconds that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def get(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310 - this machine's own port
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as fault:
        with fault:
            return fault.code, fault.read().decode()


def values(page: str) -> dict[tuple[str, str], float]:
    """Every sample by its name and its view ('' for none), read by Prometheus's own parser."""
    return {
        (sample.name, sample.labels.get("view", "")): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


@pytest.fixture
def runner(recorder: Recorder) -> Runner:
    made = Runner(recorder.engine, LocalLog(recorder), PROJECTIONS)
    made.prepare()
    return made


@pytest.fixture
def served(recorder: Recorder, runner: Runner, clock: ManualClock) -> Iterator[int]:
    metrics = ProjectorMetrics(recorder, Health(), clock.now, runner, lambda: 7)
    with answering(LOCAL, registry_of(metrics), Health()) as port:
        yield port


def test_health_is_bad_until_ready_and_again_when_the_loop_stands_still(sqlite_recorder: Recorder) -> None:
    hands = Hands()
    health = Health(patience=10, monotonic=hands)
    metrics = RelayMetrics(sqlite_recorder, health, lambda: datetime.now(UTC), RelayState)
    with answering(LOCAL, registry_of(metrics), health) as port:
        assert get(port, "/health/live") == (200, "ok: starting, 0 s ago\n")
        assert get(port, "/health/ready") == (503, "not ok: starting, 0 s ago\n")
        health.turn("applying events", ready=False)
        assert get(port, "/health/ready")[0] == 503
        health.turn("waiting for events")
        assert get(port, "/health/ready") == (200, "ok: waiting for events, 0 s ago\n")
        hands.seconds = 10.0
        assert get(port, "/health/live")[0] == 200
        hands.seconds = 10.5
        assert get(port, "/health/live")[0] == 503
        assert get(port, "/health/ready")[0] == 503
        assert values(get(port, "/metrics")[1])["ledger_loop_silent_seconds", ""] == 10.5
        health.turn("applying events", ready=False)
        assert get(port, "/health/ready")[0] == 200, "a busy loop that was ready is ready still"


def test_metrics_say_how_far_each_view_is_behind(
    served: int, recorder: Recorder, ledger: Ledger, runner: Runner, clock: ManualClock
) -> None:
    small_agency(ledger)
    head = recorder.sequence()
    clock.advance(timedelta(seconds=30))
    found = values(get(served, "/metrics")[1])
    assert found["ledger_log_head", ""] == head
    assert found["ledger_log_recorded_per_second", ""] == pytest.approx(head / 60)
    assert found["ledger_projector_events_total", ""] == 7
    for projection in PROJECTIONS:
        assert found["ledger_view_position", projection.name] == 0
        assert found["ledger_view_lag_events", projection.name] == head
        assert found["ledger_view_lag_seconds", projection.name] >= 30
        assert found["ledger_view_parked", projection.name] == 0
    runner.catch_up()
    clock.advance(timedelta(seconds=60))
    found = values(get(served, "/metrics")[1])
    for projection in PROJECTIONS:
        assert found["ledger_view_position", projection.name] == head
        assert found["ledger_view_lag_events", projection.name] == 0
        assert found["ledger_view_lag_seconds", projection.name] == 0
    assert found["ledger_log_recorded_per_second", ""] == 0


def test_a_relay_that_stands_by_does_not_say_where_the_topic_is(
    recorder: Recorder, ledger: Ledger, clock: ManualClock
) -> None:
    small_agency(ledger)
    head = recorder.sequence()
    state = RelayState()
    metrics = RelayMetrics(recorder, Health(), clock.now, lambda: state)
    with answering(LOCAL, registry_of(metrics), Health()) as port:
        found = values(get(port, "/metrics")[1])
        assert found["ledger_relay_active", ""] == 0
        assert ("ledger_relay_lag_events", "") not in found
        state.active, state.position, state.sent, state.takeovers = True, head - 3, 11, 2
        found = values(get(port, "/metrics")[1])
    assert found["ledger_relay_active", ""] == 1
    assert found["ledger_relay_position", ""] == head - 3
    assert found["ledger_relay_lag_events", ""] == 3
    assert found["ledger_relay_events_total", ""] == 11
    assert found["ledger_relay_takeovers_total", ""] == 2


def test_lag_counts_events_and_the_time_the_oldest_has_waited(
    recorder: Recorder, ledger: Ledger, runner: Runner, clock: ManualClock
) -> None:
    assert lags(recorder, view_places(recorder, runner), 0, clock.now()).keys() == {p.name for p in PROJECTIONS}
    small_agency(ledger)
    head = recorder.sequence()
    (fourth,) = recorder.read_log(3, 1)
    now = fourth.recorded + timedelta(seconds=90)
    assert lag_at(recorder, 3, head, now) == Lag(3, head - 3, 90.0)
    assert lag_at(recorder, head, head, now) == Lag(head, 0, 0.0)
    assert lag_at(recorder, 3, head, fourth.recorded - timedelta(hours=1)).seconds == 0, "never below nothing"
    assert recorded_a_second(recorder, head, clock.now() + timedelta(days=1)) == 0


def test_nothing_of_a_client_is_on_the_page(served: int, recorder: Recorder, ledger: Ledger) -> None:
    charts = small_agency(ledger)
    recorder.sequence()
    page = get(served, "/metrics")[1]
    assert not [chart for chart in charts if chart in page]
    assert {view for _, view in values(page)} == {"", *(p.name for p in PROJECTIONS)}


def test_only_reading_is_answered(served: int) -> None:
    assert get(served, "/metrics", "POST")[0] == 405
    assert get(served, "/")[0] == 404
    assert get(served, "/metrics/../health/live")[0] == 404


def test_metrics_that_cannot_be_read_say_so_and_the_next_ones_come(served: int, recorder: Recorder) -> None:
    with recorder.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE projection_live RENAME TO elsewhere")
    assert get(served, "/metrics") == (503, "the metrics cannot be read now\n")
    with recorder.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO projection_live")
    assert get(served, "/metrics")[0] == 200


@pytest.mark.parametrize(
    ("text", "address"),
    [("9464", ("127.0.0.1", 9464)), ("0.0.0.0:1", ("0.0.0.0", 1)), ("[::1]:9464", ("::1", 9464))],  # noqa: S104
)
def test_an_address_is_a_port_of_this_machine_unless_it_says_more(text: str, address: tuple[str, int]) -> None:
    assert address_of(text) == address


@pytest.mark.parametrize("text", ["", "x", "65536", "-1", "localhost:", "1:x", "٣"])
def test_what_is_no_port_is_named(text: str) -> None:
    with pytest.raises(BadInput, match=r"--metrics: .* is not a port; write 9464"):
        address_of(text)


def test_a_port_that_is_taken_is_named(sqlite_recorder: Recorder) -> None:
    metrics = RelayMetrics(sqlite_recorder, Health(), lambda: datetime.now(UTC), RelayState)
    with socket.create_server(LOCAL) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(BadInput, match=f"--metrics: cannot listen at 127.0.0.1:{port}: "),
            answering(("127.0.0.1", port), registry_of(metrics), Health()),
        ):
            raise AssertionError("it listens where another does")


def test_the_projector_answers_while_it_runs_and_ends_gently(tmp_path: Path, sqlite_url: str) -> None:
    with socket.create_server(LOCAL) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [Path(sys.executable).parent / "ledger", "--json", "run", "--metrics", str(port)],
        env=os.environ | {"LEDGER_DATABASE": sqlite_url},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        until = time.monotonic() + 60
        while True:
            try:
                if get(port, "/health/ready")[0] == 200:
                    break
            except OSError:
                assert time.monotonic() < until
                assert process.poll() is None
            time.sleep(0.05)
        assert values(get(port, "/metrics")[1])["ledger_view_lag_events", "caseload"] == 0
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert json.loads(said) == {"events": 0}
