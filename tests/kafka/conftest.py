"""A real broker for a test process, a topic for each test that asks, and a simulated month to relay."""

from __future__ import annotations

import fcntl
import shutil
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from deploy.stack.brokers import Cluster, StackError, fetch_jars

from ledger.aggregates.contact import ContactRecorded, CorrectContact, MarkContactInError
from ledger.aggregates.staff import StaffRegistered
from ledger.application.commands import Ledger, Request
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.doctor import create_topic
from ledger.kafka.relay import Sender
from ledger.simulation import Options, simulate, starting_clock
from ledger.store.codec import read
from ledger.store.database import open_store
from ledger.store.recorder import Recorder

ROOT = Path(__file__).resolve().parents[2]
JARS = ROOT / "build" / "broker"
ZONE = "America/Los_Angeles"


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One broker. What is missing for it is an error that says how to get it, never a test left out."""
    if shutil.which("java") is None:
        pytest.fail("java is missing; on Debian or Ubuntu: apt-get install openjdk-17-jre-headless", pytrace=False)
    try:
        cluster = Cluster(tmp_path_factory.mktemp("broker"), jars(), heap="384m")
        cluster.start()
    except StackError as fault:
        pytest.fail(str(fault), pytrace=False)
    yield cluster
    cluster.stop()


def jars() -> Path:
    """The broker's jars, fetched by one test process while the others wait."""
    JARS.parent.mkdir(parents=True, exist_ok=True)
    with (JARS.parent / "broker.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return fetch_jars(JARS)


@pytest.fixture
def new_topic(broker: Cluster) -> Callable[[int], KafkaSettings]:
    """Makes a topic of its own with this many partitions, as ``ledger topic create`` does."""

    def make(partitions: int) -> KafkaSettings:
        settings = KafkaSettings(brokers=tuple(broker.bootstrap.split(",")), topic=f"ledger.{uuid.uuid4().hex}")
        assert create_topic(settings, partitions)
        return settings

    return make


@pytest.fixture(scope="session")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    """A store with a simulated month; only to be read."""
    options = Options(clients=8, months=1, seed=3)
    clock = starting_clock(options, ZONE)
    recorder = open_store(f"sqlite:///{tmp_path_factory.mktemp('month') / 'ledger.db'}", clock)
    ledger = Ledger(recorder, clock=clock, zone=ZONE)
    simulate(ledger, clock, options)
    correct_some(ledger)
    yield recorder
    recorder.engine.dispose()


def correct_some(ledger: Ledger) -> None:
    """Move some contacts into the month before, and mark others as entered in error."""
    log = list(map(read, ledger.recorder.read_log(0, 1_000_000)))
    recorded = [(each.originator_id, each.event) for each in log if isinstance(each.event, ContactRecorded)]
    compliance = next(
        each.originator_id
        for each in log
        if isinstance(each.event, StaffRegistered) and "compliance" in each.event.roles
    )
    for number, (contact_id, event) in enumerate(recorded[::7]):
        earlier = timedelta(days=31)
        command = (
            MarkContactInError(contact_id=contact_id, reason="another chart")
            if number % 2
            else CorrectContact(
                contact_id=contact_id,
                reason="the month was wrong",
                started_at=event.started_at - earlier,
                ended_at=event.ended_at - earlier,
            )
        )
        request = Request(command=command, actor_id=compliance, purpose="operations", command_id=ledger.ids.new())
        ledger.execute(request)


@pytest.fixture
def relay_all() -> Callable[..., int]:
    """Brings a whole store to a topic, in transactions of ``batch`` events; returns how many events there are."""

    def relay(recorder: Recorder, settings: KafkaSettings, *, batch: int = 200) -> int:
        sender = Sender(recorder, settings, batch=batch)
        try:
            recorder.sequence()
            while sender.send_batch():
                pass
            return sender.position
        finally:
            sender.close()

    return relay
