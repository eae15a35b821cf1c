"""How much each row does: in full, for a quick try, and the least that still shows that it works."""

from __future__ import annotations

import msgspec


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """Counts are events unless they say otherwise."""

    mode: str
    #: Counted pairs of a row and its baseline, after one of each that does not count.
    repeats: int
    #: The simulated agency whose log is multiplied.
    clients: int
    months: int
    append_sqlite: int
    append_one: int
    append_each: int
    #: Services that each client records, drafts a note of and signs: three commands each.
    services: int
    #: Bundles of an import, and copies of the example in each.
    bundles: int
    bundle_copies: int
    relay: int
    project: int
    latency_seconds: float
    latency_rate: int
    #: The sizes of the log at which cost is looked at as it grows; rebuild and restore are held to the last one.
    ladder: tuple[int, ...]
    #: Events appended and projected on top of each of them.
    on_top: int
    replays: int
    partitions: int = 6
    writers: int = 8


FULL = Sizes(
    mode="full",
    repeats=5,
    clients=40,
    months=3,
    append_sqlite=5000,
    append_one=4000,
    append_each=1500,
    services=60,
    bundles=10,
    bundle_copies=40,
    relay=60_000,
    project=60_000,
    latency_seconds=60,
    latency_rate=200,
    ladder=(10_000, 100_000, 1_000_000),
    on_top=5000,
    replays=500,
)
QUICK = Sizes(
    mode="quick",
    repeats=3,
    clients=16,
    months=1,
    append_sqlite=1500,
    append_one=1000,
    append_each=300,
    services=12,
    bundles=4,
    bundle_copies=16,
    relay=10_000,
    project=8_000,
    latency_seconds=10,
    latency_rate=200,
    ladder=(1_000, 5_000, 20_000),
    on_top=1000,
    replays=100,
)
TINY = Sizes(
    mode="tiny",
    repeats=1,
    clients=8,
    months=1,
    append_sqlite=20,
    append_one=20,
    append_each=10,
    services=2,
    bundles=2,
    bundle_copies=1,
    relay=300,
    project=300,
    latency_seconds=1.0,
    latency_rate=20,
    ladder=(200, 400),
    on_top=50,
    replays=5,
    partitions=2,
    writers=2,
)
