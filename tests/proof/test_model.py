"""A model of sealing: events, sealers that die at every step, backups put back, places; and never two histories.

Hypothesis drives the real sealer on real stores through whatever order it can think of. What it must never see: two
checkpoints of one key, anywhere in the world, of which one does not go on from the other. That it would see them is
shown by sealers that are broken on purpose.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from tests.proof.conftest import ORIGIN
from tests.store.agency import said_log

from ledger.proof.checkpoint import Checkpoint, read_checkpoint
from ledger.proof.edge import Edge
from ledger.proof.memory import Memory
from ledger.proof.notes import Note, new_key, read_note
from ledger.proof.seal import Behind, Forked, Sealer, Seen
from ledger.proof.tree import StoredTree
from ledger.store.database import open_store
from ledger.store.recorder import Recorder
from ledger.store.sealed import Sealed, SealedRow

STEPS = ("begun", "tiles", "proved", "signed", "remembered", "sealed")
#: In memory where there is such a place: the model is about order, and the disk's own promises are the database's.
FOLDER = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


class Killed(BaseException):
    """The sealer's process ends here, as kill -9 ends it: nothing of it runs any more."""


class Sealing(RuleBasedStateMachine):
    """The world: a store, a key with its memory, a place that keeps what it was given, and backups."""

    sealer: ClassVar[type[Sealer]] = Sealer
    memory: ClassVar[type[Memory]] = Memory

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="sealing-", dir=FOLDER))
        self.key = new_key(ORIGIN)
        self.recorder = self.opened()
        self.count = 0
        self.published: list[Checkpoint] = []
        self.backups: list[Path] = []
        #: What every checkpoint was made over: a record that no part of the world has.
        self.leaves: dict[tuple[int, bytes], list[bytes]] = {}
        self.begin()

    def opened(self) -> Recorder:
        return open_store(f"sqlite:///{self.folder / 'ledger.db'}")

    def begin(self) -> None:
        """A sealer's process starts."""
        self.stop_at: str | None = None
        memory = self.memory(self.folder / "seal.key")
        self.at_work = self.sealer(self.recorder, self.key, memory, seen=self.seen, reached=self.reached)

    def seen(self) -> list[Seen]:
        return [Seen("the place", each) for each in self.published[-1:]]

    def reached(self, step: str) -> None:
        if step == "proved":
            edge, leaves = Edge(), [row.leaf for row in self.recorder.read_log(0, 1_000_000)]
            for leaf in leaves:
                edge.append(leaf)
            self.leaves[edge.size, edge.root()] = leaves
        if step == self.stop_at:
            raise Killed

    @rule(count=st.sampled_from([1, 2, 5, 254, 257]))
    def record(self, count: int) -> None:
        """Events come; no two histories have the same ones."""
        self.count += 1
        self.recorder.insert_events(said_log([(f"{self.count} {n % 3}", f"text {n}") for n in range(count)]))

    @rule()
    def seal(self) -> None:
        try:
            self.at_work.seal()
        except (Forked, Behind):
            assert self.put_back_once, "it refuses a log that nobody has touched"

    put_back_once = False

    @rule(step=st.sampled_from(STEPS))
    def die(self, step: str) -> None:
        """The sealer dies at a step, and another starts."""
        self.stop_at = step
        with contextlib.suppress(Killed):
            self.seal()
        self.begin()

    @rule()
    def publish(self) -> None:
        """What is sealed goes to the place, as far as the place lacks it."""
        last = self.published[-1].size if self.published else 0
        for row in Sealed(self.recorder).checkpoints(last, 10_000):
            self.published.append(read_checkpoint(read_note(row.note).text))

    @precondition(lambda self: len(self.backups) < 3)
    @rule()
    def back_up(self) -> None:
        backup = self.folder / f"backup-{len(self.backups)}"
        backup.mkdir()
        source = sqlite3.connect(self.folder / "ledger.db")
        target = sqlite3.connect(backup / "ledger.db")
        source.backup(target)
        source.close()
        target.close()
        last = self.folder / "seal.key.last"
        if last.exists():
            shutil.copy(last, backup)
        self.backups.append(backup)

    @precondition(lambda self: self.backups)
    @rule(which=st.integers(0, 2), with_memory=st.booleans())
    def put_back(self, which: int, with_memory: bool) -> None:
        """The store is put back to a backup; so is the key's memory, when it was on the same disk."""
        backup = self.backups[which % len(self.backups)]
        self.recorder.engine.dispose()
        for name in ("ledger.db-wal", "ledger.db-shm"):
            (self.folder / name).unlink(missing_ok=True)
        shutil.copy(backup / "ledger.db", self.folder / "ledger.db")
        if with_memory:
            last = self.folder / "seal.key.last"
            last.unlink(missing_ok=True)
            if (backup / last.name).exists():
                shutil.copy(backup / last.name, last)
        self.put_back_once = True
        self.recorder = self.opened()
        self.begin()

    @invariant()
    def there_is_one_history(self) -> None:
        """Every checkpoint that exists anywhere goes on from every smaller one."""
        everywhere = {(each.size, each.root) for each in self.published}
        everywhere |= {(row.size, row.root) for row in Sealed(self.recorder).checkpoints(limit=10_000)}
        last = self.folder / "seal.key.last"
        if last.exists():
            remembered = read_checkpoint(read_note(last.read_bytes()).text)
            everywhere.add((remembered.size, remembered.root))
        ordered = sorted(everywhere)
        for (size, root), (larger, over) in pairwise(ordered):
            edge = Edge()
            for leaf in self.leaves[larger, over][:size]:
                edge.append(leaf)
            assert edge.root() == root, (
                f"two histories are signed: the {size:,} events of one are not in the {larger:,}"
            )

    @invariant()
    def nothing_is_published_that_the_key_may_forget(self) -> None:
        """Whatever went out stands beside the key, or in what the sealer asks before it signs."""
        assert all((each.size, each.root) in self.leaves for each in self.published)

    def teardown(self) -> None:
        self.recorder.engine.dispose()
        shutil.rmtree(self.folder)


SOUND = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
#: The same choices in every run: that the model catches what is broken is not left to chance.
CATCHING = settings(
    SOUND, max_examples=400, derandomize=True, phases=[Phase.generate], database=None, report_multiple_bugs=False
)


def test_no_order_of_things_makes_two_histories() -> None:
    run_state_machine_as_test(Sealing, settings=SOUND)


class Forgetful(Memory):
    """A key that does not know what it has signed."""

    def keep(self, note: Note) -> None:
        return


class KeyWithoutMemory(Sealing):
    """And nobody else is asked."""

    memory = Forgetful

    def seen(self) -> list[Seen]:
        return []


class LateMemory(Memory):
    """Written after the checkpoint is in the store, not before; ``late`` does it."""

    def keep(self, note: Note) -> None:
        self.note = note

    def late(self) -> None:
        super().keep(self.note)


class RemembersLate(Sealer):
    """Killed in between, the store has a checkpoint that the key has forgotten."""

    def seal(self, progress: Any = None) -> SealedRow | None:
        row = super().seal(progress)
        if row is not None and isinstance(self._memory, LateMemory):
            self._memory.late()
        return row


class MemoryTooLate(Sealing):
    sealer, memory = RemembersLate, LateMemory

    def seen(self) -> list[Seen]:
        return []


class ProvesNothing(Sealer):
    """Signs whatever the tree is now."""

    def _prove(self, tree: StoredTree, last: SealedRow | None, edge: Edge) -> None:
        self._asked = True


class NoProof(Sealing):
    sealer = ProvesNothing


@pytest.mark.parametrize("broken", [KeyWithoutMemory, MemoryTooLate, NoProof])
def test_the_model_catches_a_sealer_that_is_broken(broken: type[Sealing]) -> None:
    with pytest.raises(AssertionError, match="two histories are signed"):
        run_state_machine_as_test(broken, settings=CATCHING)
