"""The store's disk is full while clients write: nothing half written, nothing acknowledged is lost, and it goes on.

A client whose command was refused for want of space asks again with the same command id until there is space.
"""

from __future__ import annotations

import psycopg
import pytest
from tests.system.world import Agency, World, disk_of, say, seeded, wait_for

MB = 1024 * 1024
#: Long texts, so that the disk is soon full.
LONG = 60_000
#: What does not come about is told by the world's own patience.
pytestmark = pytest.mark.timeout(1200)


def test_postgresql_has_no_space_for_its_log_and_then_none_for_its_tables(world: World) -> None:
    """First the server cannot write its log, and crashes; then commands fail while the server goes on."""
    chance = seeded("full disk of PostgreSQL")
    rate = chance.uniform(30, 50)
    with Agency(world, "full", text=LONG) as agency:
        with psycopg.connect(world.postgres.url("postgres")) as connection:
            connection.execute("SELECT pg_switch_wal()")  # a piece of the log has 16 MB, and this begins the next
        world.postgres.stop()
        with disk_of(6 * MB):
            world.postgres.start()
        agency.start(rate=rate)
        # It ends, or starts again and again: what it recovers to may leave it some bytes, until the next command.
        wait_for(lambda: not world.postgres.running or agency.lost("in recovery mode"), "the log has no more space")
        with disk_of(20 * MB), world.without_postgres():  # somebody makes some space
            pass
        agency.wait_for_progress()
        wait_for(lambda: agency.lost("could not extend file"), "the tables have no more space")
        with world.without_postgres():  # and then more
            pass
        agency.wait_for_progress()
        agency.check()


def test_sqlite_has_no_space(world: World) -> None:
    chance = seeded("full disk of SQLite")
    limit = chance.randrange(2 * MB, 4 * MB)
    say(f"the disk is full at {limit} bytes")
    with Agency(world, "full_sqlite", sqlite=True, text=LONG) as agency:
        with disk_of(limit):
            agency.start(rate=chance.uniform(40, 50))
            wait_for(lambda: agency.lost("disk I/O error"), "the disk is full")
        agency.kill_all()  # somebody makes space: what is started now has it
        agency.wait_for_progress()
        agency.check()
