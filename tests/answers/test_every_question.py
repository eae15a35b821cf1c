"""Every command that reads goes through the room of answers, and a question's words are those of its command."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from tests.application.test_every_read_needs_its_grant import READS
from tests.cli.agency import Agency

import ledger.cli
from ledger.aggregates.access import AccessGranted, Question
from ledger.aggregates.client_events import AssignCoordinator
from ledger.answers.again import ask_again
from ledger.answers.ask import to_json
from ledger.answers.asking import Asking
from ledger.answers.every import QUERIES
from ledger.answers.query import Query
from ledger.application.edge import read_struct
from ledger.cli.asked import question_of
from ledger.cli.main import cli
from ledger.cli.session import Session
from ledger.errors import BadInput, Refused

COMMAND_LINE = Path(ledger.cli.__file__).parent
KNOWN = "2025-12-01T09:00:00-08:00"
#: Each question that opens a chart, as somebody types it.
TYPED = {
    "chart": ("chart", "CLIENT", "--as-known-at", KNOWN, "--as-of", "2025-11-10", "--timeline"),
    "chart diff": ("chart", "CLIENT", "--as-of", "2025-11-10", "--diff", "2025-11-01T00:00:00-07:00", KNOWN),
    "trace": ("trace", "NOTE", "--as-known-at", KNOWN),
    "billing rows": ("billing", "rows", "--month", "2025-11", "--staff", "STAFF", "--client", "CLIENT"),
    "billing changes": ("billing", "rows", "--month", "2025-11", "--changed-since", KNOWN),
    "timeliness": ("timeliness", "--month", "2025-11", "--program", "psc", "--as-known-at", KNOWN),
    "caseload": ("caseload", "--on", "2025-11-20", "--program", "psc"),
    "access-audit": ("access-audit", "CLIENT", "--from", "2025-11-01", "--to", "2025-12-31", "--versions"),
}
#: Those whose example needs more than an agency: tried in test_replay_view.py and test_access.py of tests/cli, in
#: tests/evidence and tests/proof.
ELSEWHERE = {"replay-view", "evidence", "proof inclusion", "access explain", "access glass"}


@pytest.fixture
def agency(sqlite_url: str) -> Iterator[Agency]:
    made = Agency(sqlite_url)
    made.do(
        AssignCoordinator(
            client_id=made.clients[0], assignment_id=made.new(), staff_id=made.worker, program="psc",
            first_day=date(2025, 11, 1),
        )
    )  # fmt: skip
    made.service(3, "09:00", 60)
    yield made
    made.recorder.engine.dispose()


def typed(agency: Agency, name: str) -> list[str]:
    note = next(str(row.originator_id) for row in agency.recorder.read_log(0, 1000) if row.topic == "note.signed")
    named = {"CLIENT": agency.clients[0], "NOTE": note, "STAFF": agency.worker}
    return [named.get(word, word) for word in TYPED[name]]


def last_access(agency: Agency) -> AccessGranted:
    agency.recorder.sequence()
    states = [row.state for row in agency.recorder.read_log(0, 1000) if row.topic == AccessGranted.TYPE]
    return msgspec.json.decode(states[-1], type=AccessGranted)


def leaves(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    """Each command that does something, by its whole name."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command)
    for part in command.list_commands(context):
        found = command.get_command(context, part)
        assert found is not None
        yield from leaves(found, f"{name} {part}".strip())


def test_the_command_line_asks_for_charts_in_one_place_that_is_no_answer() -> None:
    """``tlog export`` writes a folder, and asks for its grant as it goes; every other command asks a question."""
    asks = {
        path.name
        for path in COMMAND_LINE.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in ("grant", "open", "one_moment")
        and isinstance(node.value, ast.Name)
        and node.value.id == "session"
    }
    assert asks == {"tlog.py"}


def test_no_command_reads_a_chart_itself() -> None:
    reads = {name.rpartition(".")[2] for name in READS} | {"live_services", "live_sessions", "live_reviews"}
    reads -= {"open", "gather"}  # words of others too; their modules are looked for instead
    modules = {"ledger.evidence.gather", "ledger.tracing.story", "ledger.projections.billing_page"}
    found = {
        (path.name, alias.name)
        for path in COMMAND_LINE.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in reads or node.module in modules
    }
    assert not found


def test_every_question_has_its_command_with_an_option_for_every_field() -> None:
    commands = dict(leaves(cli))
    for query in QUERIES.values():
        command = commands[query.ask.command()]
        options = {opt for param in command.params for opt in param.opts if isinstance(param, click.Option)}
        arguments = [param for param in command.params if isinstance(param, click.Argument)]
        assert len(arguments) == len(query.ask.PLACED), query.name
        for one in msgspec.structs.fields(query.ask):
            if one.name in query.ask.TOGETHER:
                assert f"--{query.ask.BEHIND}" in options, query.name
            elif one.name not in query.ask.PLACED:
                assert f"--{one.encode_name}" in options, (query.name, one.name)


def test_every_field_of_a_question_is_described() -> None:
    for query in QUERIES.values():
        described = msgspec.json.schema(query.ask)["$defs"][query.ask.__name__]["properties"]
        assert {name for name, schema in described.items() if "description" not in schema} == set(), query.name
        assert query.summary.endswith("."), query.name


def test_every_question_that_opens_a_chart_is_tried_here_or_where_it_is_said() -> None:
    opening = {name for name, query in QUERIES.items() if query.resource is not None}
    assert opening == set(TYPED) | ELSEWHERE


@pytest.mark.parametrize("name", sorted(TYPED))
def test_a_command_asks_its_question_in_its_own_words(
    agency: Agency, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the access event keeps is what was typed, as click read it; and the words give the same question again."""
    kept: list[tuple[Question | None, Question | None]] = []
    asked: list[str] = []
    question, answer = Session.question, Query.answer

    def both(session: Session) -> Question | None:
        of_command = question_of(session.now, str(session.ledger.zone), session.views, as_json=session.as_json)
        kept.append((question(session), of_command))
        return kept[-1][0]

    def noted(query: Query, asking: Asking, ask: Any) -> Any:
        asked.append(query.name)
        assert ask_again(ask.command(), ask.words()) == ask
        return answer(query, asking, ask)

    monkeypatch.setattr(Session, "question", both)
    monkeypatch.setattr(Query, "answer", noted)
    agency.read(*typed(agency, name))
    assert asked == [name]
    assert kept
    assert all(ours == of_command and ours is not None for ours, of_command in kept)


@pytest.mark.parametrize("name", sorted(TYPED))
def test_another_surface_gets_the_same_answer_and_is_in_the_access_event(agency: Agency, name: str) -> None:
    """Asked as a network service would: the same data, one access event with its surface, replayed to the byte."""
    words = typed(agency, name)
    agency.read(*words)
    by_command = last_access(agency)
    assert isinstance(by_command.question, Question)
    ask = ask_again(by_command.question.command, by_command.question.options)
    before = agency.recorder.sequence()
    asking = Asking(surface="http", purpose="operations", actor=agency.supervisor, ledger=agency.ledger)
    found = QUERIES[name].answer(asking, ask)
    event = last_access(agency)
    assert agency.recorder.sequence() == before + 1
    assert event.surface == "http"
    assert isinstance(event.question, Question)
    assert event.question.options == by_command.question.options
    assert event.resource == by_command.resource
    assert event.resource.startswith(QUERIES[name].resource or "-")
    assert event.charts
    assert found.position >= max(chart.position for chart in event.charts)
    again = agency.read("replay-view", str(found.access_id))
    assert again["shown"] == to_json(found.data) + "\n"


def test_a_question_is_read_from_texts_with_every_fault_at_once() -> None:
    read = read_struct(QUERIES["proof inclusion"].ask, {"event": "12", "at": "40", "with-entry": "true"}, texts=True)
    assert msgspec.structs.asdict(read) == {"event": "12", "size": 40, "with_entry": True}
    with pytest.raises(Refused) as refused:
        read_struct(QUERIES["chart"].ask, {"client": "x", "as-known-at": "noon", "colour": "red"}, texts=True)
    assert {reason.field for reason in refused.value.reasons} == {"client", "as-known-at", "colour"}


def test_an_option_is_called_as_the_surface_calls_it(agency: Agency) -> None:
    asking = Asking(surface="http", purpose="operations", actor=agency.supervisor, ledger=agency.ledger)
    late = read_struct(QUERIES["chart"].ask, {"client": agency.clients[0], "as-known-at": "2035-01-01T00:00:00Z"})
    with pytest.raises(BadInput, match=r"^as-known-at: .* lies in the future"):
        QUERIES["chart"].answer(asking, late)


def test_words_that_no_question_has_are_refused() -> None:
    for command, words in (("chart", ["--colour", "red"]), ("chart", []), ("chart", ["--as-of"]), ("paint", [])):
        with pytest.raises(BadInput):
            ask_again(command, words)
