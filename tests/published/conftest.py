"""A simulated month of an agency: events of most types, as they are stored."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ledger.application.commands import Ledger
from ledger.simulation import Options, simulate, starting_clock
from ledger.store.database import open_store
from ledger.store.envelope import StoredRow

ZONE = "America/Los_Angeles"


@pytest.fixture(scope="session")
def month(tmp_path_factory: pytest.TempPathFactory) -> Sequence[StoredRow]:
    """The log of the month."""
    options = Options(clients=8, months=1, seed=11)
    clock = starting_clock(options, ZONE)
    recorder = open_store(f"sqlite:///{tmp_path_factory.mktemp('month') / 'ledger.db'}", clock)
    try:
        simulate(Ledger(recorder, clock=clock, zone=ZONE), clock, options)
        return recorder.read_log(0, 1_000_000)
    finally:
        recorder.engine.dispose()
