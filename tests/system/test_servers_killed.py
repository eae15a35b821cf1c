"""``kill -9`` of the database server and of brokers, under load: what was acknowledged is there, once, everywhere."""

from __future__ import annotations

import time

from tests.system.world import CLIENT, Agency, World, seeded

KILLS = 10


def test_postgresql_is_killed_ten_times() -> None:
    chance = seeded("killed PostgreSQL")
    with World() as world:
        agency = Agency(world, "agency").start(clients=3, rate=15)
        for _ in range(KILLS):
            with world.without_postgres():
                time.sleep(chance.uniform(0, 1))
            agency.wait_for_progress()
            time.sleep(chance.uniform(0, 1))
        agency.check()


def test_the_broker_is_killed_ten_times() -> None:
    chance = seeded("killed broker")
    with World() as world:
        agency = Agency(world, "agency").start(clients=3, rate=15)
        for _ in range(KILLS):
            with world.without_broker():
                time.sleep(chance.uniform(0, 3))
            agency.wait_for_progress()
            time.sleep(chance.uniform(0, 1))
        agency.check()


def test_three_brokers_of_which_one_at_a_time_is_taken_away() -> None:
    chance = seeded("one broker of three")
    with World(brokers=3) as world:
        agency = Agency(world, "agency").start()
        for number in chance.sample(range(3), 3):
            with world.without_broker(number):
                agency.wait_for_progress()  # the other two go on
                agency.kill(chance.choice(agency.of(CLIENT)))
            agency.wait_for_progress()
            time.sleep(chance.uniform(2, 4))
        agency.check()
