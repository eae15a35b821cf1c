"""Every rule has its worked cases: each file of them holds at least 25."""

from __future__ import annotations

import tomllib

import pytest
from tests.policies.deadline_cases import CASES

FILES = sorted(CASES.glob("*.toml"))


@pytest.mark.parametrize("name", [file.name for file in FILES])
def test_every_file_of_cases_holds_at_least_twenty_five_that_differ(name: str) -> None:
    document = tomllib.loads((CASES / name).read_text(encoding="utf-8"))
    (cases,) = (document[key] for key in ("case", "cases") if key in document)
    assert len({repr(sorted(case.items())) for case in cases}) >= 25


def test_there_are_files_of_cases() -> None:
    assert len(FILES) >= 28
