"""``recorded_at`` on PostgreSQL is the database server's time: no writer's clock moves it, and none sets it ahead."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import column, insert, table
from tests.conftest import PostgresServer
from tests.store.agency import named, said, stored

from ledger.cli.main import cli
from ledger.clock import SystemClock, from_text, to_text
from ledger.store.database import open_store
from ledger.store.recorder import EVENT_COLUMNS, Recorder, values_of

EVENTS = table("events", *(column(name) for name in (*EVENT_COLUMNS, "written_at")))
DAY = timedelta(days=1)


class Wrong(SystemClock):
    """The clock of a machine that is set wrongly."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return super().now() + self._by


def append(recorder: Recorder, stream: str, count: int = 1) -> None:
    rows = [stored(said("a", stream), stream=stream, version=v, command=f"{stream}/{v}") for v in range(1, count + 1)]
    recorder.insert_events(rows)


def recorded(recorder: Recorder) -> list[datetime]:
    recorder.sequence()
    return [from_text(row.recorded_at) for row in recorder.read_log(0, 100)]


@pytest.mark.parametrize("by", [DAY, -DAY])
@pytest.mark.parametrize("count", [1, 3])
def test_a_writer_whose_clock_is_wrong_records_at_the_servers_time(
    postgres: PostgresServer, by: timedelta, count: int
) -> None:
    recorder = open_store(postgres.create(), Wrong(by))
    before = datetime.now(UTC)
    append(recorder, "one", count)
    times = recorded(recorder)
    recorder.engine.dispose()
    assert len(times) == count
    assert all(before - timedelta(minutes=1) < at < datetime.now(UTC) + timedelta(minutes=1) for at in times)


def test_a_time_written_into_the_table_ahead_of_the_server_is_cut_to_its_now(postgres: PostgresServer) -> None:
    recorder = open_store(postgres.create())
    row = stored(said("a", "one"), stream="one", version=1, command="ahead")
    with recorder.engine.begin() as connection:
        connection.execute(insert(EVENTS), {**values_of(row), "written_at": to_text(datetime.now(UTC) + DAY)})
    append(recorder, "two")
    first, second = recorded(recorder)
    recorder.engine.dispose()
    assert first <= second < datetime.now(UTC) + timedelta(minutes=1)


def test_a_time_written_into_the_table_that_lies_behind_is_not_before_the_event_before_it(
    postgres: PostgresServer,
) -> None:
    recorder = open_store(postgres.create())
    append(recorder, "one")
    (first,) = recorded(recorder)
    row = stored(said("a", "two"), stream="two", version=1, command="behind")
    with recorder.engine.begin() as connection:
        connection.execute(insert(EVENTS), {**values_of(row), "written_at": to_text(datetime.now(UTC) - 30 * DAY)})
    assert recorded(recorder) == [first, first]
    recorder.engine.dispose()
    assert named("one") != named("two")


def test_status_and_verify_warn_of_a_log_that_is_ahead_of_the_clock(sqlite_url: str) -> None:
    recorder = open_store(sqlite_url, Wrong(DAY))
    append(recorder, "one")
    recorder.engine.dispose()
    env = {"LEDGER_DATABASE": sqlite_url}
    for command in ("status", "verify"):
        text = CliRunner().invoke(cli, [command], env=env).output
        assert "! the log's last event is recorded 86," in text
        assert "was set wrongly" in text
        data = json.loads(CliRunner().invoke(cli, ["--json", command], env=env).stdout)
        assert DAY.total_seconds() - 60 < data["ahead_seconds"] <= DAY.total_seconds()


def test_a_log_that_is_not_ahead_is_not_warned_of(sqlite_url: str) -> None:
    recorder = open_store(sqlite_url)
    append(recorder, "one")
    recorder.engine.dispose()
    for command in ("status", "verify"):
        assert "set wrongly" not in CliRunner().invoke(cli, [command], env={"LEDGER_DATABASE": sqlite_url}).output
