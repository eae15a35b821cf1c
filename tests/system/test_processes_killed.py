"""Relays and projectors are killed and stopped under load: nothing lost, doubled, out of order or half applied."""

from __future__ import annotations

import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from tests.system.amount import times
from tests.system.world import CLIENT, PROJECTOR, Agency, Process, World, seeded, wait_for

KILLS = times(50, 12)
STOPS = times(3, 1)
#: What does not come about is told by the world's own patience.
pytestmark = pytest.mark.timeout(1200)


def test_relays_and_projectors_are_killed_again_and_again(world: World) -> None:
    """Three agencies at once, on both databases and with different numbers of partitions; clients die as well."""
    chance = seeded("killed processes")
    with ExitStack() as leaving, ThreadPoolExecutor() as threads:
        agencies = [
            leaving.enter_context(agency)
            for agency in (
                Agency(world, "north", partitions=1),
                Agency(world, "south", partitions=4),
                Agency(world, "small", partitions=2, sqlite=True),
            )
        ]
        running = []
        for number, agency in enumerate(agencies):
            kills = len(range(number, KILLS, len(agencies)))
            agency.start()
            running.append(threads.submit(kill_relays, agency, kills, random.Random(chance.random())))
            running.append(threads.submit(kill_projectors, agency, kills, random.Random(chance.random())))
        for each in running:
            each.result()
        for agency in agencies:
            agency.check()


def kill_relays(agency: Agency, kills: int, chance: random.Random) -> None:
    """Always the active one; the one that stands by takes over."""
    for _ in range(kills):
        time.sleep(chance.uniform(0, 1))
        agency.kill_active_relay()
        if chance.random() < 0.3:
            agency.kill(chance.choice(agency.of(CLIENT)))


def kill_projectors(agency: Agency, kills: int, chance: random.Random) -> None:
    for _ in range(kills):
        agency.wait_for_progress()
        time.sleep(chance.uniform(0, 1))
        agency.kill(chance.choice(agency.of(PROJECTOR)))


def test_a_relay_and_a_projector_that_were_stopped_go_on_as_if_nothing_had_been(world: World) -> None:
    """Longer than their sessions: others have taken over, and for a while two believe that they are the active one."""
    chance = seeded("stopped processes")
    with Agency(world, "stopped", partitions=2) as agency:
        agency.start(rate=20)
        agency.wait_for_progress()
        for _ in range(STOPS):
            time.sleep(chance.uniform(0, 1))
            stop_past_their_sessions(agency, agency.active_relay(), chance.choice(agency.of(PROJECTOR)))
        agency.check()


def stop_past_their_sessions(agency: Agency, relay: Process, projector: Process) -> None:
    """Stop both until others have their work, let them go on, and see that they give way."""
    for zombie in (relay, projector):
        zombie.send(signal.SIGSTOP)
    wait_for(lambda: agency.active_relay() is not relay, "another relay is active")
    agency.wait_for_progress()
    for zombie in (relay, projector):
        zombie.send(signal.SIGCONT)
    # Or the database had ended its transaction: then it ends, and another is started.
    wait_for(lambda: relay.state() == "standing by" or not relay.running, "it has heard that another is active")
    agency.wait_for_progress()
