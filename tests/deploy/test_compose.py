"""``deploy/compose.yaml`` is kept true without a Docker engine: all it names exists, and it keeps what it promises."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from deploy.stack.brokers import POM
from sqlalchemy.engine import make_url

from deploy import passwords, setup
from ledger.cli.main import COMMANDS
from ledger.kafka.connection import read_kafka_settings
from ledger.settings import KNOWN, read_settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOT = {name for name, service in SERVICES.items() if service["restart"] == "no"}
OURS = {name for name, service in SERVICES.items() if service["image"].startswith("ledger:")}
#: Which database role each of our services works as.
ROLE = {
    "setup": "ledger_owner",
    "relay": "ledger_relay",
    "sealer": "ledger_sealer",
    "projector": "ledger_projector",
    "ledger": "ledger_writer",
}


def test_there_are_the_services_that_the_stack_is_made_of() -> None:
    assert set(SERVICES) == {"postgres", "kafka", "setup", "relay", "sealer", "projector", "ledger"}
    assert set(ROLE) == OURS
    assert {"setup", "ledger"} == ONE_SHOT


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_a_healthcheck_and_starts_again_or_ends_by_itself(name: str) -> None:
    service = SERVICES[name]
    if name in ONE_SHOT:
        assert "healthcheck" not in service
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] == "CMD"
        assert {"interval", "timeout", "retries", "start_period"} <= service["healthcheck"].keys()


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    assert re.fullmatch(r"[a-z/-]+:\d+\.\d+(\.\d+)?(-[a-z]+)?", SERVICES[name]["image"])


def test_the_broker_is_of_the_release_that_the_tests_run() -> None:
    pom = POM.read_text(encoding="utf-8")
    release = re.search(r"<version>(\d+\.\d+\.\d+)</version>", pom)
    assert release is not None
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{release.group(1)}"


def test_the_image_is_of_this_release() -> None:
    release = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert release is not None
    assert {SERVICES[name]["image"] for name in OURS} == {f"ledger:{release.group(1)}"}


def test_one_service_builds_the_image_and_the_others_wait_for_it_and_pull_nothing() -> None:
    """Two that build one tag end with `image … already exists`; one that may be pulled is looked for elsewhere."""
    assert [name for name, service in SERVICES.items() if "build" in service] == ["setup"]
    assert {SERVICES[name]["pull_policy"] for name in OURS} == {"never"}
    for name in OURS - {"setup"}:
        assert SERVICES[name]["image"] == SERVICES["setup"]["image"]
        assert "setup" in SERVICES[name]["depends_on"]
    assert "profiles" not in SERVICES["setup"]


@pytest.mark.parametrize("name", sorted(OURS))
def test_the_settings_are_ones_that_the_code_knows_and_takes(name: str, tmp_path: Path) -> None:
    environment: dict[str, str] = SERVICES[name]["environment"]
    assert set(environment) <= set(KNOWN)
    password = tmp_path / "password"
    password.write_text("a secret/with:signs@in it\n")
    settings = read_settings(environment | {"LEDGER_DATABASE_PASSWORD_FILE": str(password)})
    url = make_url(settings.database)
    assert (url.username, url.password, url.host, url.database) == (
        ROLE[name],
        "a secret/with:signs@in it",
        "postgres",
        SERVICES["postgres"]["environment"]["POSTGRES_DB"],
    )
    kafka = read_kafka_settings(environment)
    assert kafka is not None
    advertised = SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert [f"PLAINTEXT://{broker}" for broker in kafka.brokers] == [advertised]


@pytest.mark.parametrize("name", sorted(OURS - {"setup"}))
def test_a_service_runs_a_command_that_there_is_with_options_that_it_takes(name: str) -> None:
    _parse(SERVICES[name]["command"])


def _parse(words: list[str]) -> click.Context:
    """Read a command line as the command itself does; an option it does not know raises."""
    module, _, attribute = COMMANDS[words[0]].partition(":")
    command: click.Command = getattr(import_module(module), attribute)
    return command.make_context(words[0], words[1:], help_option_names=["-h", "--help"])


def test_a_command_line_that_is_wrong_would_be_noticed() -> None:
    with pytest.raises(click.NoSuchOption):
        _parse(["relay", "--metric-port", "1"])


def test_the_health_that_is_asked_for_is_answered_at_the_port_that_is_listened_at() -> None:
    for name in ("relay", "sealer", "projector"):
        host, port = _parse(SERVICES[name]["command"]).params["metrics"]
        assert host == "0.0.0.0"  # noqa: S104 - in a container of its own
        asked = SERVICES[name]["healthcheck"]["test"][-1]
        compile(asked, name, "exec")
        assert f"http://127.0.0.1:{port}/health/ready" in asked


def test_services_wait_for_what_they_need() -> None:
    waits = {
        name: {other: how["condition"] for other, how in service.get("depends_on", {}).items()}
        for name, service in SERVICES.items()
    }
    done = {"setup": "service_completed_successfully"}
    assert waits == {
        "postgres": {},
        "kafka": {},
        "setup": {"postgres": "service_healthy", "kafka": "service_healthy"},
        "relay": done,
        "sealer": done,
        "projector": done,
        "ledger": done,
    }


def test_the_setup_runs_with_arguments_that_it_takes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    service = SERVICES["setup"]
    assert service["entrypoint"] == ["python", "/opt/ledger/deploy/setup.py"]
    (tmp_path / "postgres").write_text("word\n")
    done: list[tuple[str, ...]] = []
    monkeypatch.setattr(setup, "run_sql", lambda url, name: done.append((name, url)))
    monkeypatch.setattr(setup, "set_passwords", lambda url, folder: done.append(("passwords", folder.name)))
    monkeypatch.setattr(setup, "ledger", lambda *words: done.append(words))
    for name, value in service["environment"].items():
        monkeypatch.setenv(name, value.replace("/run/secrets/ledger_owner", str(tmp_path / "postgres")))
    ours = {"/run/secrets/postgres": tmp_path / "postgres", "/var/lib/ledger": tmp_path}
    words = service["command"]
    for path, here in ours.items():
        words = [word.replace(path, str(here)) for word in words]
    setup.main(words)
    every = ["roles.sql", "passwords", "migrate", "grants.sql", "topic", "doctor", "tlog"]
    assert [words[0] for words in done] == every
    key = SERVICES["sealer"]["environment"]["LEDGER_SEAL_KEY"]
    assert done[6][:4] == ("tlog", "key", "new", "--name")
    assert done[6][-1] == key.replace("/var/lib/ledger", str(tmp_path))
    (tmp_path / "seal.key").touch()
    done.clear()
    setup.main(words)
    assert [words[0] for words in done] == every[:-1], "a key that is there stays"
    assert "user=postgres" in done[0][1]
    assert "user=ledger_owner" in done[3][1]
    assert done[4] == ("topic", "create", "--partitions", "6")
    for words in (done[2], done[4], done[5]):
        _parse(list(words))


def test_no_password_stands_in_the_file_and_each_service_sees_only_its_own() -> None:
    assert set(COMPOSE["secrets"]) == set(passwords.NAMES)
    assert {name: one["file"] for name, one in COMPOSE["secrets"].items()} == {
        name: f"./secrets/{name}" for name in passwords.NAMES
    }
    for name in OURS - {"setup"}:
        assert SERVICES[name]["secrets"] == [ROLE[name]]
        assert SERVICES[name]["environment"]["LEDGER_DATABASE_PASSWORD_FILE"] == f"/run/secrets/{ROLE[name]}"
    assert set(SERVICES["setup"]["secrets"]) == set(passwords.NAMES)
    for service in SERVICES.values():
        for name, value in service["environment"].items():
            assert "PASSWORD" not in name or (name.endswith("_FILE") and value.startswith("/run/secrets/"))
    assert (DEPLOY / ".gitignore").read_text(encoding="utf-8").split() == ["secrets/"]


def test_passwords_are_made_once_and_are_not_alike(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    assert passwords.make_passwords(folder) == list(passwords.NAMES)
    first = {name: (folder / name).read_text() for name in passwords.NAMES}
    assert len({len(word) for word in first.values()}) == 1
    assert len(set(first.values())) == len(first)
    assert folder.stat().st_mode & 0o077 == 0
    assert passwords.make_passwords(folder) == []
    assert {name: (folder / name).read_text() for name in passwords.NAMES} == first


def test_nothing_of_the_network_is_open_to_others_and_nothing_is_lost_with_a_container() -> None:
    for service in SERVICES.values():
        assert "ports" not in service
        assert service["networks"] == ["ledger"]
    assert SERVICES["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]
    assert SERVICES["kafka"]["volumes"] == ["kafka:" + SERVICES["kafka"]["environment"]["KAFKA_LOG_DIRS"]]
    assert SERVICES["sealer"]["volumes"] == SERVICES["setup"]["volumes"] == ["sealing:/var/lib/ledger"]
    assert set(COMPOSE["volumes"]) == {"postgres", "kafka", "sealing"}


def test_kafka_is_set_as_the_doctor_asks() -> None:
    environment = SERVICES["kafka"]["environment"]
    assert all(isinstance(value, str) for value in environment.values())
    asked = {
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE": "false",
        "KAFKA_LOG_RETENTION_MS": "-1",
        "KAFKA_LOG_RETENTION_BYTES": "-1",
        "KAFKA_LOG_CLEANUP_POLICY": "delete",
    }
    assert asked.items() <= environment.items()
    assert len(environment["CLUSTER_ID"]) == 22
    assert not environment["CLUSTER_ID"].startswith("-")
    listeners = dict(part.split("://") for part in environment["KAFKA_LISTENERS"].split(","))
    assert environment["KAFKA_CONTROLLER_QUORUM_VOTERS"] == f"1@kafka{listeners['CONTROLLER']}"
    assert environment["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://kafka{listeners['PLAINTEXT']}"


def test_the_image_is_made_of_files_that_there_are() -> None:
    build = SERVICES["setup"]["build"]
    context = (DEPLOY / build["context"]).resolve()
    assert context == ROOT
    dockerfile = context / build["dockerfile"]
    steps = dockerfile.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    let_in = {line[1:] for line in Path(f"{dockerfile}.dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source
        for step in steps
        if step.startswith("COPY ") and "--from=" not in step
        for source in shlex.split(step)[1:-1]
    }
    assert copied == let_in
    assert all((context / source).exists() for source in copied)
    assert all(re.search(r":\d+\.\d+\.\d+-", step) for step in steps if step.startswith("FROM "))
    assert "USER 10001" in steps
    assert 'ENTRYPOINT ["ledger"]' in steps
    target = next(shlex.split(step)[-1] for step in steps if "setup.py" in step)
    assert SERVICES["setup"]["entrypoint"][1] == f"{target}setup.py"


UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_runs_a_command_that_there_is_with_settings_that_are_known(unit: Path) -> None:
    lines = [line.partition("=") for line in unit.read_text(encoding="utf-8").splitlines() if "=" in line]
    settings = [(name, value) for name, _, value in lines if not name.startswith("#")]
    (start,) = (value for name, value in settings if name == "ExecStart")
    words = shlex.split(start)
    assert words[0] == "/opt/ledger/.venv/bin/ledger"
    _parse(words[1:])
    named = {value.partition("=")[0] for name, value in settings if name == "Environment"}
    assert named - {"LEDGER_SEAL_KEY"} == {"LEDGER_DATABASE_PASSWORD_FILE", "LEDGER_LOG"}
    assert named <= set(KNOWN)
    assert ("LEDGER_SEAL_KEY" in named) == (words[1] == "seal")
    assert ("Restart", "always") in settings
    assert ("NoNewPrivileges", "yes") in settings


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_says_where_its_kafka_is_and_how_its_user_comes_to_the_secrets(unit: Path) -> None:
    """Root alone reads the files under /etc/ledger; the user of the unit reads what systemd hands it."""
    words = unit.read_text(encoding="utf-8")
    comment = words.partition("[Unit]")[0]
    assert "LEDGER_KAFKA" in comment
    offered = [line[1:].partition("=") for line in words.splitlines() if re.match(r"#[A-Z]\w+=", line)]
    credentials = {value.partition(":")[0] for name, _, value in offered if name == "LoadCredential"}
    settings = dict(value.split("=%d/") for name, _, value in offered if name == "Environment")
    assert settings == {"LEDGER_KAFKA_PASSWORD_FILE": "kafka-password", "LEDGER_KAFKA_KEY": "kafka-key"}
    assert settings.keys() <= set(KNOWN)
    assert credentials == set(settings.values())


def test_there_is_a_unit_for_each_process() -> None:
    assert [unit.stem for unit in UNITS] == ["ledger-projector", "ledger-relay", "ledger-sealer"]
