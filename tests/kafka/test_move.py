"""Moving the log to a topic with more partitions: whatever dies, and whoever reads or relays meanwhile, nothing is
missing, nothing is there twice, and everybody comes to the new topic."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaAdminClient
from kafka.admin import NewPartitions
from sqlalchemy import select
from tests.conftest import PostgresServer
from tests.kafka.test_outside_client import read_topic
from tests.kafka.test_projectors import assert_as_rebuilt, copy_of
from tests.kafka.test_relay import LEDGER, environment, url_of, wait_for
from tests.store.agency import small_agency

from ledger.application.commands import Ledger
from ledger.clock import SeededIds
from ledger.consumers.log import LocalLog
from ledger.consumers.runner import Runner
from ledger.consumers.tables import PLACES
from ledger.errors import BadInput, IntegrityFault, LedgerError
from ledger.kafka.compare import compare
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.doctor import examine
from ledger.kafka.move import move
from ledger.kafka.place import end_of, last_position, live
from ledger.kafka.relay import Relay, Sender
from ledger.kafka.restore import merged, restore
from ledger.kafka.source import KafkaLog
from ledger.kafka.wire import TopicMoved
from ledger.projections.every import PROJECTIONS
from ledger.store.database import open_store
from ledger.store.recorder import Recorder

#: How long processes may take on a machine with much else to do, in seconds.
PATIENCE = 240.0
NewTopic = Callable[[int], KafkaSettings]


def another(settings: KafkaSettings) -> KafkaSettings:
    """The settings with the name of a topic that is not there yet."""
    return msgspec.structs.replace(settings, topic=f"ledger.{uuid.uuid4().hex}")


def assert_moved(recorder: Recorder, old: KafkaSettings, new: KafkaSettings, partitions: int) -> None:
    """The new topic is the store; the old one is a part of it from the beginning, and says in each partition where
    the log went on."""
    assert compare(recorder, new).equal
    end = end_of(new)
    assert (end.partitions, end.made_with, end.moved) == (partitions, partitions, None)
    kept = [row.position for row in merged(old)]  # raises on a gap or a double
    assert kept == list(range(1, len(kept) + 1))
    messages = [each for each in read_topic(old) if dict(each.headers())["ce_type"] == b"log.moved"]
    assert sorted(each.partition() for each in messages) == list(range(end_of(old).partitions))
    told = {json.dumps(json.loads(each.value()), sort_keys=True) for each in messages}
    assert told == {json.dumps({"position": len(kept), "topic": new.topic}, sort_keys=True)}
    assert live(old) == new


def test_the_log_moves_and_everybody_who_names_the_old_topic_finds_it(
    month: Recorder, new_topic: NewTopic, relay_all: Callable[..., int], tmp_path: Path
) -> None:
    old = new_topic(2)
    head, new = relay_all(month, old), another(old)
    moved = move(month, old, new.topic, partitions=5, batch=100)
    assert (moved.source, moved.target, moved.partitions, moved.position, moved.now) == (
        old.topic,
        new.topic,
        5,
        head,
        True,
    )
    assert_moved(month, old, new, 5)
    again = move(month, old, new.topic)
    assert (again.position, again.partitions, again.now) == (head, 5, False)
    assert len(read_topic(old)) == head + 2, "nothing was added"

    with pytest.raises(TopicMoved) as told:
        Sender(month, old)
    assert (told.value.to, told.value.position) == (new.topic, head)
    empty = open_store(f"sqlite:///{tmp_path / 'restored.db'}")
    assert restore(empty, old) == head, "restored from where the log is"
    assert list(empty.read_log(0, 100_000)) == list(month.read_log(0, 100_000))
    empty.engine.dispose()
    named = {finding.what: finding for finding in examine(old)}
    assert named[f"topic {old.topic}"].found == f"the log has moved to {new.topic}"
    assert named[f"topic {new.topic}: partitions"].found == "5"


def test_a_reader_of_the_old_topic_is_told_behind_its_last_event(
    month: Recorder, new_topic: NewTopic, relay_all: Callable[..., int]
) -> None:
    old = new_topic(1)
    head, new = relay_all(month, old), another(old)
    move(month, old, new.topic, partitions=3)
    log = KafkaLog(old)
    positions: list[int] = []
    after = 0
    while len(positions) < head:
        some = log.read(0, after, 97)
        positions += [entry.row.position for entry in some]
        after = some[-1].offset
    assert positions == list(range(1, head + 1))
    for _ in range(2):
        with pytest.raises(TopicMoved) as told:
            log.read(0, after, 97)
        assert (told.value.to, told.value.position) == (new.topic, head)
    log.close()


def test_the_log_moves_twice_and_never_back(month: Recorder, new_topic: NewTopic) -> None:
    first = new_topic(1)
    second, third = another(first), another(first)
    move(month, first, second.topic, partitions=2)
    move(month, first, third.topic, partitions=3)  # from where the log is, whatever the setting says
    assert live(first) == live(second) == third
    assert compare(month, third).equal
    for settings in (first, second, third):
        with pytest.raises(BadInput, match="has ended; choose a name that was not used before"):
            move(month, settings, first.topic, partitions=2)
    with pytest.raises(BadInput, match="; name another topic"):
        move(month, third, third.topic)


def test_what_cannot_be_moved_to_is_refused_and_the_log_stays(
    month: Recorder, new_topic: NewTopic, relay_all: Callable[..., int], tmp_path: Path
) -> None:
    old = new_topic(2)
    relay_all(month, old)
    with pytest.raises(BadInput, match="--partitions: there is no topic"):
        move(month, old, another(old).topic)
    taken = new_topic(3)
    with pytest.raises(BadInput, match=r"--partitions: the topic .* has 3"):
        move(month, old, taken.topic, partitions=4)
    other = open_store(f"sqlite:///{tmp_path / 'other.db'}")
    small_agency(Ledger(other), 2, 2)
    relay_all(other, taken)
    with pytest.raises(IntegrityFault, match="is not the store's"):
        move(month, old, taken.topic)
    assert end_of(old).moved is None
    other.engine.dispose()


def test_a_store_that_lacks_what_the_topic_has_is_not_relayed(
    month: Recorder, new_topic: NewTopic, relay_all: Callable[..., int], tmp_path: Path
) -> None:
    """A backup that is older than the topic: what it would record next stands on the topic already, as other events."""
    topic = new_topic(2)
    relay_all(month, topic)
    backup = open_store(f"sqlite:///{tmp_path / 'backup.db'}")
    backup.restore(month.read_log(0, 200))
    with pytest.raises(IntegrityFault, match="the store only at 200: it lacks what the topic has; run: ledger restore"):
        Sender(backup, topic)
    small_agency(Ledger(backup, ids=SeededIds("after")), 30, 8)
    assert backup.head() > month.head()
    with pytest.raises(IntegrityFault, match="is not the store's"):
        Sender(backup, topic)
    assert last_position(topic) == month.head()
    backup.engine.dispose()


@pytest.mark.parametrize("added_after", [0, 300])
def test_partitions_added_in_place_change_no_order_and_are_named(
    added_after: int, month: Recorder, new_topic: NewTopic
) -> None:
    topic = new_topic(2)
    sender = Sender(month, topic, batch=100)
    sender.send_until(added_after)
    sender.close()
    admin = KafkaAdminClient(**topic.client())
    admin.create_partitions({topic.topic: NewPartitions(total_count=4)})
    admin.close()
    wait_for(lambda: end_of(topic).partitions == 4)
    made_with = 2 if added_after else 4  # nothing was on it: nothing had its place
    sender = Sender(month, topic, batch=100)
    sender.send_until(month.head())
    sender.close()
    assert end_of(topic).made_with == made_with
    assert compare(month, topic).equal
    home: dict[bytes, set[int]] = {}
    for message in read_topic(topic):
        home.setdefault(message.key(), set()).add(message.partition())
    assert all(len(found) == 1 for found in home.values()), "what has one key is in one partition"
    assert set().union(*home.values()) == set(range(made_with))
    (finding,) = [each for each in examine(topic) if each.what.endswith(": partitions")]
    if added_after:
        assert not finding.ok
        assert finding.found == "4, made with 2"
        assert finding.mend == "ledger relay --to ANOTHER_TOPIC --partitions 4"
    else:
        assert finding.ok


def test_a_running_relay_gives_way_and_follows(month: Recorder, new_topic: NewTopic, tmp_path: Path) -> None:
    """The relay that was active is fenced by the move; it comes to the new topic, with what is recorded meanwhile."""
    old = new_topic(2)
    recorder, new = copy_of(month, tmp_path), another(old)
    stop, relay = threading.Event(), Relay(recorder, old, batch=50)
    thread = threading.Thread(target=relay.run, args=(stop,))
    thread.start()
    try:
        wait_for(lambda: relay.state.active and relay.state.position == recorder.head())
        writing = threading.Thread(target=small_agency, args=(Ledger(recorder, ids=SeededIds("meanwhile")), 10, 4))
        writing.start()
        move(recorder, old, new.topic, partitions=4)
        writing.join()
        small_agency(Ledger(recorder, ids=SeededIds("afterwards")), 2, 2)
        wait_for(lambda: last_position(new) == recorder.head())
    finally:
        stop.set()
        thread.join(timeout=60)
    assert_moved(recorder, old, new, 4)
    recorder.engine.dispose()


def test_two_moves_at_once_end_on_one_topic(month: Recorder, new_topic: NewTopic) -> None:
    old = new_topic(1)
    targets = [another(old), another(old)]
    ended: dict[str, str] = {}

    def run(target: KafkaSettings) -> None:
        try:
            move(month, old, target.topic, partitions=2, batch=50)
        except LedgerError as fault:
            ended[target.topic] = str(fault)

    threads = [threading.Thread(target=run, args=(target,)) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    live_one = live(old)
    assert live_one in targets
    assert compare(month, live_one).equal
    assert [name for name in ended if name == live_one.topic] == []
    assert all("meanwhile" in words or "has ended" in words for words in ended.values())


#: What a mover does before it dies at a step; ``die`` is ``kill -9`` of itself.
STEPS = {
    "before the topic is made": "move.create_topic = die",
    "when the topic is made": "move._await = die",
    "half way through the copy": "relay.Sender.send_until = lambda self, *_: (self.send_batch(), die())",
    "with the copy made": "relay.Sender.send_until = lambda self, *_: (sends(self, *_), die())",
    "with the old topic taken over": "relay.Sender.end_topic = die",
    "in the transaction that ends it": "relay.Sender.end_topic = lambda self, to: (commits_never(), ends(self, to))",
    "when that is committed": "relay.Sender.end_topic = lambda self, to: (ends(self, to), die())",
}
DYING = """
import os, sys
from kafka import KafkaProducer
from ledger.cli import main
from ledger.kafka import move, relay
die = lambda *_, **__: os.kill(os.getpid(), 9)
sends, ends = relay.Sender.send_until, relay.Sender.end_topic
commits_never = lambda: setattr(KafkaProducer, "commit_transaction", lambda self: (self.flush(), die()))
{step}
main()
"""


@pytest.mark.parametrize("step", STEPS)
def test_a_mover_that_dies_at_a_step_is_typed_again(
    step: str, month: Recorder, new_topic: NewTopic, relay_all: Callable[..., int], tmp_path: Path
) -> None:
    old = new_topic(2)
    new, head = another(old), relay_all(month, old)
    recorder = copy_of(month, tmp_path)
    small_agency(Ledger(recorder, ids=SeededIds("not relayed yet")), 2, 2)
    variables = environment(old, url_of(recorder))
    options = ["relay", "--to", new.topic, "--partitions", "5", "--batch", "100"]
    script = DYING.format(step=STEPS[step])
    died = subprocess.run([sys.executable, "-c", script, *options], env=variables, check=False, timeout=120)
    assert died.returncode == -signal.SIGKILL
    ended = step == "when that is committed"
    assert (end_of(old).moved is not None) == ended
    assert last_position(live(old)) == (recorder.head() if ended else head)
    if not ended:
        relaying = Sender(recorder, old)  # the relay takes its topic back, and goes on as if nothing had been
        relaying.send_until(recorder.head())
        relaying.close()
    done = subprocess.run(
        [LEDGER, "--json", *options], env=variables, check=True, capture_output=True, text=True, timeout=120
    )
    assert json.loads(done.stdout)["now"] is not ended
    assert_moved(recorder, old, new, 5)
    recorder.engine.dispose()


@pytest.mark.timeout(900)
def test_projectors_relay_and_writer_go_on_while_movers_are_killed(
    month: Recorder, new_topic: NewTopic, postgres: PostgresServer, tmp_path: Path
) -> None:
    """Real processes on PostgreSQL: the relay, three projectors, a writer; the mover killed at random."""
    seed = random.randrange(1_000_000)
    sys.stdout.write(f"seed {seed}\n")
    chance = random.Random(seed)
    old = new_topic(3)
    new, url = another(old), postgres.create()
    recorder = open_store(url)
    recorder.restore(month.read_log(0, 100_000))
    Runner(recorder.engine, LocalLog(recorder), PROJECTIONS).prepare()
    variables, logged = environment(old, url), (tmp_path / "log").open("ab")

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([LEDGER, "--verbose", *arguments], env=variables, stdout=logged, stderr=logged)

    stop = threading.Event()

    def write() -> None:
        ledger, number = Ledger(recorder, ids=SeededIds(f"meanwhile {seed}")), 0
        while not stop.wait(0.2):
            small_agency(ledger, 1, number % 3)
            number += 1

    running = [start("relay", "--batch", "50"), *(start("run", "--batch", "50") for _ in range(3))]
    writing = threading.Thread(target=write)
    writing.start()
    kills = 0
    try:
        wait_for(lambda: last_position(old) > 100, PATIENCE)
        for _ in range(6):
            mover = start("relay", "--to", new.topic, "--partitions", "7", "--batch", "20")
            with contextlib.suppress(subprocess.TimeoutExpired):
                mover.wait(timeout=chance.uniform(0.5, 6.0))
            if mover.poll() is None:
                kills += 1
                mover.send_signal(signal.SIGKILL)
                mover.wait()
        assert start("relay", "--to", new.topic, "--partitions", "7").wait(timeout=PATIENCE) == 0
        small_agency(Ledger(recorder, ids=SeededIds(f"afterwards {seed}")), 2, 2)
        stop.set()
        writing.join()
        head = recorder.sequence()
        wait_for(lambda: last_position(new) == head, PATIENCE)
        stand = Runner(recorder.engine, LocalLog(recorder), PROJECTIONS)
        wait_for(lambda: stand.dealt_with() == head, PATIENCE)
        assert [process.poll() for process in running] == [None] * 4, (tmp_path / "log").read_text()[-3000:]
    finally:
        stop.set()
        writing.join()
        for process in running:
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(timeout=60) for process in running]
        logged.close()
    assert kills > 0
    assert codes == [0] * 4
    assert_moved(recorder, old, new, 7)
    with recorder.reading() as connection:
        logs = set(connection.scalars(select(PLACES.c.log)))
    assert {name.split("/")[0] for name in logs} == {old.topic, new.topic}, "read on the old topic, then on the new"
    assert_as_rebuilt(recorder)
    recorder.engine.dispose()
