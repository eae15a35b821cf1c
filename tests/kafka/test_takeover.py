"""One relay is active, another takes over within ten seconds: the bound from the settings, and real relays killed."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from deploy.stack.brokers import Cluster, free_port
from tests.kafka.conftest import jars
from tests.kafka.test_relay import LEDGER, environment, url_of, wait_for

from ledger.kafka import doctor, membership, relay
from ledger.kafka.compare import compare
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.doctor import create_topic
from ledger.kafka.membership import Membership
from ledger.store.database import open_store
from ledger.store.direct import LETS_GO_MS
from ledger.store.recorder import Recorder

NewTopic = Callable[[int], KafkaSettings]
PROMISED = 10_000


@pytest.mark.parametrize("session", [membership.SESSION_MS, membership.LONGER_SESSION_MS])
def test_what_the_settings_let_a_takeover_wait_leaves_time_for_its_work(session: int) -> None:
    """The arithmetic of ``docs/operator.md``: what a setting makes wait, and ``TAKES_OVER_MS`` for what has none."""
    waits = session + membership.HEARTBEAT_MS + membership.RETRY_MS + int(1000 * relay.IDLE)
    assert waits + relay.TAKES_OVER_MS < PROMISED
    assert session - membership.HEARTBEAT_MS > LETS_GO_MS, "the lock of the order is free before another is chosen"
    if session == membership.SESSION_MS:
        assert 2 * session + membership.HEARTBEAT_MS < PROMISED, "also when two die at once, one of them while it joins"
        assert waits <= 5000


def test_the_settings_of_the_arithmetic_are_those_that_the_client_is_given(new_topic: NewTopic) -> None:
    member = Membership(new_topic(1), "settings")
    try:
        assert member.partitions(wait_ms=30_000) == {0}
        given = member._consumer.config
        assert given["session_timeout_ms"] == membership.SESSION_MS == member.session_ms
        assert given["heartbeat_interval_ms"] == membership.HEARTBEAT_MS
        assert given["retry_backoff_ms"] == membership.RETRY_MS
    finally:
        member.leave()


def test_a_broker_that_refuses_the_short_session_is_asked_for_the_longer(
    new_topic: NewTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker of these tests refuses less than a second, as others do less than six."""
    monkeypatch.setattr(membership, "SESSION_MS", 900)
    member = Membership(new_topic(1), "short")
    try:
        wait_for(lambda: member.partitions(wait_ms=100) == {0})
        assert member.session_ms == membership.LONGER_SESSION_MS
    finally:
        member.leave()


def test_a_broker_that_refuses_both_is_told_of(new_topic: NewTopic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "SESSION_MS", 800)
    monkeypatch.setattr(membership, "LONGER_SESSION_MS", 900)
    member = Membership(new_topic(1), "short")
    try:
        with pytest.raises(Exception, match="InvalidSessionTimeout"):
            wait_for(lambda: member.partitions(wait_ms=100) == {0})
    finally:
        member.leave()


@dataclass
class Process:
    """A relay as a process of its own."""

    popen: subprocess.Popen[bytes]
    port: int
    log: Path

    def says(self) -> str:
        """What it says of itself: active, standing by, or that Kafka is away; nothing when it answers nobody."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/ready", timeout=2) as reply:
                return str(reply.read().decode())
        except urllib.error.HTTPError as fault:
            with fault:
                return fault.read().decode()
        except OSError:
            return ""

    def active(self) -> bool:
        return self.says().startswith("ok: active")


@dataclass
class Relays:
    """Relays of one store and topic; all are killed when the block is left."""

    settings: KafkaSettings
    url: str
    folder: Path
    all: list[Process] = field(default_factory=list)

    def start(self) -> Process:
        port, log = free_port(), self.folder / f"relay-{len(self.all)}.log"
        with log.open("wb") as file:
            popen = subprocess.Popen(
                [LEDGER, "--verbose", "relay", "--batch", "3", "--metrics", str(port)],
                env=environment(self.settings, self.url) | {"LEDGER_LOG": "json"},
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        process = Process(popen, port, log)
        self.all.append(process)
        return process


def settled(*pair: Process) -> tuple[Process, Process]:
    """Of two relays the one that is active and the one that stands by, once the group has come to rest."""

    def at_rest() -> bool:
        return sorted(each.says()[:8] for each in pair) == ["ok: acti", "ok: stan"]

    wait_for(lambda: pair[1].says() != "")
    time.sleep(1.5)  # the group may choose the new one
    wait_for(at_rest)
    first, second = pair
    return (first, second) if first.active() else (second, first)


@contextmanager
def relays(settings: KafkaSettings, url: str, folder: Path) -> Iterator[Relays]:
    found = Relays(settings, url, folder)
    try:
        yield found
    finally:
        for process in found.all:
            process.popen.kill()
            process.popen.wait()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stuck"])
def test_the_relay_that_stands_by_takes_over(
    how: signal.Signals, month: Recorder, new_topic: NewTopic, tmp_path: Path
) -> None:
    """While it sends. The seconds of each time are printed: from the signal to the first word of the other."""
    settings, store = new_topic(6), open_store(f"sqlite:///{tmp_path / 'part.db'}")
    rows = list(month.read_log(0, 10_000))
    store.restore(rows[:200])
    took = []
    with relays(settings, url_of(store), tmp_path) as running:
        active = running.start()
        wait_for(active.active)
        for turn in range(2):
            other = running.start()
            active, other = settled(active, other)
            more = rows[200 + 60 * turn : 260 + 60 * turn]
            store.restore(more)
            time.sleep(0.02 * turn)  # another moment of its sending each time
            began = time.monotonic()
            active.popen.send_signal(how)
            while not other.active():
                assert other.popen.poll() is None, other.log.read_text()
                time.sleep(0.02)
            took.append(time.monotonic() - began)
            if how is signal.SIGSTOP:
                active.popen.send_signal(signal.SIGCONT)
                wait_for(lambda a=active: a.says().startswith("ok: standing by"))  # type: ignore[misc]
                active.popen.kill()
            active = other
        store.restore(rows[320:450])
        wait_for(lambda: compare(store, settings).equal)
    print(f"took over after s: {' '.join(f'{each:.1f}' for each in took)}")  # noqa: T201
    assert len(took) == 2
    store.engine.dispose()


def test_a_relay_whose_work_stands_still_gives_its_place_up(
    month: Recorder, new_topic: NewTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process lives and answers the group; only its loop stands still, as in a database that does not answer."""
    assert relay.STUCK < doctor.TRANSACTION < membership.STALL
    monkeypatch.setattr(relay, "STUCK", 2.0)
    settings, stop = new_topic(2), threading.Event()
    both = [relay.Relay(month, settings, batch=50) for _ in range(2)]
    gates = [threading.Event() for _ in both]

    def stands_still(send: Callable[[relay.Sender], int], goes_on: threading.Event) -> Callable[[relay.Sender], int]:
        return lambda sender: send(sender) if goes_on.wait() else 0

    for each, gate in zip(both, gates, strict=True):
        gate.set()
        monkeypatch.setattr(each, "_send", stands_still(each._send, gate))
    threads = [threading.Thread(target=each.run, args=(stop,)) for each in both]
    try:
        for thread in threads:
            thread.start()
        wait_for(lambda: any(each.state.position == month.head() for each in both))
        time.sleep(3)  # the group has come to rest: nobody is chosen anew for another reason
        (stuck,) = (number for number, each in enumerate(both) if each.state.active)
        gates[stuck].clear()
        wait_for(lambda: both[1 - stuck].state.active, seconds=30)
        gates[stuck].set()
        wait_for(lambda: both[0].state.active != both[1].state.active)
    finally:
        for gate in gates:
            gate.set()
        stop.set()
        for thread in threads:
            thread.join(timeout=60)
    assert compare(month, settings).equal


def test_one_that_stands_by_says_that_kafka_is_away_and_goes_on(
    month: Recorder, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cluster = Cluster(tmp_path_factory.mktemp("away"), jars(), heap="256m", java=("-XX:TieredStopAtLevel=1",))
    cluster.start()
    try:
        settings = KafkaSettings(brokers=(cluster.bootstrap,), topic="ledger.away")
        assert create_topic(settings, 2)
        store = open_store(f"sqlite:///{tmp_path / 'part.db'}")
        store.restore(month.read_log(0, 100))
        with relays(settings, url_of(store), tmp_path) as running:
            active = running.start()
            wait_for(active.active)
            active, other = settled(active, running.start())
            cluster.kill(cluster.brokers[0])
            for process in (active, other):
                wait_for(lambda p=process: p.says().startswith("not ok: Kafka is away"))  # type: ignore[misc]
            cluster.start_broker(cluster.brokers[0])
            settled(active, other)
            assert [each.popen.poll() for each in (active, other)] == [None, None], "the same processes"
            store.restore(month.read_log(100, 50))
            wait_for(lambda: compare(store, settings).equal)
        store.engine.dispose()
    finally:
        cluster.stop()
