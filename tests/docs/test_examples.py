"""The pages show what the commands print: every example is run again on the simulated agency."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.examples import (
    OPTIONS,
    PAGES,
    ROOT,
    Simulated,
    every_command,
    markers,
    rewritten,
    simulated,
    with_every_command,
)

COMMANDS_PAGE = ROOT / "docs" / "commands.md"


@pytest.fixture(scope="module")
def agency(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return simulated(tmp_path_factory.mktemp("agency"))


def test_every_page_shows_what_its_commands_print(agency: Simulated, tmp_path: Path) -> None:
    different: dict[str, list[str]] = {}
    for page in PAGES:
        folder = tmp_path / page.stem
        folder.mkdir()
        text = page.read_text(encoding="utf-8")
        written, now = text.splitlines(), rewritten(text, agency, folder).splitlines()
        if written != now:
            changed = [f"{a!r} is {b!r} now" for a, b in zip(written, now, strict=False) if a != b]
            different[page.name] = changed[:3] or [f"{len(written)} lines are {len(now)} now"]
    assert not different, f"write them anew with: python -m tests.docs.write_pages; {different}"


def test_a_page_that_says_something_else_is_noticed(agency: Simulated, tmp_path: Path) -> None:
    page = "<!-- run 1-1: verify -->\n```console\n$ ledger verify\n7 events\n```\n<!-- end -->\n"
    assert "2,141 events, positions 1 to 2,141, without a gap" in rewritten(page, agency, tmp_path)


def test_every_command_is_documented() -> None:
    page = COMMANDS_PAGE.read_text(encoding="utf-8")
    assert {what for kind, what in markers(page) if kind == "help"} == {"ledger", *every_command()}
    assert with_every_command(page) == page


def test_a_command_without_its_section_gets_one_in_its_place() -> None:
    page = COMMANDS_PAGE.read_text(encoding="utf-8")
    section = page[page.index("\n## witness\n") :]
    assert (
        with_every_command(page.replace(section, "\n"))
        .rstrip()
        .endswith("\n## witness\n\n<!-- help: witness -->\n<!-- end -->")
    )


def test_the_pages_tell_their_reader_the_agency_they_were_written_with() -> None:
    typed = f"ledger simulate --clients {OPTIONS.clients} --months {OPTIONS.months} --seed {OPTIONS.seed}"
    for page in PAGES:
        if page.stem != "operator":  # its reader has a store of their own
            assert typed in page.read_text(encoding="utf-8"), page.name
