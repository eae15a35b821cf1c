"""The soak: a load for a long time with a fault every twenty seconds. Does the lag go, and does nothing grow?

``python -m tests.system.soak --minutes 15`` first measures what the whole path carries, then gives half of it. It ends
with an error when something was lost, doubled or left behind, or has grown. ``--out`` names the page it writes.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import signal
import statistics
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
from sqlalchemy.exc import DBAPIError
from tests.system.world import CLIENT, PROJECTOR, RELAY, Agency, Process, World, say, seeded, wait_for

#: Seconds from one fault to the next, and between two looks at everything.
FAULT_EVERY, LOOK_EVERY = 20.0, 5.0
#: How long the whole path is given all it can take, to measure what that is; in seconds.
MEASURED = 60.0
#: What has grown by more than this part from the first third of the time to the last has not stayed flat.
FLAT = 0.10
MB = 1024 * 1024
CLIENTS = 2


@dataclass(frozen=True)
class Use:
    """What a process has to itself: memory in bytes, open files (sockets are files too)."""

    memory: int
    files: int


@dataclass
class Look:
    """Everything at one moment. ``behind``: events the views had not dealt with, None while the database was away."""

    at: float
    head: int | None = None
    behind: int | None = None
    connections: int | None = None
    uses: dict[str, Use] = field(default_factory=dict)


@dataclass
class Fault:
    """One fault, and after how many seconds the views were less than a second's load behind again."""

    at: float
    name: str
    back: float | None = None


@dataclass
class Watch:
    """Looks at an agency and its servers again and again, beside whatever is done to them."""

    world: World
    agency: Agency
    began: float = field(default_factory=time.monotonic)
    looks: list[Look] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        #: The processes that no fault is aimed at: only what lives long can be seen to grow.
        self.spared = {f"a {name}": self.agency.of(kind)[0] for kind, name in NAMES.items()}
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_EVERY):
            self.looks.append(self.look())

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def look(self) -> Look:
        found = Look(time.monotonic() - self.began)
        try:
            found.head = self.agency.head()
            found.behind = found.head - self.agency.dealt_with()
            with psycopg.connect(self.world.postgres.url("postgres"), connect_timeout=5) as connection:
                row = connection.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE client_port IS NOT NULL"
                ).fetchone()
                found.connections = row[0] if row else None
        except (DBAPIError, psycopg.Error, AttributeError):  # the server is away, or not started yet
            found.behind = None
        for name, process in self.spared.items():
            found.uses[name] = use([process.popen.pid])
        broker = self.world.cluster.brokers[0].process
        found.uses["the broker"] = use([broker.pid] if broker is not None else [])
        return found


def use(pids: Sequence[int]) -> Use:
    """What some processes have to themselves; nothing for those that have ended."""
    memory = files = 0
    for pid in pids:
        try:
            process = psutil.Process(pid)
            memory, files = memory + process.memory_full_info().uss, files + process.num_fds()
        except psutil.Error:
            continue
    return Use(memory, files)


NAMES = {RELAY: "relay", PROJECTOR: "projector", CLIENT: "client"}


class Soak:
    """One soak of one agency."""

    def __init__(self, world: World, agency: Agency, chance: random.Random) -> None:
        self.world, self.agency, self.chance = world, agency, chance
        self.measured = 0.0
        self.rate = 0.0
        self.faults: list[Fault] = []
        self.looks: list[Look] = []
        self.events = 0
        self.drained = 0.0

    def measure(self, seconds: float) -> None:
        """How many events a second go all the way when there is no limit: the slowest part's own speed."""
        self.agency.start(clients=CLIENTS, rate=0)
        self.agency.wait_for_progress()
        began, before = time.monotonic(), self.agency.dealt_with()
        time.sleep(seconds)
        self.measured = (self.agency.dealt_with() - before) / (time.monotonic() - began)
        self.rate = self.measured / 2
        self.agency.settle()
        say(f"measured: {self.measured:.0f} events/s all the way; the load is half of it")

    def run(self, minutes: float) -> None:
        """Half of that, with faults, for so long."""
        before = self.agency.head()
        self.agency.start_clients(CLIENTS + 1, self.rate)
        self.agency.wait_for_progress()
        watch = Watch(self.world, self.agency)
        end = watch.began + minutes * 60
        kinds: list[tuple[str, Callable[[], None]]] = []
        try:
            while time.monotonic() + FAULT_EVERY < end:
                if not kinds:  # each kind comes as often as any other, in an order nobody knows
                    kinds = self.chance.sample(list(self.kinds(watch).items()), len(self.kinds(watch)))
                name, strike = kinds.pop()
                fault = Fault(time.monotonic() - watch.began, name)
                self.faults.append(fault)
                strike()
                self._await_back(watch, fault)
                time.sleep(max(0.0, watch.began + fault.at + FAULT_EVERY - time.monotonic()))
        finally:
            watch.stop()
            self.looks = watch.looks
        self.drained = self.agency.settle()
        self.events = self.agency.head() - before

    def _await_back(self, watch: Watch, fault: Fault) -> None:
        def back() -> bool:
            try:
                return self.agency.head() - self.agency.dealt_with() < max(self.rate, 1.0)
            except DBAPIError:
                return False

        wait_for(back, f"the lag is gone after this: {fault.name}")
        fault.back = time.monotonic() - watch.began - fault.at
        say(f"{fault.at:6.0f} s  {fault.name:<28} back after {fault.back:4.1f} s")

    def kinds(self, watch: Watch) -> dict[str, Callable[[], None]]:
        """The faults. The processes that are watched for their growth are spared."""
        world, agency = self.world, self.agency

        def one_of(kind: str) -> Process:
            spared = {process.popen.pid for process in watch.spared.values()}
            return self.chance.choice([each for each in agency.of(kind) if each.popen.pid not in spared])

        def kill_server(away: AbstractContextManager[None]) -> None:
            with away:
                time.sleep(self.chance.uniform(0, 2))

        def stop(kind: str) -> None:
            process = one_of(kind)
            process.send(signal.SIGSTOP)
            time.sleep(9)  # longer than its session
            process.send(signal.SIGCONT)

        return {
            "relay killed": lambda: agency.kill(one_of(RELAY)),
            "projector killed": lambda: agency.kill(one_of(PROJECTOR)),
            "client killed": lambda: agency.kill(one_of(CLIENT)),
            "relay stopped for 9 s": lambda: stop(RELAY),
            "projector stopped for 9 s": lambda: stop(PROJECTOR),
            "broker killed": lambda: kill_server(world.without_broker()),
            "PostgreSQL killed": lambda: kill_server(world.without_postgres()),
        }


@dataclass(frozen=True)
class Growth:
    """How something was in the first and in the last third of the time (medians), in its unit."""

    what: str
    unit: str
    first: float
    last: float
    allowed: float

    @property
    def flat(self) -> bool:
        return self.last - self.first <= self.allowed


def growths(looks: Sequence[Look]) -> list[Growth]:
    """What could have grown: each watched process's memory and files, and the database's connections."""
    series: dict[tuple[str, str], list[float]] = defaultdict(list)
    for look in looks:
        if look.connections is not None:
            series["PostgreSQL's connections", ""].append(look.connections)
        for name, use in look.uses.items():
            if use.files:
                series[f"memory of {name}", " MB"].append(use.memory / MB)
                series[f"open files of {name}", ""].append(use.files)
    found: list[Growth] = []
    for (what, unit), values in sorted(series.items()):
        third = max(1, len(values) // 3)
        first, last = statistics.median(values[:third]), statistics.median(values[-third:])
        found.append(Growth(what, unit, first, last, max(FLAT * first, 3.0)))
    return found


def verdicts(soak: Soak) -> list[tuple[bool, str]]:
    """What was asked, and whether it held."""
    grown = [growth.what for growth in growths(soak.looks) if not growth.flat]
    lasting = [fault.name for fault in soak.faults if fault.back is None]
    return [
        (
            not lasting,
            f"the lag went after each of {len(soak.faults)} faults, and was zero {soak.drained:.1f} s after all",
        ),
        (not grown, f"memory, open files and connections stayed flat{': not ' if grown else ''}{', '.join(grown)}"),
    ]


def page(soak: Soak, minutes: float) -> str:
    """The result, as a page of the documentation."""
    agency, backs = soak.agency, defaultdict(list)
    for fault in soak.faults:
        backs[fault.name].append(fault.back or float("inf"))
    lines = [
        "# A soak under faults",
        "",
        f"Written by `make soak`: {minutes:g} minutes on one machine with {os.cpu_count()} cores ({platform.system()}, "
        f"Python {platform.python_version()}).",
        f"It ran the broker, PostgreSQL, {len(agency.of(RELAY))} relays, {len(agency.of(PROJECTOR))} projectors and "
        f"{CLIENTS + 1} clients together.",
        "",
        f"Without a limit {soak.measured:,.0f} events a second went all the way: command, store, topic, every view.",
        f"The load was half of it, {soak.events:,} events in all. Every {FAULT_EVERY:.0f} seconds something was",
        "killed or stopped; what had ended was started again.",
        "",
        *(f"- {'Held' if held else '**Did not hold**'}: {words}." for held, words in verdicts(soak)),
        "- Held: afterwards another library's reader found each event on the topic, once and in order; everything",
        "  that a client was told was in the store; every view was as rebuilt; `ledger verify` found nothing.",
        "",
        "| fault | times | lag gone after, median | at most |",
        "|---|---|---|---|",
    ]
    for name, found in sorted(backs.items()):
        lines.append(f"| {name} | {len(found)} | {statistics.median(found):.1f} s | {max(found):.1f} s |")
    lines += ["", "| median over | the first third | the last third | |", "|---|---|---|---|"]
    for each in growths(soak.looks):
        words = "flat" if each.flat else "**grew**"
        lines.append(f"| {each.what} | {each.first:.0f}{each.unit} | {each.last:.0f}{each.unit} | {words} |")
    lines += [
        "",
        "The lag counts events that the view furthest behind has not dealt with; it is gone when it is less than a",
        "second of the load. Memory is what a process has to itself. The relay, the projector and the client whose",
        "growth is watched are those that no fault was aimed at.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Load with faults for a long time; see docs/soak.md.")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--out", type=Path, help="the page to write; without it, it is printed")
    given = parser.parse_args()
    chance = seeded("soak")
    with World() as world, Agency(world, "soak", partitions=6, batch=1000) as agency:
        soak = Soak(world, agency, chance)
        soak.measure(min(MEASURED, given.minutes * 20))
        soak.run(given.minutes)
        words = page(soak, given.minutes)
        agency.check()
    if given.out is None:
        say(words)
    else:
        given.out.write_text(words, encoding="utf-8")
    if not all(held for held, _ in verdicts(soak)):
        sys.exit("make soak: not everything held; see above" if given.out is None else f"make soak: see {given.out}")


if __name__ == "__main__":
    main()
