"""``kill -9`` of the database server and of brokers, under load: what was acknowledged is there, once, everywhere."""

from __future__ import annotations

import time

import pytest
from tests.system.amount import times
from tests.system.world import CLIENT, Agency, World, seeded

KILLS = times(10, 2)
#: What does not come about is told by the world's own patience.
pytestmark = pytest.mark.timeout(1200)


def test_postgresql_and_the_broker_are_killed_again_and_again(world: World) -> None:
    chance = seeded("killed servers")
    with Agency(world, "servers") as agency:
        agency.start()
        agency.wait_for_progress()
        for server in chance.sample(["postgresql", "broker"] * KILLS, 2 * KILLS):
            time.sleep(chance.uniform(0, 1))
            with world.without_postgres() if server == "postgresql" else world.without_broker():
                time.sleep(chance.uniform(0, 1))
            agency.wait_for_progress()
        agency.check()


def test_three_brokers_of_which_one_at_a_time_is_taken_away() -> None:
    chance = seeded("one broker of three")
    with World(brokers=3) as world, Agency(world, "three") as agency:
        agency.start()
        agency.wait_for_progress()
        for number in chance.sample(range(3), 3):
            with world.without_broker(number):
                agency.wait_for_progress()  # the other two go on
                agency.kill(chance.choice(agency.of(CLIENT)))
            agency.wait_for_progress()
            time.sleep(chance.uniform(2, 4))
        agency.check()
