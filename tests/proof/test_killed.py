"""``kill -9`` of the sealer, at every step of its work and at random moments: one history, no fork and no gap.

The real sealer and publisher run in a process of their own; what went out before is in a file that is compared.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.killing import NEVER, Killing
from tests.proof.conftest import ORIGIN
from tests.store.agency import said_log

from ledger.integrity.sealed import SealedWalk
from ledger.integrity.verify import verify
from ledger.proof.checkpoint import Checkpoint, open_checkpoint
from ledger.proof.edge import Edge
from ledger.proof.keys import write_key
from ledger.proof.memory import Memory
from ledger.proof.notes import PrivateKey, new_key
from ledger.proof.places import notes_of_file
from ledger.store.recorder import Recorder
from ledger.store.sealed import Sealed, SealedRow

#: Seals and publishes without a pause until it is killed, or kills itself at a step.
WORK = """
from pathlib import Path
from ledger.clock import SystemClock
from ledger.proof.keys import load_key
from ledger.proof.memory import Memory
from ledger.proof.places import FilePlace
from ledger.proof.publish import Publisher
from ledger.proof.seal import Sealer
from ledger.store.database import open_store

def work(step, database, file):
    def reached(at):
        if at == step:
            os.kill(os.getpid(), signal.SIGKILL)
    file = Path(file)
    recorder, key, memory = open_store(database), load_key(file, "key"), Memory(file)
    place = FilePlace(file.with_name("place"), [key.public])
    publisher = Publisher(recorder, key.name, [key.public], SystemClock(), [place])
    with memory.held():
        sealer = Sealer(recorder, key, memory, seen=publisher.seen, reached=reached)
        while True:
            sealer.seal()
            publisher.turn()
            if step == "once":
                return
"""
KILLS = 50
#: The steps of ``ledger.proof.seal``, each of which is reached in every run.
STEPS = ("begun", "tiles", "proved", "signed", "remembered", "sealed")


class Runner:
    """Runs sealers of one store one after another, each of which can be killed."""

    def __init__(self, database: str, folder: Path) -> None:
        self._where = (database, str(folder / "seal.key"))
        self._killing = Killing(WORK)

    def run(self, seconds: float = NEVER, step: str = "once") -> int:
        """Start a sealer, and give the status it ended with."""
        return self._killing.run(step, *self._where, kill_after=seconds)

    def close(self) -> None:
        self._killing.close()


@dataclass
class History:
    """What is known of a log so far; each look has to find it gone on, and never changed."""

    recorder: Recorder
    key: PrivateKey
    folder: Path
    checkpoints: list[SealedRow] = field(default_factory=list)
    published: list[Checkpoint] = field(default_factory=list)
    roots: dict[int, bytes] = field(default_factory=dict)
    edge: Edge = field(default_factory=Edge)

    def look(self) -> None:
        """Whatever was killed, what is there is one history."""
        for event in self.recorder.read_log(self.edge.size, 1_000_000):
            self.edge.append(event.leaf)
            self.roots[event.position] = self.edge.root()
        rows = [*Sealed(self.recorder).checkpoints(limit=100_000)]
        assert rows[: len(self.checkpoints)] == self.checkpoints, "a checkpoint was changed"
        for row in rows:
            said, _ = open_checkpoint(row.note, [self.key.public])
            assert (said.size, said.root) == (row.size, row.root)
            assert said.root == self.roots[said.size], "a checkpoint is not of this log"
        place = self.folder / "place"
        published = (
            [open_checkpoint(note, [self.key.public])[0] for note in notes_of_file(place)] if place.exists() else []
        )
        assert published[: len(self.published)] == self.published, "what was published was changed"
        there = {row.size: row.root for row in rows}
        assert all(there[each.size] == each.root for each in published), "something was published that is not sealed"
        assert [each.size for each in published] == sorted({each.size for each in published}), "published twice"
        remembered = Memory(self.folder / "seal.key").recall(self.key.public)
        if remembered is not None:
            assert remembered.root == self.roots[remembered.size], "the key has signed another history"
            assert remembered.size >= max(there, default=0), "a checkpoint went before the key remembered it"
        self.checkpoints, self.published = rows, published

    def finish(self) -> None:
        """After a sealer that was left alone, nothing is missing anywhere."""
        self.look()
        head = self.recorder.head()
        assert self.checkpoints[-1].size == head, "an event is not sealed"
        assert [each.size for each in self.published] == [row.size for row in self.checkpoints], "a gap in the file"
        walk = SealedWalk(self.recorder, [self.key.public], {"the file": self.published})
        assert verify(self.recorder, [], sealed=walk).sound
        assert walk.seals.others == {"the file": head}


@pytest.fixture
def key() -> PrivateKey:
    return new_key(ORIGIN)


@pytest.fixture
def history(recorder: Recorder, key: PrivateKey, tmp_path: Path) -> History:
    write_key(tmp_path / "seal.key", key)
    return History(recorder, key, tmp_path)


@pytest.fixture
def runner(database_url: str, recorder: Recorder, tmp_path: Path) -> Iterator[Runner]:
    with contextlib.closing(Runner(database_url, tmp_path)) as running:
        yield running


def grow(recorder: Recorder, count: int, label: str) -> None:
    recorder.insert_events(said_log([(f"{label} {n % 5}", f"text {n}") for n in range(count)]))
    recorder.sequence()


@pytest.mark.parametrize("again", [1, 3])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step_it_goes_on_from_there(history: History, runner: Runner, step: str, again: int) -> None:
    """Killed there once, and killed there time after time, before the first checkpoint and after others."""
    recorder = history.recorder
    for number, count in enumerate((10, 300, 3)):
        for attempt in range(again):
            grow(recorder, count, f"{step} {number} {attempt}")
            assert os.WTERMSIG(runner.run(step=step)) == signal.SIGKILL, "it does not pass that step"
            history.look()
        assert runner.run() == 0
        history.finish()


def test_killed_at_random_moments_under_load_it_makes_one_history(history: History, runner: Runner) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"kill seed {seed}")  # noqa: T201 - a failure must be repeatable
    chance = random.Random(seed)
    recorder = history.recorder
    grow(recorder, 20, "first")
    began = time.monotonic()
    assert runner.run() == 0
    longest = time.monotonic() - began
    inside = 0
    for number in range(KILLS):
        grow(recorder, chance.choice((1, 3, 40, 257, 700)), f"kill {number}")
        before = len(history.checkpoints)
        status = runner.run(seconds=0.2 * longest + chance.random() * longest, step="never")
        assert os.WTERMSIG(status) == signal.SIGKILL
        history.look()
        inside += len(history.checkpoints) == before
        if chance.random() < 0.2:
            assert runner.run() == 0
            history.finish()
    assert runner.run() == 0
    history.finish()
    # How many depends on the machine; the kills at each step, above, do not.
    print(f"{inside} of {KILLS} kills came before a checkpoint, {len(history.checkpoints)} checkpoints")  # noqa: T201
