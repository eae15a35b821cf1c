"""A real Kafka cluster of one to three brokers, without Docker: for ``make stack`` and for the tests.

The jars come from Maven Central (``pom.xml`` beside this file); each broker is also a KRaft controller.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from pathlib import Path

POM = Path(__file__).parent / "pom.xml"
_READY = 60.0


class StackError(RuntimeError):
    """The servers cannot be started; the message says what is missing and how to get it."""


def fetch_jars(folder: Path) -> Path:
    """The broker's jars, fetched from Maven Central once; returns the folder that holds them."""
    done = folder / ".complete"
    if done.exists() and done.read_text() == POM.read_text():
        return folder
    for tool, package in (("mvn", "maven"), ("java", "openjdk-17-jre-headless")):
        if shutil.which(tool) is None:
            raise StackError(f"{tool} is missing; on Debian or Ubuntu: apt-get install {package}")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one process fetches, the others find it done
        if not (done.exists() and done.read_text() == POM.read_text()):
            _fetch(folder)
            done.write_text(POM.read_text())
    return folder


def _fetch(folder: Path) -> None:
    command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise StackError(f"the broker's jars could not be fetched:\n{result.stdout}{result.stderr}")


def free_port() -> int:
    """A port that is free now, and that no system gives to an outgoing connection.

    Of those ports (from 32768 on) one could be taken while its server is away: by a stranger, or even by a client that
    tries to reach the server there and finds itself.
    """
    while True:
        port = random.randrange(15_000, 32_000)  # noqa: S311 - a port is no secret
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


@dataclass
class Broker:
    """One broker process and its folder."""

    number: int
    folder: Path
    port: int
    controller_port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None


@dataclass
class Cluster:
    """Some brokers that know each other; ``properties`` adds or replaces settings of the brokers (TLS and SASL, say).

    In a property's value ``{port}`` and ``{controller_port}`` stand for the broker's own.
    """

    folder: Path
    jars: Path
    count: int = 1
    heap: str = "512m"
    properties: dict[str, str] = field(default_factory=dict)
    brokers: list[Broker] = field(default_factory=list)
    cluster_id: str = ""

    #: SCRAM users that the storage is formatted with: name and password.
    users: dict[str, str] = field(default_factory=dict)
    #: More options of the Java machine.
    java: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        known = self.folder / "cluster.id"  # the storage belongs to its cluster: the next start goes on with it
        if known.exists():
            self.cluster_id = known.read_text().strip()
        self.cluster_id = self.cluster_id or urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if self.cluster_id.startswith("-"):
            self.cluster_id = "A" + self.cluster_id[1:]  # StorageTool would read a leading dash as an option
        known.write_text(self.cluster_id)
        for number in range(1, self.count + 1):
            broker = Broker(number, self.folder / f"broker-{number}", free_port(), free_port())
            broker.folder.mkdir(parents=True, exist_ok=True)
            self.brokers.append(broker)

    @property
    def bootstrap(self) -> str:
        """The brokers' addresses, as LEDGER_KAFKA takes them."""
        return ",".join(f"127.0.0.1:{broker.port}" for broker in self.brokers)

    def start(self) -> None:
        """Format the storage and start every broker; returns when all answer."""
        for broker in self.brokers:
            self._configure(broker)
            self._format(broker)
        try:
            for broker in self.brokers:
                self.start_broker(broker, wait=False)
            for broker in self.brokers:
                self.wait(broker)
        except BaseException:
            self.stop()
            raise

    def start_broker(self, broker: Broker, *, wait: bool = True) -> None:
        """Start one broker on the storage it has."""
        with (broker.folder / "broker.log").open("ab") as log:
            broker.process = subprocess.Popen(
                ["java", *self._options(), "kafka.Kafka", str(self._config(broker))],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if wait:
            self.wait(broker)

    def wait(self, broker: Broker) -> None:
        """Wait until a broker listens, or say why it does not."""
        until = time.monotonic() + _READY
        while time.monotonic() < until:
            if not broker.running:
                tail = (broker.folder / "broker.log").read_text(errors="replace")[-2000:]
                raise StackError(f"broker {broker.number} ended while starting:\n{tail}")
            try:
                with socket.create_connection(("127.0.0.1", broker.port), timeout=0.5):
                    return
            except OSError:
                time.sleep(0.1)
        raise StackError(f"broker {broker.number} does not answer after {_READY:.0f} s")

    @staticmethod
    def kill(broker: Broker) -> None:
        """``kill -9``: as a machine that loses power."""
        if broker.process is not None:
            os.killpg(broker.process.pid, signal.SIGKILL)
            broker.process.wait()

    def stop(self) -> None:
        """Stop every broker, gently first."""
        for broker in self.brokers:
            if broker.process is not None and broker.running:
                broker.process.terminate()
        for broker in self.brokers:
            if broker.process is not None:
                try:
                    broker.process.wait(timeout=15)
                except subprocess.TimeoutExpired:
                    self.kill(broker)

    def _format(self, broker: Broker) -> None:
        """Make its storage, unless it has been made."""
        users = [
            part
            for name, password in self.users.items()
            for part in ("--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]")
        ]
        self._java(
            broker,
            "kafka.tools.StorageTool",
            "format",
            "--ignore-formatted",
            "-t",
            self.cluster_id,
            "-c",
            self._config(broker),
            *users,
        )

    def _config(self, broker: Broker) -> Path:
        return broker.folder / "server.properties"

    def _configure(self, broker: Broker) -> None:
        voters = ",".join(f"{b.number}@127.0.0.1:{b.controller_port}" for b in self.brokers)
        replicas = str(min(3, self.count))
        in_sync = str(max(1, min(2, self.count)))
        settings = {
            "process.roles": "broker,controller",
            "node.id": str(broker.number),
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://127.0.0.1:{broker.port},CONTROLLER://127.0.0.1:{broker.controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{broker.port}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(broker.folder / "data"),
            "auto.create.topics.enable": "false",
            "unclean.leader.election.enable": "false",
            "default.replication.factor": replicas,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": "3",
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": in_sync,
            "transaction.state.log.num.partitions": "3",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "log.retention.ms": "-1",
            "log.retention.bytes": "-1",
            "log.cleanup.policy": "delete",
        }
        ports = {"port": broker.port, "controller_port": broker.controller_port}
        settings.update({name: value.format(**ports) for name, value in self.properties.items()})
        self._config(broker).write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def _options(self) -> list[str]:
        return [f"-Xmx{self.heap}", f"-Xms{self.heap}", "-XX:+UseSerialGC", *self.java, "-cp", str(self.jars / "*")]

    def _java(self, broker: Broker, *command: object) -> None:
        result = subprocess.run(
            ["java", *self._options(), *(str(part) for part in command)], capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            raise StackError(f"{command[0]} failed for broker {broker.number}:\n{result.stdout}{result.stderr}")
