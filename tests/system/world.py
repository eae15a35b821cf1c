"""Real servers, real processes and a load on them, for tests that break things and then look what is left.

A ``World`` has brokers and a PostgreSQL server. An ``Agency`` lives on it: a database, a topic, relays, projectors, and
clients that give commands all the while. What ends by itself is started again, as the service units in ``deploy/`` do.
``Agency.check`` says what has to hold after whatever was done to it (``tests/system/afterwards.py``).
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
from deploy.setup import run_sql
from deploy.stack.brokers import Cluster, free_port
from deploy.stack.postgres import Postgres
from deploy.stack.stack import LEDGER, ROOT
from sqlalchemy import event
from tests.deploy.commands import environment
from tests.kafka.conftest import jars
from tests.system.afterwards import (
    assert_everything_answered_is_stored,
    assert_on_the_topic_once_and_in_order,
    assert_verified,
    assert_views_as_rebuilt,
)
from tests.system.client import AT_WORK, shared_chart

from ledger.application.commands import Ledger
from ledger.clock import SystemClock
from ledger.consumers.log import LocalLog
from ledger.consumers.runner import Runner, WrongVersion
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.doctor import create_topic
from ledger.kafka.place import last_position
from ledger.projections.every import PROJECTIONS
from ledger.store.database import migrate, open_engine, recorder_for
from ledger.store.recorder import Recorder

#: How long anything may take to come about, in seconds. Nothing here is a measurement: a slow machine gets there too.
PATIENCE = 180.0
RELAY, PROJECTOR, CLIENT = "relay", "run", "client"
#: The database role that each kind of process works as.
ROLES = {RELAY: "ledger_relay", PROJECTOR: "ledger_projector", CLIENT: "ledger_writer"}


def seeded(what: str) -> random.Random:
    """Chance for a test, with its seed printed so that a failure can be looked at again by LEDGER_TEST_SEED."""
    seed = int(os.environ.get("LEDGER_TEST_SEED") or random.SystemRandom().randrange(1, 1_000_000))
    say(f"{what}: seed {seed}")
    return random.Random(seed)


def say(words: str) -> None:
    """Print a line; pytest shows it when the test fails."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def _only_look(connection: psycopg.Connection[Any], _: Any) -> None:
    """A test that looks may stand still on a starved machine: it holds nobody up, and is not cut off for it."""
    connection.execute("SET idle_in_transaction_session_timeout = 0")
    connection.commit()


def _is_at_work(log: Path) -> bool:
    return AT_WORK in log.read_text()


def wait_for(holds: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Wait until something holds; fails, saying what did not come about."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"it did not come about in {seconds:.0f} s: {what}"
        time.sleep(0.1)


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """What is started in this block can make no file longer than ``size`` bytes: its disk is full beyond that.

    It stands for a full disk, which a test cannot make everywhere (a small file system has to be mounted by root): the
    system refuses the write as it would there, in the middle of a page or of a log, whatever the database believes.
    It differs in two ways. The error's number is EFBIG instead of ENOSPC, and it comes to each file by itself; so one
    size fills a table and another the database's own log.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@dataclass
class Process:
    """A relay, a projector or a client: what it was started with, and what it says of itself."""

    kind: str
    arguments: list[str]
    variables: dict[str, str]
    log: Path
    port: int = field(default_factory=free_port)
    born: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        command = [sys.executable, "-m", "tests.system.client", *self.arguments]
        if self.kind != CLIENT:
            command = [str(LEDGER), self.kind, *self.arguments, "--metrics", str(self.port)]
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                command, env=self.variables, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def state(self) -> str:
        """``active``, ``standing by``, ``applying events``, ``waiting for events``; empty while it answers nobody."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/ready", timeout=1) as reply:
                return str(reply.read().decode()).removeprefix("ok: ").partition(",")[0]
        except OSError:
            return ""

    def send(self, number: signal.Signals) -> None:
        """SIGKILL ends it where it stands, SIGSTOP holds it until SIGCONT, SIGTERM asks it to end."""
        if self.running:
            self.popen.send_signal(number)
        if number is signal.SIGKILL:
            self.popen.wait()


class World:
    """Servers under one folder; leaving it stops them."""

    def __init__(self, *, brokers: int = 1) -> None:
        # Not under pytest's own folder, which only its user may enter: for root PostgreSQL runs as another user.
        self.folder = Path(tempfile.mkdtemp(prefix="ledger-world-"))
        self.folder.chmod(0o755)
        quick = ("-XX:TieredStopAtLevel=1",)  # compiles less: half the work to start, and these start often
        self.cluster = Cluster(self.folder / "kafka", jars(), brokers, heap="320m", java=quick)
        self.postgres = Postgres(self.folder / "pg")

    def __enter__(self) -> World:
        try:
            self.postgres.start()
            self.cluster.start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        with ExitStack() as every:
            every.callback(shutil.rmtree, self.folder)
            every.callback(self.postgres.stop)
            every.callback(self.cluster.stop)

    @contextmanager
    def without_broker(self, number: int = 0) -> Iterator[None]:
        """A broker is killed; after the block it is there again."""
        broker = self.cluster.brokers[number]
        self.cluster.kill(broker)
        try:
            yield
        finally:
            self.cluster.start_broker(broker)

    @contextmanager
    def without_postgres(self) -> Iterator[None]:
        """The database server is killed; after the block it is there again."""
        self.postgres.kill()
        try:
            yield
        finally:
            self.postgres.start()


class Agency:
    """One store, one topic, and the processes between them, under load."""

    def __init__(
        self, world: World, name: str, *, partitions: int = 3, sqlite: bool = False, batch: int = 200, text: int = 20
    ) -> None:
        self.name, self._partitions, self._batch, self._text = name, partitions, batch, text
        self._folder = world.folder / name
        self._folder.mkdir()
        self.settings = KafkaSettings(brokers=tuple(world.cluster.bootstrap.split(",")), topic=f"ledger.{name}")
        assert create_topic(self.settings, partitions)
        self._urls = self._make_database(None if sqlite else world.postgres)
        self.processes: list[Process] = []
        self.killed: Counter[str] = Counter()
        #: Processes that ended by themselves.
        self.ended: Counter[str] = Counter()
        #: Seconds from the death of an active relay to the next one that says it is active.
        self.takeovers: list[float] = []
        self._started: Counter[str] = Counter()
        self._guard = threading.RLock()
        self._journals: list[Path] = []
        with self.recorder("ledger_writer") as recorder:
            Ledger(recorder).execute(shared_chart())
        self._leaving = threading.Event()
        self._tending = threading.Thread(target=self._tend)
        self._tending.start()

    def __enter__(self) -> Agency:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._leaving.set()
        self._tending.join()
        try:
            if kind is not None:
                self.tell()
        finally:
            self.end()

    def _make_database(self, postgres: Postgres | None) -> dict[str, str]:
        """The database, with its roles and their rights; answers its URL for each role."""
        roles = ("ledger_owner", "ledger_reader", *ROLES.values())
        if postgres is None:
            urls = dict.fromkeys(roles, f"sqlite:///{self._folder / 'ledger.db'}")
        else:
            urls = {role: postgres.url(self.name, role) for role in roles}
            postgres.ensure(self.name)
            run_sql(postgres.url(self.name), "roles.sql")
        engine = open_engine(urls["ledger_owner"])
        migrate(engine)
        engine.dispose()
        if postgres is not None:
            run_sql(urls["ledger_owner"], "grants.sql")
        return urls

    @contextmanager
    def recorder(self, role: str) -> Iterator[Recorder]:
        """The store, opened as a role."""
        engine = open_engine(self._urls[role])
        if engine.dialect.name == "postgresql":
            event.listen(engine, "connect", _only_look)
        try:
            yield recorder_for(engine, SystemClock())
        finally:
            engine.dispose()

    # Its processes

    def start(self, *, relays: int = 2, projectors: int = 2, clients: int = 2, rate: float = 10.0) -> None:
        """Start everything, and do not wait. ``rate``: commands a second of all clients together, 0 for no limit."""
        for kind, number in ((RELAY, relays), (PROJECTOR, projectors)):
            for _ in range(number):
                self._begin(kind, ["--batch", str(self._batch)])
        self.start_clients(clients, rate)

    def start_clients(self, clients: int, rate: float) -> None:
        """Start some clients that give so many commands a second together."""
        for _ in range(clients):
            number = len(self._journals)
            self._journals.append(self._folder / f"journal-{number}")
            story = [str(self._journals[-1]), f"{self.name} {number}", str(rate / clients), str(self._text)]
            self._begin(CLIENT, story)

    def _begin(self, kind: str, arguments: list[str]) -> Process:
        variables = environment(
            LEDGER_DATABASE=self._urls[ROLES[kind]],
            LEDGER_KAFKA=",".join(self.settings.brokers),
            LEDGER_KAFKA_TOPIC=self.settings.topic,
            LEDGER_LOG="json",
        )
        with self._guard:
            self._started[kind] += 1
            process = Process(kind, arguments, variables, self._folder / f"{kind}-{self._started[kind]}.log")
            self.processes.append(process)
        return process

    def of(self, kind: str) -> list[Process]:
        """The processes of a kind, the eldest first."""
        with self._guard:
            return [process for process in self.processes if process.kind == kind]

    def active_relay(self) -> Process:
        """The relay that says it is active; waits until one does."""
        found: list[Process] = []

        def look() -> bool:
            found.extend(relay for relay in self.of(RELAY) if relay.state() == "active")
            return bool(found)

        wait_for(look, f"{self.name}: a relay is active")
        return found[0]

    def kill(self, process: Process) -> None:
        """``kill -9``, and another one in its place."""
        with self._guard:
            process.send(signal.SIGKILL)
            self.killed[process.kind] += 1
            self.processes.remove(process)
            self._begin(process.kind, process.arguments)

    def kill_all(self) -> None:
        """``kill -9`` of every process, and another one in the place of each."""
        for process in list(self.processes):
            self.kill(process)

    def lost(self, words: str) -> bool:
        """Whether a client lost an answer to an error that says this."""
        return any(words in client.log.read_text(errors="replace") for client in self.of(CLIENT))

    def kill_active_relay(self) -> None:
        """Kill the relay that is at work, and wait until another is."""
        self.kill(self.active_relay())
        began = time.monotonic()
        self.active_relay()
        self.takeovers.append(time.monotonic() - began)

    def _tend(self) -> None:
        """Start again what has ended by itself, a moment later, as the service units do.

        A client never does: when one has, ``settle`` fails with its words.
        """
        while not self._leaving.wait(1.0):
            with self._guard:
                for process in [each for each in self.processes if each.kind != CLIENT and not each.running]:
                    self.ended[process.kind] += 1
                    self.processes.remove(process)
                    self._begin(process.kind, process.arguments)

    def end(self) -> None:
        """Kill everything that still runs."""
        with self._guard:
            for process in self.processes:
                process.send(signal.SIGKILL)
            self.processes.clear()

    # How far it is

    def head(self) -> int:
        """The last position of the log."""
        with self.recorder("ledger_relay") as recorder:
            return recorder.head()

    def dealt_with(self) -> int:
        """How many events the view that is furthest behind has dealt with."""
        with self.recorder("ledger_projector") as recorder, suppress(WrongVersion):  # the views are not made yet
            return Runner(recorder.engine, LocalLog(recorder), PROJECTIONS).dealt_with()
        return 0

    def wait_for_progress(self) -> None:
        """Wait until every view has come to an event that is recorded from now on."""
        head = self.head()
        wait_for(lambda: self.head() > head, f"{self.name}: an event after {head}")
        wait_for(lambda: self.dealt_with() > head, f"{self.name}: the views come past {head}")

    # After it all

    def stop_clients(self) -> None:
        """Let the clients finish what they have asked."""
        for client in self.of(CLIENT):
            wait_for(partial(_is_at_work, client.log), "a client that was started is at work")
            client.send(signal.SIGTERM)
        for client in self.of(CLIENT):
            code = client.popen.wait(timeout=PATIENCE)
            assert code == 0, f"a client ended with {code}:\n{client.log.read_text()[-2000:]}"
        with self._guard:
            self.processes = [each for each in self.processes if each.kind != CLIENT]

    def settle(self) -> float:
        """Stop the clients, then wait until topic and views have everything; answers in how many seconds."""
        self.stop_clients()
        began = time.monotonic()
        with self.recorder("ledger_relay") as recorder:
            head = recorder.sequence()
        wait_for(lambda: last_position(self.settings) == head, f"{self.name}: the topic has all {head} events")
        wait_for(lambda: self.dealt_with() == head, f"{self.name}: the views have all {head} events")
        return time.monotonic() - began

    def check(self) -> None:
        """What has to hold, whatever has died."""
        seconds = self.settle()
        self.end()
        with self.recorder("ledger_projector") as recorder:
            rows = list(recorder.read_log(0, 10_000_000))
            assert_on_the_topic_once_and_in_order(self.settings, self._partitions, rows)
            assert_everything_answered_is_stored(self._journals, rows)
            assert_views_as_rebuilt(recorder)
        assert_verified(self._urls["ledger_reader"], self.settings)
        takeovers = " ".join(f"{each:.1f}" for each in self.takeovers)
        say(
            f"{self.name}: {len(rows)} events right, everywhere {seconds:.1f} s after the last; killed "
            f"{dict(self.killed)}, ended by themselves {dict(self.ended)}; relays took over after s: {takeovers}"
        )

    def tell(self) -> None:
        """Print how it stands, for a test that failed."""
        say(f"--- {self.name}: killed {dict(self.killed)}, ended {dict(self.ended)}, takeovers {self.takeovers}")
        for process in self.processes:
            say(
                f"{process.log.name} running: {process.running}, says {process.state()!r}, and wrote:\n"
                + process.log.read_text(errors="replace")[-1500:]
            )
