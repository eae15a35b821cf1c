"""What ``ledger verify`` prints while one partition has been read further than another: sums that are true."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from tests.deploy.commands import ledger
from tests.store.agency import small_agency

from ledger.application.commands import Ledger
from ledger.consumers.log import Entry
from ledger.consumers.runner import Runner
from ledger.projections.every import PROJECTIONS
from ledger.store.recorder import Recorder


class Halves:
    """The store's log in two partitions: events whose key begins with a low digit, and the others."""

    name = "halves"
    repeats = False
    partitions: Sequence[int] = (0, 1)

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def read(self, partition: int, after: int, limit: int) -> Sequence[Entry]:
        rows = self._recorder.read_log(after, limit)
        return [Entry(row.position, row) for row in rows if int(row.key[0] >= "8") == partition]

    def head(self, partition: int) -> int:
        return self._recorder.sequence()


LINE = re.compile(r"^  \w+ +(\d+) \+ +(\d+) \+ +(\d+) = +(\d+) of the (\d+) up to its newest(.*)$", re.MULTILINE)


def test_the_sums_are_true_and_what_is_behind_is_said(sqlite_recorder: Recorder, sqlite_url: str) -> None:
    small_agency(Ledger(sqlite_recorder), 6, 2)
    head = sqlite_recorder.sequence()
    log = Halves(sqlite_recorder)
    runner = Runner(sqlite_recorder.engine, log, PROJECTIONS)
    runner.prepare()
    read = max((0, 1), key=lambda half: log.read(half, 0, head)[-1].offset)
    assert runner.step(read) == len(log.read(read, 0, head)) < head

    said = ledger({"LEDGER_DATABASE": sqlite_url}, "verify")
    assert said.returncode == 0, said.stderr
    lines = LINE.findall(said.stdout)
    assert len(lines) == len(PROJECTIONS)
    lacking = head - len(log.read(read, 0, head))
    for applied, parked, not_concerned, total, newest, behind in lines:
        assert int(applied) + int(parked) + int(not_concerned) == int(total) == head - lacking
        assert int(newest) == head
        assert behind == f"  behind {lacking}"
    found = json.loads(ledger({"LEDGER_DATABASE": sqlite_url}, "--json", "verify").stdout)
    assert {view["behind"] for view in found["projections"]} == {lacking}
