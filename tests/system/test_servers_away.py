"""PostgreSQL and the broker go away for a while and come back: relay and projectors wait for them, as the same
processes, say so meanwhile, and go on without a gap or a double."""

from __future__ import annotations

import signal
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg
import pytest
from deploy.stack.brokers import free_port
from deploy.stack.postgres import Postgres
from deploy.stack.stack import LEDGER
from tests.deploy.commands import environment
from tests.store.agency import small_agency
from tests.system.world import CLIENT, PROJECTOR, RELAY, Agency, World, seeded, wait_for

from ledger.application.commands import Ledger
from ledger.kafka.connection import KafkaSettings
from ledger.proof.checkpoint import open_checkpoint
from ledger.proof.kafka_place import every_note
from ledger.proof.keys import write_key
from ledger.proof.notes import new_key
from ledger.store.database import migrate, open_engine, open_store
from ledger.store.sealed import Sealed


def page(port: int, path: str) -> tuple[int, str]:
    """What a process answers; nothing when it answers nobody."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as fault:
        with fault:
            return fault.code, fault.read().decode()
    except OSError:
        return 0, ""


@pytest.mark.timeout(600)
def test_each_server_goes_away_and_comes_back_under_the_same_processes(world: World) -> None:
    chance = seeded("servers away")
    servers = [("PostgreSQL", world.without_postgres), ("Kafka", world.without_broker)]
    with Agency(world, "away") as agency:
        agency.start(relays=1, projectors=2, clients=1, rate=20.0)
        agency.wait_for_progress()
        keeping = agency.of(RELAY) + agency.of(PROJECTOR)
        for words, server in chance.sample(servers, 2):
            time.sleep(chance.uniform(0, 1))
            away: AbstractContextManager[None] = server()
            with away:
                for process in agency.of(RELAY) if words == "Kafka" else keeping:
                    says = f"not ok: {words} is away"
                    wait_for(
                        lambda p=process.port, s=says: page(p, "/health/ready")[1].startswith(s),  # type: ignore[misc]
                        f"{process.log.name} says that {words} is away",
                    )
                    assert page(process.port, "/health/live")[0] == 200
                    status, metrics = page(process.port, "/metrics")
                    assert (status, f'ledger_server_away{{server="{words}"}} 1.0' in metrics) == (200, True)
                time.sleep(chance.uniform(0, 2))
            agency.wait_for_progress()
            wait_for(lambda: all(page(p.port, "/health/ready")[0] == 200 for p in keeping), "all are ready again")
            for process in agency.of(RELAY) if words == "Kafka" else keeping:
                metrics = page(process.port, "/metrics")[1]
                assert f'ledger_server_away{{server="{words}"}} 0.0' in metrics
                assert f'ledger_outages_total{{server="{words}"}}' in metrics
        assert (agency.of(RELAY) + agency.of(PROJECTOR), dict(agency.ended)) == (keeping, {}), "none was started again"
        assert all(process.running for process in agency.of(CLIENT))
        agency.check()


def test_views_without_kafka_wait_for_the_database_and_a_wrong_one_ends_them(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The server comes back with a setting that can lose what was committed: that ends the process, with its reason."""
    folder = tmp_path_factory.mktemp("pg")
    for each in (folder, *list(folder.parents)[:2]):
        each.chmod(0o755)  # for root the server runs as another user
    server, port = Postgres(folder / "data"), free_port()
    server.start()
    try:
        server.ensure("ledger")
        url = server.url("ledger")
        engine = open_engine(url)
        migrate(engine)
        engine.dispose()
        recorder = open_store(url)
        process = start(url, port, folder / "log")
        try:
            wait_for(lambda: page(port, "/health/ready")[0] == 200, "it is ready")
            server.kill()
            wait_for(lambda: page(port, "/health/ready")[1].startswith("not ok: PostgreSQL is away"), "it says so")
            server.start()
            recorder.engine.dispose()
            small_agency(Ledger(recorder), 1, 1)
            head = recorder.sequence()
            wait_for(lambda: f"ledger_projector_events_total {head}.0" in page(port, "/metrics")[1], "it goes on")
            assert process.poll() is None
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET fsync = off")
            recorder.engine.dispose()
            server.kill()
            time.sleep(0.5)
            server.start()
            assert process.wait(timeout=120) == 5
            assert "the database can lose committed events: fsync is off" in (folder / "log").read_text()
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    finally:
        server.stop()


def test_a_sealer_waits_for_the_database_and_for_kafka_and_goes_on(world: World) -> None:
    """As the same process; what it sealed while Kafka was away is on the checkpoints' topic afterwards."""
    chance, port, folder = seeded("a sealer's servers away"), free_port(), world.folder / "sealer"
    folder.mkdir()
    world.postgres.ensure("sealer")
    url = world.postgres.url("sealer")
    engine = open_engine(url)
    migrate(engine)
    engine.dispose()
    key = new_key("agency.example.org/ledger")
    write_key(folder / "seal.key", key)
    settings = KafkaSettings(brokers=tuple(world.cluster.bootstrap.split(",")), topic="ledger.sealer")
    recorder = open_store(url)
    kafka = {"LEDGER_KAFKA": world.cluster.bootstrap, "LEDGER_KAFKA_TOPIC": settings.topic}
    process = start(
        url, port, folder / "log", "seal", "--every", "0.2", LEDGER_SEAL_KEY=str(folder / "seal.key"), **kafka
    )

    def sealed() -> None:
        """Record something, and wait until it is sealed."""
        recorder.engine.dispose()
        small_agency(Ledger(recorder), 1, 1)
        head = recorder.sequence()
        wait_for(lambda: (last := Sealed(recorder).last()) is not None and last.size == head, "it is sealed")

    try:
        sealed()
        wait_for(lambda: page(port, "/health/ready")[0] == 200, "it is ready")
        for _ in range(2):
            with world.without_postgres():
                says = "not ok: PostgreSQL is away"
                wait_for(lambda: page(port, "/health/ready")[1].startswith(says), "it says that PostgreSQL is away")  # noqa: B023
                assert page(port, "/health/live")[0] == 200
                assert 'ledger_server_away{server="PostgreSQL"} 1.0' in page(port, "/metrics")[1]
                time.sleep(chance.uniform(0, 2))
            sealed()
            wait_for(lambda: page(port, "/health/ready")[0] == 200, "it is ready again")
            with world.without_broker():
                time.sleep(chance.uniform(0, 2))
                sealed()
                assert page(port, "/health/ready")[0] == 200, "nobody outside holds up the sealing"
        sizes = [row.size for row in Sealed(recorder).checkpoints()]

        def told() -> list[int]:
            return [open_checkpoint(note, [key.public])[0].size for note in every_note(settings)]

        wait_for(lambda: told() == sizes, "every checkpoint is on the topic, in order")
        assert len(sizes) >= 5
        assert process.poll() is None, (folder / "log").read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        recorder.engine.dispose()


def start(url: str, port: int, log: Path, *command: str, **settings: str) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen(
            [LEDGER, *(command or ("run",)), "--metrics", str(port)],
            env=environment(LEDGER_DATABASE=url, **settings),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
