"""What somebody saw is made again to the byte, whatever was recorded since, and an attack on any of it is named."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.cli.agency import Agency
from tests.integrity.meddling import meddle, on, rewrite_event
from tests.tracing.sealing import Parties

from ledger.aggregates.access import AccessGranted, Question
from ledger.aggregates.client_events import AssignCoordinator, CorrectClientDetails
from ledger.aggregates.note_events import AddAddendum, MarkNoteInError
from ledger.aggregates.staff import PersonName, RegisterStaff
from ledger.application import reading
from ledger.application.reading import open_charts
from ledger.cli.main import cli
from ledger.cli.session import Session
from ledger.consumers.rebuild import rows_of
from ledger.errors import IntegrityFault, NotFound
from ledger.projections.every import PROJECTIONS
from ledger.store.envelope import StoredRow

KNOWN = "2025-12-01T09:00:00-08:00"
PAGES = [
    ("chart", "CLIENT"),
    ("chart", "CLIENT", "--timeline", "--as-of", "2025-11-10"),
    ("chart", "CLIENT", "--as-known-at", KNOWN),
    ("chart", "CLIENT", "--diff", "2025-11-01T00:00:00-07:00", KNOWN),
    ("trace", "NOTE"),
    ("billing", "rows", "--month", "2025-11"),
    ("billing", "rows", "--month", "2025-11", "--blocked", "--client", "CLIENT"),
    ("billing", "rows", "--month", "2025-11", "--as-known-at", KNOWN),
    ("billing", "rows", "--month", "2025-11", "--changed-since", KNOWN),
    ("billing", "rows", "--month", "2024-01"),
    ("timeliness", "--month", "2025-11"),
    ("timeliness", "--month", "2025-11", "--as-known-at", KNOWN),
    ("caseload",),
    ("caseload", "--on", "2025-11-20", "--program", "psc"),
    ("access-audit", "CLIENT"),
    ("access-audit", "CLIENT", "--versions", "--from", "2025-11-01"),
]


@pytest.fixture
def agency(database_url: str) -> Iterator[Agency]:
    made = founded(database_url)
    yield made
    made.recorder.engine.dispose()


@pytest.fixture
def small(sqlite_url: str) -> Iterator[Agency]:
    made = founded(sqlite_url)
    yield made
    made.recorder.engine.dispose()


def founded(url: str) -> Agency:
    agency = Agency(url)
    for client in agency.clients:
        agency.do(
            AssignCoordinator(
                client_id=client, assignment_id=agency.new(), staff_id=agency.worker, program="psc",
                first_day=date(2025, 11, 1),
            )
        )  # fmt: skip
    agency.service(3, "09:00", 60)
    agency.service(4, "09:00", 30, client=1, sign=False)
    return agency


def changed(agency: Agency, day: int = 5) -> None:
    """Much that changes every page: services, an addendum, a note in error, a corrected name, a colleague."""
    contact = agency.service(day, "10:00", 45)
    agency.do(AddAddendum(note_id=agency.note_of(contact), addendum_id=agency.new(), text="later words"), agency.worker)
    wrong = agency.service(day, "14:00", 15, client=1)
    agency.do(MarkNoteInError(note_id=agency.note_of(wrong), reason="another client's"), agency.worker)
    name = PersonName(family="Client", given=f"New {agency.new()[:8]}")
    agency.do(CorrectClientDetails(client_id=agency.clients[0], name=name, reason="x"))
    agency.do(
        RegisterStaff(
            staff_id=agency.new(), name=PersonName(family="Later", given="Lee"), roles=("clinician",),
            programs=("psc",), hired_on=date(2025, 1, 1),
        )
    )  # fmt: skip


def events(agency: Agency) -> list[StoredRow]:
    agency.recorder.sequence()
    return list(agency.recorder.read_log(0, 100_000))


def accesses(agency: Agency) -> list[str]:
    return [str(row.originator_id) for row in events(agency) if row.topic == AccessGranted.TYPE]


def words(agency: Agency, page: tuple[str, ...]) -> list[str]:
    note = next(str(row.originator_id) for row in events(agency) if row.topic == "note.signed")
    return [{"CLIENT": agency.clients[0], "NOTE": note}.get(word, word) for word in page]


def read(agency: Agency, *page: str) -> tuple[str, str]:
    """What a command prints, and its access."""
    done = agency.run(*page)
    assert done.exit_code == 0, (page, done.output, done.exception)
    return done.stdout, accesses(agency)[-1]


def replayed(agency: Agency, access: str) -> Any:
    return agency.read("replay-view", access)


def test_every_page_is_made_again_to_the_byte(agency: Agency) -> None:
    seen = []
    for page in PAGES:
        given_words = words(agency, page)
        seen += [(page, read(agency, *given_words)), (page, read(agency, "--json", *given_words))]
    for day in (6, 7, 10):
        changed(agency, day)
    for page in PAGES:
        assert agency.run(*words(agency, page)).exit_code == 0
    for page, (printed, access) in seen:
        found = replayed(agency, access)
        assert found["not_shown_because"] is None, page
        assert found["shown"] == printed, page
        assert found["differs"] == [], page


@pytest.mark.parametrize("page", [*PAGES[5:7], PAGES[8], PAGES[10], *PAGES[12:15]], ids=" ".join)
def test_what_was_recorded_while_the_page_was_made_is_not_on_it(
    small: Agency, page: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    caught_up = Session.catch_up

    def catch_up(session: Session) -> None:
        caught_up(session)
        changed(small)  # somebody else records, just before the rows are read

    monkeypatch.setattr(Session, "catch_up", catch_up)
    printed, access = read(small, *words(small, page))
    monkeypatch.undo()
    assert replayed(small, access)["shown"] == printed


@pytest.mark.parametrize("ending", [".txt", ".json", ".html"])
def test_a_file_is_made_again_to_the_byte(agency: Agency, ending: str, tmp_path: Path) -> None:
    seen = []
    for number, page in enumerate(PAGES[:3] + PAGES[4:6] + PAGES[14:15]):
        file = tmp_path / f"{number}{ending}"
        read(agency, *words(agency, page), "--out", str(file))
        seen.append((file, accesses(agency)[-1]))
    changed(agency)
    for file, access in seen:
        again = tmp_path / f"again{ending}"
        done = agency.run("replay-view", access, "--shown", str(again))
        assert done.exit_code == 0, done.output
        assert again.read_bytes() == file.read_bytes()


def test_who_read_what_when_and_why_is_said_and_the_replay_is_a_read_of_its_own(agency: Agency) -> None:
    printed, access = read(agency, "--purpose", "compliance", "chart", agency.clients[0])
    before = len(events(agency))
    done = agency.run("--purpose", "audit", "replay-view", access, actor="system:auditor")
    assert done.exit_code == 0, done.output
    assert done.stdout.endswith(f"\nWHAT WAS SHOWN, TO THE BYTE\n{printed}")
    head = done.stdout.removesuffix(printed)
    assert f"Access        {access}" in head
    assert f"Read by       Bea Example ({agency.supervisor[:8]}), supervisor\n" in head
    assert "Purpose       compliance\n" in head
    assert "What          chart on cli\n" in head
    assert "relationship none" in head
    assert f"could be seen: {agency.clients[0]}@" in head
    assert "nothing is sealed over it yet" in head
    after = events(agency)
    assert len(after) == before + 1
    own = msgspec.json.decode(after[-1].state, type=AccessGranted)
    then = msgspec.json.decode(after[-2].state, type=AccessGranted)
    assert own.resource == f"replay of access {access}"
    assert (own.purpose, own.reader_id) == ("audit", "system:auditor")
    assert [(c.chart_id, c.position) for c in own.charts] == [(c.chart_id, c.position) for c in then.charts]
    assert "it was itself a replay" in replayed(agency, str(after[-1].originator_id))["not_shown_because"]


def test_a_replay_changes_no_view_and_leaves_nothing_behind(
    agency: Agency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, access = read(agency, "billing", "rows", "--month", "2025-11")
    changed(agency)
    agency.run("run", "--once")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    files = sorted(tmp_path.iterdir())
    before = {view.name: rows_of(agency.recorder.engine, view) for view in PROJECTIONS}
    assert replayed(agency, access)["shown"]
    assert {view.name: rows_of(agency.recorder.engine, view) for view in PROJECTIONS} == before
    assert [file for file in sorted(tmp_path.iterdir()) if file not in files] == []


def test_an_access_that_is_not_there_is_said_not_to_be(small: Agency) -> None:
    for wrong in (small.new(), small.clients[0]):
        done = small.run("replay-view", wrong)
        assert isinstance(done.exception, NotFound)
        assert f"access {wrong}" in str(done.exception)
    assert accesses(small) == []


def test_a_page_whose_charts_take_several_accesses_is_made_again_from_any(
    small: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "CHARTS_PER_EVENT", 1)
    printed, last = read(small, "billing", "rows", "--month", "2025-11")
    monkeypatch.undo()
    first = accesses(small)[-2]
    changed(small)
    for access in (first, last):
        found = replayed(small, access)
        assert found["shown"] == printed
        assert len(found["replayed"]["event_ids"]) == 2
        assert {chart["chart_id"] for chart in found["charts"]} == set(small.clients)


def older(agency: Agency, resource: str, charts: list[str], **more: Any) -> str:
    """An access as it was recorded before questions were."""
    grant = open_charts(
        agency.ledger, charts, reader=agency.supervisor, purpose="operations", surface="cli", resource=resource, **more
    )
    return grant.access_id


def test_of_an_older_access_is_said_what_is_not_known(agency: Agency) -> None:
    printed = agency.run("chart", agency.clients[0]).stdout
    access = older(agency, "chart", [agency.clients[0]])
    assert b"question" not in events(agency)[-1].state
    found = replayed(agency, access)
    position = events(agency)[-2].position - 1
    assert "what was asked is not recorded" in found["differs"][0]
    assert f"ledger chart {agency.clients[0]}" in found["differs"][1]
    then, now = (text.partition("\nCLIENT\n")[2].partition("was read: ")[0] for text in (printed, found["shown"]))
    assert now == then != ""
    assert f"Log position  {position}\n" in found["shown"]
    month = replayed(agency, older(agency, "timeliness", agency.clients))
    assert (month["shown"], month["question"]) == (None, None)
    assert {chart["chart_id"] for chart in month["charts"]} == set(agency.clients)
    assert all(chart["versions"] for chart in month["charts"])


def test_an_older_page_that_showed_other_charts_is_not_passed_off_as_this_one(small: Agency) -> None:
    access = older(small, "billing rows 2025-11", [small.clients[0]])
    found = replayed(small, access)
    assert found["shown"] is None
    assert "shows 2 charts, and the access event names 1" in found["not_shown_because"]


def test_another_release_and_another_version_of_a_view_are_said(small: Agency) -> None:
    small.run("caseload")
    question = msgspec.json.decode(events(small)[-1].state, type=AccessGranted).question
    assert isinstance(question, Question)
    assert question.release
    assert question.views
    others = msgspec.structs.replace(question, views=question.views | {"caseload": 99}, release="0.0.1")
    access = older(
        small, "caseload", small.clients, question=others, as_of=small.ledger.clock.now().date(),
        position=question.position,
    )  # fmt: skip
    said = replayed(small, access)["differs"]
    assert any("caseload was at version 99 then" in line for line in said)
    assert any("release 0.0.1 then" in line for line in said)


def test_an_export_is_told_by_its_positions(small: Agency) -> None:
    access = older(small, "tlog export of the entries of positions 3 to 9", [])
    found = replayed(small, access)
    assert "positions 3 to 9" in found["not_shown_because"]
    assert found["events_checked"] == 8
    rewrite_event(small.recorder, 5)
    meddle(small.recorder, "UPDATE events SET actor = 'somebody' WHERE position = 5")
    refused(small, access, "log position 5")


def refused(agency: Agency, access: str, *said: str) -> None:
    done = agency.run("replay-view", access)
    assert isinstance(done.exception, IntegrityFault), (done.output, done.exception)
    for each in said:
        assert each in str(done.exception)
    assert done.stdout == ""


def at_place(row: StoredRow) -> dict[str, Any]:
    return {"stream": str(row.originator_id), "version": row.originator_version}


AT = "stream_id = :stream AND version = :version"


@pytest.mark.parametrize("page", [("chart", "CLIENT"), ("billing", "rows", "--month", "2025-11")], ids=" ".join)
@pytest.mark.parametrize("topic", ["access.granted", "note.signed", "staff.registered"])
def test_a_changed_event_is_named(agency: Agency, page: tuple[str, ...], topic: str) -> None:
    _, access = read(agency, *words(agency, page))
    row = [row for row in events(agency) if row.topic == topic][-1]
    meddle(agency.recorder, f"UPDATE events SET purpose = 'treatment' WHERE {AT}", **at_place(row))  # noqa: S608
    if topic == "access.granted":
        row = [row for row in events(agency) if row.topic == topic][-1]
    refused(agency, access, f"event {row.event_id}", "is not what was recorded")


def test_a_removed_event_is_named(agency: Agency) -> None:
    _, access = read(agency, "chart", agency.clients[0])
    row = next(row for row in events(agency) if row.key == agency.clients[0] and row.originator_version == 2)
    statements = [f"DELETE FROM events WHERE {AT}"]  # noqa: S608
    if on(agency.recorder, "", "postgresql"):
        statements.insert(0, "DELETE FROM log_order WHERE position = :position")
    values = at_place(row) | ({"position": row.position} if len(statements) == 2 else {})
    meddle(agency.recorder, *statements, **values)
    refused(agency, access, f"event {row.event_id} is missing")


def test_by_which_checkpoint_it_is_covered_and_a_rewritten_log_is_named(agency: Agency, tmp_path: Path) -> None:
    parties = Parties(agency.recorder, tmp_path, agency.clock)
    events(agency)
    first = parties.seal()
    _, access = read(agency, "chart", agency.clients[0])
    found = replayed(agency, access)
    assert found["access_covered"] is None
    assert (found["shown_covered"]["size"], found["shown_covered"]["root"]) == (first.size, first.root.hex())
    changed(agency)
    events(agency)
    second = parties.seal()
    found = replayed(agency, access)
    assert (found["access_covered"]["size"], found["access_covered"]["root"]) == (second.size, second.root.hex())
    assert found["shown_covered"]["size"] == first.size
    text = agency.run("replay-view", access).stdout
    assert f"sealed checkpoint of {second.size} events, root" in text
    row = next(row for row in events(agency) if row.topic == "contact.recorded" and row.key == agency.clients[0])
    rewrite_event(agency.recorder, row.position, row.state.replace(b"T1017", b"T1016", 1))
    refused(agency, access, f"checkpoint of {first.size} events: the log does not lead to its root", "ledger verify")


def test_a_trace_is_made_again_with_the_checkpoints_and_the_keys_of_then(agency: Agency, tmp_path: Path) -> None:
    parties = Parties(agency.recorder, tmp_path, agency.clock)
    events(agency)
    parties.seal(cosigned=agency.clock.now())
    contact = agency.service(5, "09:00", 30)
    events(agency)
    parties.seal(cosigned=agency.clock.now())
    policy = tmp_path / "trust.policy"
    policy.write_text(parties.policy, encoding="utf-8")
    printed, access = read(agency, "trace", agency.note_of(contact), "--trust", str(policy))
    plain, untrusting = read(agency, "trace", agency.note_of(contact))
    assert "county" in printed
    assert printed != plain
    changed(agency)
    events(agency)
    parties.seal(cosigned=agency.clock.now())
    found = agency.read("replay-view", access, "--trust", str(policy))
    assert (found["shown"], found["differs"]) == (printed, [])
    assert found["access_covered"]["words"][0]["name"] == "county"
    assert found["access_covered"]["words"][0]["checked"]
    without = replayed(agency, access)
    assert without["shown"] != printed
    assert "made then with a policy of trust (sha256:" in without["differs"][0]
    assert replayed(agency, untrusting)["shown"] == plain
    with_setting = CliRunner(env={"LEDGER_DATABASE": agency.url, "LEDGER_ACTOR": agency.worker})
    done = with_setting.invoke(cli, ["trace", agency.note_of(contact)], env={"LEDGER_TRUST": str(policy)})
    found = agency.read("replay-view", accesses(agency)[-1], "--trust", str(policy))
    assert (found["shown"], found["differs"]) == (done.stdout, [])
    done = with_setting.invoke(cli, ["--json", "replay-view", untrusting], env={"LEDGER_TRUST": str(policy)})
    assert "made then without a policy of trust" in json.loads(done.stdout)["differs"][0]


ACTIONS: dict[str, Callable[[Agency, random.Random], None]] = {
    "change": lambda agency, chance: changed(agency, chance.choice((3, 4, 5, 6, 7, 10, 12))),
    "serve": lambda agency, chance: void(
        agency.service(
            chance.choice((3, 4, 5, 6)), f"{chance.randint(9, 16):02}:00", 15 * chance.randint(1, 4),
            client=chance.randint(0, 1), sign=chance.random() < 0.5,
        )
    ),
}  # fmt: skip


def void(_: object) -> None:
    """Nothing comes of it here."""


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(seed=st.integers(0, 2**32), steps=st.lists(st.sampled_from(["change", "serve", "read"]), min_size=4, max_size=9))
def test_at_any_moment_of_any_history_what_was_shown_is_made_again(
    tmp_path_factory: pytest.TempPathFactory, seed: int, steps: list[str]
) -> None:
    chance = random.Random(seed)
    agency = founded(f"sqlite:///{tmp_path_factory.mktemp('history') / 'ledger.db'}")
    seen = []
    for step in [*steps, "read", "change"]:
        if step == "read":
            form = chance.choice(([], ["--json"]))
            seen.append(read(agency, *form, *words(agency, chance.choice(PAGES))))
        else:
            ACTIONS[step](agency, chance)
    for printed, access in chance.sample(seen, len(seen)):
        found = replayed(agency, access)
        assert found["shown"] == printed, json.dumps(found["question"])
    agency.recorder.engine.dispose()
