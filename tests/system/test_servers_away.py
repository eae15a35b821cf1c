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
from tests.system.world import CLIENT, PROJECTOR, RELAY, Agency, World, wait_for

from ledger.application.commands import Ledger
from ledger.store.database import migrate, open_engine, open_store


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
    with Agency(world, "away") as agency:
        agency.start(relays=1, projectors=2, clients=1, rate=20.0)
        agency.wait_for_progress()
        keeping = agency.of(RELAY) + agency.of(PROJECTOR)
        for words, server in (("PostgreSQL", world.without_postgres), ("Kafka", world.without_broker)):
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


def start(url: str, port: int, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen(
            [LEDGER, "run", "--metrics", str(port)],
            env=environment(LEDGER_DATABASE=url),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
