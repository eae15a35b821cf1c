"""The whole stack on a machine without Docker: PostgreSQL, one to three brokers, the relay, the sealer, the projector.

``make stack BROKERS=3`` runs it until Ctrl-C, under ``build/stack``, and prints the settings to use it with; what was
recorded stays for the next time. The tests start the same classes. Each process works as its own database role.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deploy.stack.brokers import Cluster, StackError, fetch_jars, free_port
from deploy.stack.postgres import Postgres

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
LEDGER = Path(sys.executable).parent / "ledger"
DATABASE = "ledger"
PARTITIONS = 6
#: What runs, as in ``deploy/compose.yaml``: the command, and the role that it works as.
SERVICES = (
    (("relay",), "ledger_relay"),
    (("seal", "--every", "1"), "ledger_sealer"),
    (("run",), "ledger_projector"),
)
_READY = 30.0


@dataclass
class Service:
    """A command of the ledger that runs until stopped, as a role of its own, with its health endpoint."""

    arguments: list[str]
    environment: dict[str, str]
    log: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns when it says that it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [LEDGER, *self.arguments, "--metrics", str(self.port)],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until = time.monotonic() + _READY
        while not self.answers("/health/ready"):
            if self.process.poll() is not None or time.monotonic() > until:
                self.stop()
                tail = self.log.read_text(errors="replace")[-2000:]
                raise StackError(f"ledger {' '.join(self.arguments)} does not become ready:\n{tail}")
            time.sleep(0.1)

    def answers(self, path: str) -> bool:
        """Whether an endpoint answers that all is well."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False

    def page(self, path: str) -> str:
        """What an endpoint answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as reply:
                return str(reply.read().decode())
        except urllib.error.HTTPError as fault:
            return fault.read().decode()

    def stop(self) -> int | None:
        """Stop it, gently first; returns its exit code."""
        if self.process is None:
            return None
        self.process.terminate()
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait()


@dataclass
class Stack:
    """Everything, under one folder."""

    folder: Path
    jars: Path
    brokers: int = 1
    services: dict[str, Service] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.postgres = Postgres(self.folder / "postgres")
        # A quorum knows its members from the beginning, so each size of it has a folder of its own.
        self.cluster = Cluster(self.folder / f"kafka-{self.brokers}", self.jars, self.brokers)

    @property
    def seal_key(self) -> Path:
        """The sealer's key; as all of this, it stays for the next time."""
        return self.folder / "seal.key"

    def environment(self, role: str) -> dict[str, str]:
        """The environment that a process of this role runs in."""
        ours = {"LEDGER_DATABASE": self.postgres.url(DATABASE, role), "LEDGER_KAFKA": self.cluster.bootstrap}
        return {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")} | ours

    def start(self) -> None:
        """Start all of it; what is half started is stopped again when something fails."""
        try:
            self.postgres.start()
            self.cluster.start()
            self.postgres.ensure(DATABASE)
            self._set_up()
            for command, role in SERVICES:
                name, environment = command[0], self.environment(role)
                if name == "seal":
                    environment["LEDGER_SEAL_KEY"] = str(self.seal_key)
                service = Service(list(command), environment, self.folder / f"{name}.log")
                self.services[name] = service
                service.start()
        except BaseException:
            self.stop()
            raise

    def _set_up(self) -> None:
        done = subprocess.run(
            [
                sys.executable,
                ROOT / "deploy" / "setup.py",
                "--admin",
                self.postgres.url(DATABASE),
                "--partitions",
                str(PARTITIONS),
                "--seal-key",
                str(self.seal_key),
            ],
            env=self.environment("ledger_owner"),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(f"deploy/setup.py failed:\n{done.stdout}{done.stderr}")

    def stop(self) -> None:
        """Stop all of it, those who write first."""
        for service in reversed(self.services.values()):
            service.stop()
        self.cluster.stop()
        self.postgres.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the whole stack until Ctrl-C.")
    parser.add_argument("--brokers", type=int, choices=(1, 2, 3), default=1)
    brokers = parser.parse_args().brokers
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        stack = Stack(BUILD / "stack", fetch_jars(BUILD / "broker"), brokers)
        print("starting PostgreSQL, Kafka, the relay, the sealer and the projector …", flush=True)
        stack.start()
    except StackError as fault:
        sys.exit(f"make stack: {fault}")
    writer = stack.environment("ledger_writer")
    print("ready; in another terminal:\n")
    for name in ("LEDGER_DATABASE", "LEDGER_KAFKA"):
        print(f"  export {name}='{writer[name]}'")
    print("  .venv/bin/ledger status\n")
    for name, service in stack.services.items():
        print(f"  ledger {name}: http://127.0.0.1:{service.port}/metrics, its log {service.log}")
    print("\nCtrl-C stops all of it; what was recorded stays in build/stack.", flush=True)
    try:
        while not stop.wait(0.5):
            for name, service in stack.services.items():
                if service.process is not None and service.process.poll() is not None:
                    sys.exit(f"make stack: ledger {name} has ended; see {service.log}")
    finally:
        print("stopping …", flush=True)
        stack.stop()


if __name__ == "__main__":
    main()
