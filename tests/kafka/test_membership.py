"""Sharing partitions by a consumer group: who has what, when members come, leave, die and get stuck."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable

import pytest

from ledger.kafka import membership
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.membership import Membership

#: So long a group may take to settle: some sessions of six seconds each, on a busy machine.
PATIENCE = 60.0


def settled(member: Membership, partitions: set[int]) -> None:
    """Wait until a member has exactly these partitions."""
    until = time.monotonic() + PATIENCE
    while (mine := member.partitions(wait_ms=100)) != partitions:
        assert time.monotonic() < until, f"still has {sorted(mine)}, not {sorted(partitions)}"
        time.sleep(0.05)


def shared(*members: Membership) -> list[set[int]]:
    """Wait until the members have all four partitions among them, and each has some."""
    until = time.monotonic() + PATIENCE
    while True:
        parts = [set(member.partitions(wait_ms=100)) for member in members]
        if all(parts) and sum(map(len, parts)) == 4 and set().union(*parts) == {0, 1, 2, 3}:
            return parts
        assert time.monotonic() < until, parts
        time.sleep(0.05)


def belong(settings: KafkaSettings) -> None:
    """Be a member until killed."""
    member = Membership(settings, "shared")
    while True:
        member.partitions(wait_ms=100)


def test_members_share_and_the_one_left_has_everything(new_topic: Callable[[int], KafkaSettings]) -> None:
    settings = new_topic(4)
    one, other = Membership(settings, "shared"), Membership(settings, "shared")
    shared(one, other)
    other.leave()
    settled(one, {0, 1, 2, 3})
    one.leave()


def test_a_busy_member_that_asks_in_passing_gets_its_partitions(new_topic: Callable[[int], KafkaSettings]) -> None:
    settings = new_topic(4)
    one, other = Membership(settings, "shared"), Membership(settings, "shared")
    until = time.monotonic() + PATIENCE
    while sum(parts := [len(member.partitions(wait_ms=1)) for member in (one, other)]) != 4 or not all(parts):
        assert time.monotonic() < until, parts
        time.sleep(0.4)  # its work: longer than a join takes
    one.leave()
    other.leave()


def test_members_killed_while_they_join_do_not_hold_up_the_others(new_topic: Callable[[int], KafkaSettings]) -> None:
    settings = new_topic(4)
    one = Membership(settings, "shared")
    settled(one, {0, 1, 2, 3})
    spawn = multiprocessing.get_context("spawn")
    for wait in (0.0, 0.2, 0.6):
        others = [spawn.Process(target=belong, args=(settings,), daemon=True) for _ in range(3)]
        for process in others:
            process.start()
        until = time.monotonic() + PATIENCE
        while len(one.partitions(wait_ms=100)) == 4 and time.monotonic() < until:
            time.sleep(0.02)  # until the first of them is in
        time.sleep(wait)
        for process in others:
            process.kill()
            process.join()
    settled(one, {0, 1, 2, 3})
    one.leave()


def test_a_process_that_is_stuck_gives_its_partitions_up_and_comes_back(
    new_topic: Callable[[int], KafkaSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "STALL", 2.0)
    settings = new_topic(4)
    stuck, other = Membership(settings, "shared"), Membership(settings, "shared")
    shared(stuck, other)
    settled(other, {0, 1, 2, 3})  # nobody asks the first one meanwhile
    shared(stuck, other)
    stuck.leave()
    other.leave()
