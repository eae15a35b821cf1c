"""What the pages say that no command prints: links, tables, dates, paths, and the developer's example."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.docs.examples import ROOT

from ledger.projections.every import PROJECTIONS
from ledger.settings import KNOWN, Settings
from ledger.store.database import open_store

DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PATH = re.compile(r"`((?:src|tests|docs|examples|deploy)/[\w./-]+|Makefile|pyproject\.toml)`")


def prose(page: Path) -> str:
    """A page without what stands in fences."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings have, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def rows(page: Path, heading: str) -> list[list[str]]:
    """The rows of the first table after some words, cell by cell."""
    _, _, rest = page.read_text(encoding="utf-8").partition(heading)
    table = re.search(r"^\|.+\n\|[-| ]+\n((?:\|.+\n)+)", rest, re.MULTILINE)
    assert table is not None, heading
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[1].splitlines()]


def names_in(cells: list[str]) -> list[str]:
    return [name for cell in cells for name in re.findall(r"`([\w.]+)`", cell)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in _LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        found = (page.parent / file).resolve() if file else page
        assert found.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(found), f"{page.name} links to {target}; {found.name} has {sorted(anchors(found))}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_is_named_exists(page: Path) -> None:
    missing = [path for path in _PATH.findall(prose(page)) if not (ROOT / path).exists()]
    assert not missing


def test_the_operator_finds_every_setting_with_its_default() -> None:
    table = rows(DOCS / "operator.md", "## Settings")
    assert sorted(names_in([row[0] for row in table])) == sorted(KNOWN)
    defaults = {names_in(row[:1])[0]: row[-1].strip(" |") for row in table}
    told = Settings()
    assert defaults["LEDGER_DATABASE"] == f"`{told.database}`"
    assert defaults["LEDGER_PURPOSE"] == f"`{told.purpose}`"
    assert defaults["LEDGER_ZONE"] == f"`{told.zone}`"
    assert defaults["LEDGER_LOG"].startswith(f"`{told.log}`")
    assert defaults["LEDGER_ACTOR"] == str(told.actor).lower()


def test_the_auditor_finds_every_column_of_the_log(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path / 'ledger.db'}").engine.dispose()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        columns = [column[0] for column in connection.execute("SELECT * FROM log").description]
    told = names_in([row[0] for row in rows(DOCS / "auditor.md", "## Reading it with plain SQL")])
    assert sorted(told) == sorted(columns)


def test_the_dates_of_the_worked_example_are_those_that_the_trace_shows() -> None:
    page = DOCS / "compliance.md"
    shown = set(re.findall(r"\d{4}-\d\d-\d\d", "".join(_FENCE.findall(page.read_text(encoding="utf-8")))))
    example = prose(page).partition("## A worked example")[2].partition("\n## ")[0]
    told = set(re.findall(r"\d{4}-\d\d-\d\d", re.sub(r"<!--.*?-->", "", example, flags=re.DOTALL)))
    assert len(told) >= 5
    assert told <= shown


def test_the_confidences_and_tables_of_billing_are_those_of_the_data() -> None:
    page = DOCS / "billing.md"
    data = ROOT / "src" / "ledger" / "policies" / "data"
    letters = set("".join(names_in([row[0] for row in rows(page, "no program changes.")])))
    assert letters == {"S", "s", "H", "M", "L"}
    named = set(re.findall(r"`(\w+\.toml)`", prose(page)))
    assert all((data / name).exists() for name in named)
    assert {path.name for path in data.glob("billing*.toml")} <= named
    checks = re.findall(
        r'code = "([\w-]+)"', "".join(p.read_text(encoding="utf-8") for p in data.glob("billing_*.toml"))
    )
    blocks = re.findall(r"`([a-z]+(?:-[a-z]+)+)`", " ".join(row[0] for row in rows(page, "The common blocks")))
    assert blocks
    assert set(blocks) <= set(checks)


def test_the_developers_example_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The given/when/then of the page is run as it stands there."""
    page = (DOCS / "developer.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(examples) == 1
    monkeypatch.syspath_prepend(str(ROOT))
    exec(compile(examples[0], "docs/developer.md", "exec"), {})  # noqa: S102 - it is our own page
    wrong = examples[0].replace('credential="lcsw"', 'credential="amft"')
    with pytest.raises(AssertionError):
        exec(compile(wrong, "docs/developer.md", "exec"), {})  # noqa: S102 - it is our own page


def test_the_view_that_the_developer_walks_through_is_as_the_page_says() -> None:
    begin, indexes = 'caseload = Projection("caseload", 1, Assignment, ', 'indexes=(("staff_id",), ("client_id",)))'
    line = f'{begin}key=("assignment_id",), {indexes}'
    assert line in (DOCS / "developer.md").read_text(encoding="utf-8")
    assert line in (ROOT / "src" / "ledger" / "projections" / "caseload.py").read_text(encoding="utf-8")
    assert "caseload" in {projection.name for projection in PROJECTIONS}
