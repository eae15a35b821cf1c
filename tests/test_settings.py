"""Settings come from the environment; a wrong one is named with its mend, and a misspelt one is not passed over."""

from __future__ import annotations

import pytest

from ledger.errors import BadInput
from ledger.settings import Settings, read_settings


def test_with_no_settings_at_all_there_is_an_embedded_default() -> None:
    assert read_settings({}) == Settings(
        database="sqlite:///ledger.db", actor=None, purpose="operations", zone="America/Los_Angeles", log="auto"
    )


def test_every_setting_is_read() -> None:
    settings = read_settings(
        {
            "LEDGER_DATABASE": "postgresql://owner@host/ledger",
            "LEDGER_ACTOR": "system:nightly",
            "LEDGER_PURPOSE": "payment",
            "LEDGER_ZONE": "America/Chicago",
            "LEDGER_LOG": "json",
        }
    )
    assert settings == Settings(
        database="postgresql://owner@host/ledger",
        actor="system:nightly",
        purpose="payment",
        zone="America/Chicago",
        log="json",
    )


@pytest.mark.parametrize("name", ["LEDGER_DATABASE", "LEDGER_ACTOR", "LEDGER_PURPOSE"])
def test_an_empty_setting_is_as_good_as_none(name: str) -> None:
    assert read_settings({name: ""}) == Settings()


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "America", "", "../etc/passwd", "America/Los_Angeles\x00"], ids=range(5)
)
def test_a_zone_that_is_none_is_named(zone: str) -> None:
    with pytest.raises(BadInput, match=r"LEDGER_ZONE: there is no time zone .* write one as America/Los_Angeles"):
        read_settings({"LEDGER_ZONE": zone})


@pytest.mark.parametrize("style", ["", "JSON", "xml"])
def test_a_style_of_log_that_is_none_is_named(style: str) -> None:
    with pytest.raises(BadInput, match=r"LEDGER_LOG: .* use auto, json or console"):
        read_settings({"LEDGER_LOG": style})


@pytest.mark.parametrize("name", ["LEDGER_DATABSE", "LEDGER_ACTORS", "LEDGER_PORPOSE", "LEDGERDATABASE"])
def test_a_misspelt_setting_is_refused_and_not_passed_over(name: str) -> None:
    with pytest.raises(BadInput, match=f"{name}: there is no such setting; did you mean LEDGER_"):
        read_settings({name: "x"})


def test_other_programs_variables_are_left_alone() -> None:
    assert read_settings({"PATH": "/bin", "LEDGER_TEST_FHIR": "/data", "DATABASE": "x"}) == Settings()
