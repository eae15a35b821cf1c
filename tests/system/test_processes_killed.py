"""``kill -9`` of fifty relays and fifty projectors under load: nothing lost, doubled, out of order or half applied."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

from tests.system.world import CLIENT, PROJECTOR, Agency, World, seeded

KILLS = 9


def test_relays_and_projectors_are_killed_a_hundred_times() -> None:
    """Three agencies at once, on both databases and with different numbers of partitions."""
    chance = seeded("killed processes")
    with World() as world, ThreadPoolExecutor() as threads:
        agencies = [
            Agency(world, "north", partitions=1),
            Agency(world, "south", partitions=4),
            Agency(world, "small", partitions=2, sqlite=True),
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
