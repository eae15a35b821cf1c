"""``ledger record …`` as people and programs call it: flags or JSON, exit codes, retries, any script, help."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sample import CLIENT, ident

from ledger.aggregates.base import command_types
from ledger.aggregates.client_events import ClientDetailsCorrected
from ledger.cli.main import COMMANDS, LazyGroup, cli
from ledger.cli.record import record
from ledger.store.codec import read
from ledger.store.database import open_store

REGISTER = {"client_id": CLIENT, "name": {"family": "Doe", "given": "Jo"}, "birth_date": "1980-05-01"}


class Terminal:
    """Runs the program as a process of its own, on a database of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "ledger.db"

    def run(self, *arguments: str | bytes, stdin: bytes | str = b"", **settings: str) -> Any:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
        environment |= {"LEDGER_DATABASE": f"sqlite:///{self.database}", "LEDGER_LOG": "json", **settings}
        return subprocess.run(
            [str(Path(sys.executable).with_name("ledger")), *arguments],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            cwd=self.folder,
            env=environment,
            check=False,
        )

    def record(self, command: str, data: Any, *flags: str) -> Any:
        sent = data if isinstance(data, bytes) else json.dumps(data)
        return self.run("--json", "--as", "system:setup", "record", command, "--stdin", *flags, stdin=sent)

    def head(self) -> int:
        if not self.database.exists():
            return 0
        with sqlite3.connect(self.database) as connection:
            (head,) = connection.execute("SELECT coalesce(max(position), 0) FROM events").fetchone()
        connection.close()
        return int(head)


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


def test_a_command_is_given_by_flags_and_answers_what_it_recorded(terminal: Terminal) -> None:
    done = terminal.run(
        "--as", "system:setup", "record", "register-client",
        "--client-id", CLIENT, "--name", '{"family": "Doe", "given": "Jo"}', "--birth-date", "1980-05-01",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"recorded: {CLIENT}, version 1\n  client.registered  {CLIENT}@1\n"
    assert terminal.head() == 1


def test_a_retry_by_command_id_gives_the_first_result_and_other_content_is_a_conflict(terminal: Terminal) -> None:
    flags = ("--command-id", ident("once"))
    first = json.loads(terminal.record("register-client", REGISTER, *flags).stdout)
    again = terminal.record("register-client", REGISTER, *flags)
    assert again.returncode == 0
    assert json.loads(again.stdout) == {**first, "repeated": True}
    other = terminal.record("register-client", {**REGISTER, "sex": "female"}, *flags)
    assert other.returncode == 3
    assert ident("once") in json.loads(other.stderr)["error"]
    assert terminal.head() == 1


def test_a_new_thing_gets_the_id_that_belongs_to_its_command(terminal: Terminal) -> None:
    nameless = {name: value for name, value in REGISTER.items() if name != "client_id"}
    ids = [
        json.loads(terminal.record("register-client", nameless, "--command-id", word).stdout)["stream_id"]
        for word in ("a", "a", "b")
    ]
    assert ids[0] == ids[1] != ids[2]
    assert terminal.head() == 2


def test_an_expected_version_that_has_gone_is_a_conflict_that_names_it(terminal: Terminal) -> None:
    terminal.record("register-client", REGISTER)
    change = {"client_id": CLIENT, "reason": "r", "sex": "female"}
    assert terminal.record("correct-client-details", change, "--expected-version", "1").returncode == 0
    late = terminal.record("correct-client-details", change, "--expected-version", "1")
    assert late.returncode == 3
    assert "you decided on version 1, it is now at version 2" in json.loads(late.stderr)["error"]


def test_an_expected_version_or_an_id_that_can_be_none_is_bad_input_by_its_name(terminal: Terminal) -> None:
    terminal.record("register-client", REGISTER)
    change = {"client_id": CLIENT, "reason": "r", "sex": "female"}
    for flags, field, words in (
        (("--expected-version", "-3"), "expected_version", "-3 is no version"),
        (("--command-id", "two words"), "command_id", "it holds a space"),
        (("--command-id", "x" * 129), "command_id", "it is longer than 128 characters"),
        (("--causation-id", "a b"), "causation_id", "it holds a space"),
    ):
        done = terminal.record("correct-client-details", change, *flags)
        assert done.returncode == 2
        (reason,) = json.loads(done.stderr)["reasons"]
        assert (reason["field"], reason["mend"] != "") == (field, True)
        assert words in reason["message"]
    spaced = terminal.run("--as", "system:setup", "--correlation-id", "my visit", "status")
    assert spaced.returncode == 2
    assert b"--correlation-id: it holds a space; write an id in one piece" in spaced.stderr
    assert terminal.head() == 1


def test_a_chart_that_is_not_there_is_exit_code_4(terminal: Terminal) -> None:
    done = terminal.run("--json", "--as", "system:auditor", "chart", CLIENT)
    assert done.returncode == 4, done.stderr
    assert f"there is no chart {CLIENT}" in json.loads(done.stderr)["error"]


def test_correlation_reaches_the_envelope_and_the_log_lines(terminal: Terminal) -> None:
    done = terminal.run(
        "--verbose", "--correlation-id", "visit-42", "--as", "system:setup", "record", "register-client", "--stdin",
        "--causation-id", "fax-7", stdin=json.dumps(REGISTER),
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stderr.decode().splitlines()]
    assert [line["event"] for line in lines] == ["recorded"]
    assert {line["correlation_id"] for line in lines} == {"visit-42"}
    assert "Doe" not in done.stderr.decode()
    with sqlite3.connect(terminal.database) as connection:
        found = connection.execute("SELECT correlation_id, causation_id, actor, purpose FROM events").fetchall()
    connection.close()
    assert found == [("visit-42", "fax-7", "system:setup", "operations")]


def test_many_processes_on_a_database_that_is_not_there_yet_all_record(terminal: Terminal) -> None:
    def register(number: int) -> Any:
        return terminal.record("register-client", {**REGISTER, "client_id": ident(f"client {number}")})

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(register, range(4)))
    assert [one.returncode for one in done] == [0] * 4, [one.stderr for one in done]
    assert terminal.head() == 4


def test_the_same_command_from_many_processes_has_one_effect(terminal: Terminal) -> None:
    terminal.record("register-client", {**REGISTER, "client_id": ident("first")})
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: terminal.record("register-client", REGISTER, "--command-id", "same"), range(4)))
    assert [one.returncode for one in done] == [0] * 4, [one.stderr for one in done]
    assert [json.loads(one.stdout)["repeated"] for one in done].count(False) == 1
    assert terminal.head() == 2


@pytest.mark.parametrize("command", ["grant-access", "review-utilisation"])
def test_people_do_not_record_what_the_service_records_itself(terminal: Terminal, command: str) -> None:
    """An access; and the figures of a review (PSC-5), which come from the view by ``utilisation --review``."""
    done = terminal.run("--as", "system:setup", "record", command, "--stdin", stdin="{}")
    assert done.returncode == 2
    assert f"No such command '{command}'".encode() in done.stderr


#: Text in any script: everything but control characters and halves of characters.
SCRIPTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=150).filter(str.strip)


@settings(max_examples=40, deadline=None)
@given(SCRIPTS)
def test_text_in_any_script_comes_back_byte_for_byte(shared: Path, text: str) -> None:
    from click.testing import CliRunner

    database = f"sqlite:///{shared / 'ledger.db'}"
    data = {"client_id": CLIENT, "reason": text, "language": "\u2028" + text[:100]}
    arguments = ["--as", "system:setup", "record", "correct-client-details", "--stdin"]
    done = CliRunner(env={"LEDGER_DATABASE": database}).invoke(
        cli, arguments, input=json.dumps(data, ensure_ascii=False).encode()
    )
    assert done.exit_code == 0, done.output
    store = open_store(database)
    row = store.read_log(store.head() - 1, 1)[0]
    store.engine.dispose()
    event = read(row).event
    assert isinstance(event, ClientDetailsCorrected)
    assert event.reason == text
    assert event.language == "\u2028" + text[:100]
    assert msgspec.json.encode(text) in row.state


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared")
    assert Terminal(folder).record("register-client", REGISTER).returncode == 0
    return folder


def every_command() -> dict[str, click.Command]:
    """All commands and their subcommands, by the words that call them."""
    context = click.Context(cli)
    found: dict[str, click.Command] = {}

    def walk(words: str, command: click.Command | None) -> None:
        assert command is not None, words
        found[words] = command
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                walk(f"{words} {name}", command.get_command(context, name))

    assert isinstance(cli, LazyGroup)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a broker's client, as it is imported
        for name in COMMANDS:
            walk(name, cli.get_command(context, name))
    return found


def test_every_command_explains_itself_with_an_example() -> None:
    lacking = []
    for words, command in every_command().items():
        text = command.get_help(click.Context(command, info_name=words, help_option_names=["-h", "--help"]))
        if "Example" not in text or "ledger " not in text.partition("Example")[2]:
            lacking.append(words)
    assert lacking == []


def test_every_command_for_people_has_its_subcommand_with_a_flag_for_each_field() -> None:
    context = click.Context(record)
    offered = {name for name, cls in command_types().items() if not cls.INTERNAL}
    assert set(record.list_commands(context)) == offered
    for name in offered:
        command = record.get_command(context, name)
        assert command is not None
        flags = {parameter.name for parameter in command.params}
        assert {field.name for field in msgspec.structs.fields(command_types()[name])} <= flags
