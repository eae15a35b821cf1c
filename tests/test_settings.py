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


def test_a_certificate_that_is_none_is_named_before_any_broker_is_asked(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a letter to the county")
    named = str(tmp_path / "file")
    with pytest.raises(BadInput, match=r"LEDGER_KAFKA_CA: .*file holds no certificates"):
        read_kafka_settings({"LEDGER_KAFKA": "host:9092", "LEDGER_KAFKA_CA": named})
    settings = {"LEDGER_KAFKA": "host:9092", "LEDGER_KAFKA_CA": "system"}
    with pytest.raises(BadInput, match=r"LEDGER_KAFKA_CERTIFICATE: .*LEDGER_KAFKA_KEY"):
        read_kafka_settings({**settings, "LEDGER_KAFKA_CERTIFICATE": named, "LEDGER_KAFKA_KEY": named})


def test_a_setting_that_is_empty_is_as_none() -> None:
    found = read_kafka_settings(
        {"LEDGER_KAFKA": "host:9092", "LEDGER_KAFKA_USER": "", "LEDGER_KAFKA_PASSWORD_FILE": ""}
    )
    assert found is not None
    assert (found.user, found.password) == (None, None)
    with pytest.raises(BadInput, match="set it together with LEDGER_KAFKA_PASSWORD_FILE"):
        read_kafka_settings({"LEDGER_KAFKA": "host:9092", "LEDGER_KAFKA_USER": "u", "LEDGER_KAFKA_PASSWORD_FILE": ""})


@pytest.mark.parametrize("brokers", [",", " ", " , "])
def test_brokers_that_are_none_are_refused(brokers: str) -> None:
    with pytest.raises(BadInput, match=r"LEDGER_KAFKA: .* names no broker; write host:port"):
        read_kafka_settings({"LEDGER_KAFKA": brokers})


@pytest.mark.parametrize("topic", ["", ".", "..", "a b", "a/b"])
def test_a_topic_that_no_topic_can_be_named_is_refused(topic: str) -> None:
    with pytest.raises(BadInput, match=r"LEDGER_KAFKA_TOPIC: .* is not a topic name"):
        read_kafka_settings({"LEDGER_KAFKA": "host:9092", "LEDGER_KAFKA_TOPIC": topic})


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("LEDGER_KAFKA_BROKERS", "LEDGER_KAFKA"),
        ("LEDGER_KAFKA_BOOTSTRAP_SERVERS", "LEDGER_KAFKA"),
        ("LEDGER_DATABASE_URL", "LEDGER_DATABASE"),
        ("LEDGER_KAFKA_PASSWORD", "LEDGER_KAFKA_PASSWORD_FILE"),
    ],
)
def test_a_name_that_others_would_give_leads_to_ours(name: str, meant: str) -> None:
    with pytest.raises(BadInput, match=rf"^{name}: there is no such setting; did you mean {meant}\?$"):
        read_settings({name: "x"})


#: As Kubernetes makes them for the services "ledger" (two ports, one with a name) and "ledger-kafka", "ledger-v6".
SERVICE_LINKS = {
    "LEDGER_SERVICE_HOST": "10.0.171.239",
    "LEDGER_SERVICE_PORT": "9464",
    "LEDGER_SERVICE_PORT_METRICS": "9464",
    "LEDGER_PORT": "tcp://10.0.171.239:9464",
    "LEDGER_PORT_9464_TCP": "tcp://10.0.171.239:9464",
    "LEDGER_PORT_9464_TCP_PROTO": "tcp",
    "LEDGER_PORT_9464_TCP_PORT": "9464",
    "LEDGER_PORT_9464_TCP_ADDR": "10.0.171.239",
    "LEDGER_KAFKA_SERVICE_HOST": "10.0.171.240",
    "LEDGER_KAFKA_PORT": "udp://10.0.171.240:53",
    "LEDGER_KAFKA_PORT_53_UDP_PROTO": "udp",
    "LEDGER_V6_SERVICE_HOST": "fd00::1",
    "LEDGER_V6_PORT": "tcp://[fd00::1]:9092",
}


def test_what_kubernetes_says_of_a_service_of_our_name_is_left_alone() -> None:
    assert read_settings(SERVICE_LINKS) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LEDGER_PORT", "9464"),
        ("LEDGER_PORT", "https://host:1"),
        ("LEDGER_SERVICE_HOST", "host"),
        ("LEDGER_SERVICE_PORT", "http"),
        ("LEDGER_PORT_9464_TCP_PROTO", "https"),
        ("LEDGER_KAFKA_PORT", "9092"),
        ("LEDGER_TCP", "tcp://10.0.0.1:1"),
    ],
)
def test_what_only_looks_like_it_is_refused_as_any_other_name(name: str, value: str) -> None:
    with pytest.raises(BadInput, match=f"{name}: there is no such setting"):
        read_settings({name: value})


def test_the_certificates_of_the_system_and_no_tls_are_said_in_so_many_words(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("x")
    base = {"LEDGER_KAFKA": "host:9092"}
    user = base | {"LEDGER_KAFKA_USER": "u", "LEDGER_KAFKA_PASSWORD_FILE": str(tmp_path / "password")}
    for given, protocol in (
        (base, "PLAINTEXT"),
        (base | {"LEDGER_KAFKA_CA": "system"}, "SSL"),
        (user | {"LEDGER_KAFKA_CA": "system"}, "SASL_SSL"),
        (user | {"LEDGER_KAFKA_CA": "unencrypted"}, "SASL_PLAINTEXT"),
    ):
        settings = read_kafka_settings(given)
        assert settings is not None
        assert settings.client()["security_protocol"] == protocol
        assert settings.client().get("ssl_cafile") is None, "the client takes the system's own"
    with pytest.raises(BadInput, match=r"LEDGER_KAFKA_USER: .*LEDGER_KAFKA_CA=unencrypted"):
        read_kafka_settings(user)
    with pytest.raises(BadInput, match=r"LEDGER_KAFKA_MECHANISM: PLAIN would send the password itself"):
        read_kafka_settings(user | {"LEDGER_KAFKA_CA": "unencrypted", "LEDGER_KAFKA_MECHANISM": "PLAIN"})
    with pytest.raises(BadInput, match=r"LEDGER_KAFKA_CA: there is no file sytem; name a file, or system"):
        read_kafka_settings(base | {"LEDGER_KAFKA_CA": "sytem"})
    half = {"LEDGER_KAFKA_CERTIFICATE": str(tmp_path / "password"), "LEDGER_KAFKA_KEY": str(tmp_path / "password")}
    with pytest.raises(BadInput, match=r"LEDGER_KAFKA_CERTIFICATE: set LEDGER_KAFKA_CA with it"):
        read_kafka_settings(base | half | {"LEDGER_KAFKA_CA": "unencrypted"})


def test_other_programs_variables_are_left_alone() -> None:
    assert read_settings({"PATH": "/bin", "LEDGER_TEST_FHIR": "/data", "DATABASE": "x"}) == Settings()
