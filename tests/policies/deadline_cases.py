"""The worked cases under ``cases/``, read and typed for the tests that use them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

CASES = Path(__file__).parent / "cases"


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One start of the clock, and when each reading of the file's rule makes the document due."""

    why: str
    calendar: str
    started: datetime
    due: dict[str, datetime]


class RuleCases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All cases of one deadline rule."""

    rule: str
    cases: tuple[Case, ...]


class RatingCase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One note, and its rating under each reading, in the file's order of readings."""

    why: str
    started: datetime
    signed: datetime
    outcomes: tuple[str, ...]


class RatingCases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All cases of PSC-14."""

    readings: tuple[str, ...]
    cases: tuple[RatingCase, ...]


def deadline_cases() -> dict[str, RuleCases]:
    """The deadline cases by rule."""
    files = (msgspec.toml.decode(path.read_bytes(), type=RuleCases) for path in sorted(CASES.glob("deadlines_*.toml")))
    return {file.rule: file for file in files}


def rating_cases() -> RatingCases:
    """The PSC-14 cases."""
    return msgspec.toml.decode((CASES / "ratings_psc_14.toml").read_bytes(), type=RatingCases)
