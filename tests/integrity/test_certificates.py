"""The root over a view's rows: the same wherever the same log was folded, another as soon as one value differs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text
from tests.consumers.views import make_views, run
from tests.store.agency import said_log

from ledger.consumers.generations import at_one_moment
from ledger.consumers.log import LocalLog
from ledger.consumers.rebuild import build_all_beside, rows_of
from ledger.consumers.runner import Behind, Runner
from ledger.consumers.tables import PARKED_EVENTS, PARKED_KEYS, PLACES
from ledger.integrity import certificates
from ledger.integrity.certificates import NotLevel, Rooted, code_version, root_of_live, rooted
from ledger.projections.base import Projection
from ledger.store.database import open_store
from ledger.store.recorder import Recorder

TEXTS = [(f"chart {n % 7}", f"text {n}") for n in range(60)]


def live_root(recorder: Recorder, view: Projection[Any]) -> Rooted:
    return root_of_live(recorder.engine, Runner(recorder.engine, LocalLog(recorder), [view]), view)


def written(recorder: Recorder, statement: str) -> None:
    with recorder.engine.execution_options(ledger_write=True).begin() as connection:
        assert connection.execute(text(statement)).rowcount == 1


def hash_of(values: Any) -> bytes:
    return hashlib.sha256(b"\x00" + json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()).digest()


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it is written there."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def test_a_root_is_that_of_the_page_worked_out_by_other_means(recorder: Recorder) -> None:
    recorder.insert_events(said_log(TEXTS))
    view, _, _ = make_views()
    run(recorder, view)
    found = live_root(recorder, view)
    rows = rows_of(recorder.engine, view)
    leaves = [hash_of([view.name, view.version, 60, list(rows[0])]), *(hash_of(list(row.values())) for row in rows)]
    assert found == Rooted(view.name, view.version, 60, 7, naive_root(leaves).hex())


def test_another_store_with_the_same_log_gives_the_same_root(recorder: Recorder, tmp_path: Path) -> None:
    recorder.insert_events(said_log(TEXTS))
    view, words, _ = make_views()
    run(recorder, view, words, batch=9)
    other = open_store(f"sqlite:///{tmp_path / 'other.db'}")
    recorder.sequence()
    other.restore(recorder.read_log(0, 1000))
    run(other, view, words, batch=50)
    for each in (view, words):
        assert live_root(recorder, each) == live_root(other, each)
    other.engine.dispose()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE rows_said_g1 SET last = last || ' ' WHERE client_id = (SELECT min(client_id) FROM rows_said_g1)",
        "DELETE FROM rows_said_g1 WHERE client_id = (SELECT max(client_id) FROM rows_said_g1)",
        "UPDATE rows_said_g1 SET client_id = 'z' WHERE client_id = (SELECT max(client_id) FROM rows_said_g1)",
    ],
)
def test_any_other_row_gives_another_root(recorder: Recorder, change: str) -> None:
    recorder.insert_events(said_log(TEXTS))
    view, _, _ = make_views()
    run(recorder, view)
    before = live_root(recorder, view)
    written(recorder, change)
    assert live_root(recorder, view).root != before.root


def test_a_build_is_looked_at_where_it_stood_at_a_position(recorder: Recorder) -> None:
    recorder.insert_events(said_log(TEXTS[:25]))
    view, words, _ = make_views()
    run(recorder, view, words)
    before = live_root(recorder, view)
    rows = said_log(TEXTS)[25:]
    recorder.insert_events(rows)
    run(recorder, view, words)
    assert live_root(recorder, view).root != before.root
    seen: list[Rooted] = []

    def look(projection: Projection[Any], generation: int, position: int) -> None:
        with at_one_moment(recorder.engine) as connection:
            seen.append(rooted(connection, projection, generation, position))

    build_all_beside(
        recorder.engine, LocalLog(recorder), [view, words], as_live=True, looks={view.name: {25}}, look=look
    )
    assert seen == [before]


def test_no_root_is_given_of_rows_that_are_as_at_no_position(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder.insert_events(said_log(TEXTS))
    view, _, _ = make_views()
    run(recorder, view)
    monkeypatch.setattr(certificates, "PATIENCE", 0.0)
    with recorder.engine.execution_options(ledger_write=True).begin() as connection:
        connection.execute(PLACES.update().values(applied=PLACES.c.applied - 1))
    with pytest.raises(Behind, match="not level"):
        live_root(recorder, view)
    with recorder.engine.execution_options(ledger_write=True).begin() as connection:
        parked = {"key": "k", "log": "local", "partition": 0, "position": 9, "event_type": "t", "error": "e"}
        connection.execute(insert(PARKED_KEYS), [{"projection": f"{view.name}.1", **parked}])
        connection.execute(insert(PARKED_EVENTS), [{"projection": f"{view.name}.1", "position": 9, "key": "k"}])
    with pytest.raises(NotLevel, match="ledger retry"):
        live_root(recorder, view)


def test_the_code_version_is_of_the_release_and_of_every_rule_that_rows_follow_from() -> None:
    assert code_version() == code_version()
    named = {name for room in ("policies", "projections") for name, _ in _files_of(room)}
    assert "policies/data/standing.toml" in named
    assert "projections/billing.py" in named


def _files_of(room: str) -> list[tuple[str, bytes]]:
    folder = Path(certificates.__file__).parents[1] / room
    return list(certificates._files(folder, room))
