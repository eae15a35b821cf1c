"""Settings come from the environment; a wrong one is named with its mend, and a misspelt one is not passed over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.errors import BadInput
from ledger.kafka.connection import read_kafka_settings
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


@pytest.mark.parametrize(
    "name", ["LEDGER_DB", "LEDGER_TOPIC", "LEDGER_KAFKA_BROKERS", "LEDGER_KAFKA_TLS", "LEDGER_USER", "LEDGER_X"]
)
def test_a_name_of_ours_that_is_no_setting_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match=f"^{name}: there is no such setting; (did you mean LEDGER_|unset it)"):
        read_settings({name: "x"})


@pytest.mark.parametrize(("held", "words"), [(b"", "empty"), (b" \n", "empty"), (b"\xff\xfe", "it is not text")])
@pytest.mark.parametrize("server", ["DATABASE", "KAFKA"])
def test_a_password_file_without_a_password_is_named(server: str, held: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(held)
    (tmp_path / "ca").touch()
    settings = {
        "LEDGER_DATABASE": "postgresql://owner@host/ledger",
        "LEDGER_KAFKA": "host:9092",
        "LEDGER_KAFKA_CA": str(tmp_path / "ca"),
        "LEDGER_KAFKA_USER": "u",
    }
    with pytest.raises(BadInput, match=f"LEDGER_{server}_PASSWORD_FILE: .*{words}"):
        READ[server]({**settings, f"LEDGER_{server}_PASSWORD_FILE": str(tmp_path / "password")})


READ: dict[str, Callable[[dict[str, str]], object]] = {"DATABASE": read_settings, "KAFKA": read_kafka_settings}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("CERTIFICATE", "KEY"), "LEDGER_KAFKA_CERTIFICATE: set LEDGER_KAFKA_CA with it"),
        (("CERTIFICATE", "CA"), "LEDGER_KAFKA_CERTIFICATE: set it together with LEDGER_KAFKA_KEY"),
        (("KEY", "CA"), "LEDGER_KAFKA_CERTIFICATE: set it together with LEDGER_KAFKA_KEY"),
        (("USER", "PASSWORD_FILE"), "LEDGER_KAFKA_USER: set LEDGER_KAFKA_CA with it"),
        (("USER", "CA"), "LEDGER_KAFKA_USER: set it together with LEDGER_KAFKA_PASSWORD_FILE"),
    ],
)
def test_half_of_what_makes_kafka_secure_is_refused(given: tuple[str, ...], words: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    settings = {"LEDGER_KAFKA": "host:9092"} | {f"LEDGER_KAFKA_{each}": str(file) for each in given}
    with pytest.raises(BadInput, match=words):
        read_kafka_settings(settings)


@pytest.mark.parametrize("brokers", [",", " ", " , "])
def test_brokers_that_are_none_are_refused(brokers: str) -> None:
    with pytest.raises(BadInput, match=r"LEDGER_KAFKA: .* names no broker; write host:port"):
        read_kafka_settings({"LEDGER_KAFKA": brokers})


@pytest.mark.parametrize("topic", ["", ".", "..", "a b", "a/b"])
def test_a_topic_that_no_topic_can_be_named_is_refused(topic: str) -> None:
    with pytest.raises(BadInput, match=r"LEDGER_KAFKA_TOPIC: .* is not a topic name"):
        read_kafka_settings({"LEDGER_KAFKA": "host:9092", "LEDGER_KAFKA_TOPIC": topic})


def test_other_programs_variables_are_left_alone() -> None:
    assert read_settings({"PATH": "/bin", "LEDGER_TEST_FHIR": "/data", "DATABASE": "x"}) == Settings()
