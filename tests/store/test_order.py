"""Positions under concurrent writers: gapless, each stream in turn, and never filled in behind a reader.

Writers on a real PostgreSQL open a transaction, insert, sleep, and commit or roll back in any order, while several
sequencers run at once and a reader remembers only the last position it has seen. The same check is then given a reader
that goes by tickets alone, as a log without a sequencer would be read, and has to catch it.
"""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest
from eventsourcing.persistence import IntegrityError as Conflict
from sqlalchemy import Connection, column, insert, table, text
from sqlalchemy.exc import IntegrityError
from tests.conftest import PostgresServer
from tests.store.agency import named, said, stored

from ledger.clock import SystemClock, to_text
from ledger.store.database import open_store
from ledger.store.envelope import StoredRow, leaf_of
from ledger.store.recorder import EVENT_COLUMNS, Recorder, values_of

WRITERS, ROUNDS, SHARED_STREAMS = 8, 25, 5
EVENTS = table("events", *(column(name) for name in (*EVENT_COLUMNS, "written_at")))


def insert_rows(connection: Connection, rows: list[StoredRow]) -> None:
    """What the recorder does, without the commit."""
    written_at = to_text(SystemClock().now())
    connection.execute(insert(EVENTS), [{**values_of(row), "written_at": written_at} for row in rows])


def write_slowly(recorder: Recorder, writer: int, seed: int) -> tuple[int, int]:
    """Transactions that stay open a while after their INSERT; returns how many committed, how many conflicted."""
    choose = random.Random(f"{seed}/{writer}")
    committed = refused = 0
    for number in range(ROUNDS):
        streams = [f"own {writer} {number}"] + [f"shared {choose.randrange(SHARED_STREAMS)}"] * choose.randrange(2)
        with recorder.engine.connect() as connection:
            transaction = connection.begin()
            try:
                for stream in streams:
                    found = text("SELECT coalesce(max(version), 0) FROM events WHERE stream_id = :stream")
                    after = connection.scalar(found, {"stream": named(stream)}) or 0
                    rows = [
                        stored(
                            said("a", stream),
                            stream=stream,
                            version=after + v,
                            command=f"{writer}/{number}/{stream}/{v}",
                        )
                        for v in range(1, 1 + choose.randrange(1, 4))
                    ]
                    insert_rows(connection, rows)
                    time.sleep(choose.choice((0, 0, 0.002, 0.01, 0.03)))
                if choose.random() < 0.2:
                    transaction.rollback()
                else:
                    transaction.commit()
                    committed += 1
            except IntegrityError:
                transaction.rollback()
                refused += 1
    return committed, refused


def by_position(recorder: Recorder) -> Callable[[int], list[tuple[int, str]]]:
    def read(after: int) -> list[tuple[int, str]]:
        recorder.sequence()
        return [(row.position, row.event_id) for row in recorder.read_log(after, 50)]

    return read


def by_ticket(recorder: Recorder) -> Callable[[int], list[tuple[int, str]]]:
    """How one would read a log whose order is a sequence: wrong, because a lower ticket may commit later."""

    def read(after: int) -> list[tuple[int, str]]:
        found = text("SELECT ticket, stream_id || '@' || version FROM events WHERE ticket > :after ORDER BY ticket")
        with recorder.reading() as connection:
            return [(row[0], row[1]) for row in connection.execute(found, {"after": after})]

    return read


def follow(read: Callable[[int], list[tuple[int, str]]], done: threading.Event) -> list[tuple[int, str]]:
    """Read on from the last position seen, and never look back."""
    seen: list[tuple[int, str]] = []
    while True:
        finished = done.is_set()
        found = read(seen[-1][0] if seen else 0)
        seen += found
        if finished and not found:
            return seen


def run(
    opened: Callable[[str], Recorder], url: str, read: Callable[[int], list[tuple[int, str]]]
) -> list[tuple[int, str]]:
    """Writers, two more sequencers, and a reader, all at once; returns what the reader has seen."""
    seed = random.SystemRandom().randrange(10**9)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    done = threading.Event()
    recorder = opened(url)
    others = [opened(url) for _ in range(2)]

    def keep_sequencing(other: Recorder) -> None:
        while not done.is_set():
            other.sequence()

    with ThreadPoolExecutor(WRITERS + 3) as pool:
        reader = pool.submit(follow, read, done)
        sequencers = [pool.submit(keep_sequencing, other) for other in others]
        writers = [pool.submit(write_slowly, recorder, number, seed) for number in range(WRITERS)]
        counts = [writer.result() for writer in writers]
        done.set()
        for sequencer in sequencers:
            sequencer.result()
        seen = reader.result()
    assert sum(count[0] for count in counts) > WRITERS, "the writers got nowhere"
    assert sum(count[1] for count in counts) > 0, "there was no conflict, so nothing was shown about conflicts"
    return seen


def check_log(recorder: Recorder) -> list[tuple[int, str]]:
    """The log is gapless, in turn, monotone in time, and every event's leaf is its own; returns it."""
    log = recorder.read_log(0, 100_000)
    assert [row.position for row in log] == list(range(1, len(log) + 1))
    versions: dict[str, int] = {}
    for row in log:
        assert row.originator_version == versions.get(str(row.originator_id), 0) + 1, row.event_id
        versions[str(row.originator_id)] = row.originator_version
        assert row.leaf == leaf_of(row, row.position, row.recorded_at)
    assert [row.recorded_at for row in log] == sorted(row.recorded_at for row in log)
    return [(row.position, row.event_id) for row in log]


def test_a_reader_never_misses_an_event_that_commits_late(
    postgres: PostgresServer, opened: Callable[[str], Recorder]
) -> None:
    url = postgres.create()
    recorder = opened(url)
    seen = run(opened, url, by_position(opened(url)))
    recorder.sequence()
    assert seen == check_log(recorder)
    with recorder.reading() as connection:
        assert connection.scalar(text("SELECT count(*) FROM events")) == len(seen)
        assert (connection.scalar(text("SELECT max(ticket) FROM events")) or 0) > len(seen), "nothing was rolled back"
    assert recorder.waiting() == 0
    assert recorder.passed_over() == []


def test_the_same_run_catches_a_reader_that_goes_by_tickets(
    postgres: PostgresServer, opened: Callable[[str], Recorder]
) -> None:
    url = postgres.create()
    recorder = opened(url)
    seen = {event_id for _, event_id in run(opened, url, by_ticket(opened(url)))}
    recorder.sequence()
    assert seen < {event_id for _, event_id in check_log(recorder)}


def test_a_long_writer_delays_the_order_and_never_breaks_it(
    postgres: PostgresServer, opened: Callable[[str], Recorder]
) -> None:
    recorder = opened(postgres.create())
    with recorder.engine.connect() as slow:
        transaction = slow.begin()
        insert_rows(slow, [stored(said("a", "slow"), stream="slow", version=1)])
        recorder.insert_events([stored(said("a", "quick"), stream="quick", version=1)])
        assert recorder.sequence() == 0
        assert recorder.waiting() == 1
        transaction.commit()
    assert recorder.sequence() == 2
    assert [row.originator_id for row in recorder.read_log(0, 10)] == [named("slow"), named("quick")]


def test_a_version_out_of_turn_is_refused(postgres: PostgresServer, opened: Callable[[str], Recorder]) -> None:
    """A transaction that took its id before it read would put version 2 before version 1."""
    recorder = opened(postgres.create())
    with recorder.engine.connect() as early:
        transaction = early.begin()
        early.execute(text("SELECT pg_current_xact_id()"))
        recorder.insert_events([stored(said("a", "one"), stream="a", version=1)])
        with pytest.raises(IntegrityError, match="out of turn"):
            insert_rows(early, [stored(said("a", "two"), stream="a", version=2)])
        transaction.rollback()
    assert recorder.sequence() == 1


def write_on_sqlite(url: str, writer: int, start: float) -> int:
    """One process of several that open the same file at the same moment and append to own and shared streams."""
    time.sleep(max(0.0, start - time.time()))
    recorder = open_store(url)
    written = 0
    for number in range(30):
        stream = f"own {writer}" if number % 2 else "shared"
        while True:
            version = recorder.stream_version(named(stream)) + 1
            row = stored(said("a", stream), stream=stream, version=version, command=f"{writer}/{number}")
            try:
                recorder.insert_events([row])
            except Conflict:
                continue
            break
        written += 1
    recorder.engine.dispose()
    return written


def test_sqlite_takes_several_processes_at_once(sqlite_url: str, opened: Callable[[str], Recorder]) -> None:
    """They also make the file and its tables together: none of them finds half a database."""
    workers, start = 3, time.time() + 1.5
    # An executor, not a Pool: a process that cannot start breaks it at once, where a Pool would wait for ever.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        begun = [pool.submit(write_on_sqlite, sqlite_url, number, start) for number in range(workers)]
        written = [each.result(timeout=120) for each in begun]
    recorder = opened(sqlite_url)
    assert sum(written) == workers * 30 == len(check_log(recorder))
    assert recorder.stream_version(named("shared")) == workers * 15
