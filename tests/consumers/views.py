"""Two views for the tests of the runner: what was said on a chart, and the words of a chart, which come and go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, func, select

from ledger.aggregates.note_events import AddendumAdded
from ledger.consumers.log import LocalLog
from ledger.consumers.runner import Runner
from ledger.consumers.tables import PARKED_EVENTS, PARKED_KEYS, PLACES
from ledger.projections.base import Happened, Key, Projection
from ledger.store.recorder import Recorder


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One chart: everything that was said on it, in order."""

    client_id: str
    texts: tuple[str, ...]
    last: str
    count: int
    long: bool


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """One word on one chart; an even number of mentions removes it again."""

    client_id: str
    word: str
    first_position_seen: int


@dataclass
class Fault:
    """Texts that the view cannot apply, until the test has it mended."""

    texts: set[str] = field(default_factory=set)

    def check(self, text: str) -> None:
        if text in self.texts:
            raise ValueError(f"cannot apply {text}")


def make_views(version: int = 1) -> tuple[Projection[Said], Projection[Word], Fault]:
    """Fresh views, with the switch that breaks the first one."""
    fault = Fault()
    said = Projection("said", version, Said, key=("client_id",), indexes=(("last",),))
    words = Projection("words", 1, Word, key=("client_id", "word"))

    @said.on(AddendumAdded, keys=lambda h: [(h.event.client_id,)])
    def add(row: Said | None, happened: Happened[AddendumAdded], key: Key) -> Said:
        text = happened.event.text
        fault.check(text)
        texts = (*(row.texts if row else ()), text)
        return Said(client_id=key[0], texts=texts, last=text, count=len(texts), long=len(text) > 3)

    @words.on(AddendumAdded, keys=lambda h: [(h.event.client_id, word) for word in sorted(set(h.event.text.split()))])
    def toggle(row: Word | None, happened: Happened[AddendumAdded], key: Key) -> Word | None:
        if row is not None:
            return None
        return Word(client_id=key[0], word=key[1], first_position_seen=happened.position)

    return said, words, fault


def run(recorder: Recorder, *projections: Projection[Any], batch: int = 1000) -> Runner:
    """A runner that has caught up."""
    runner = Runner(recorder.engine, LocalLog(recorder), projections, batch=batch)
    runner.prepare()
    runner.catch_up()
    return runner


def counts(engine: Engine, stand: str) -> tuple[int, int, int, int]:
    """Place, applied, parked and not concerned, as the view has counted them."""
    with engine.connect() as connection:
        found = connection.execute(select(PLACES).where(PLACES.c.projection == stand)).one()
    return found.place, found.applied, found.parked, found.not_concerned


def waiting(connection: Connection) -> tuple[int, int]:
    """How many keys are parked, and how many events wait, in all generations."""
    keys = connection.scalar(select(func.count()).select_from(PARKED_KEYS)) or 0
    return keys, connection.scalar(select(func.count()).select_from(PARKED_EVENTS)) or 0
