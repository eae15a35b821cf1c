"""TLS and passwords, with real servers: PostgreSQL (verify-full, SCRAM-SHA-256) and Kafka (SASL_SSL with SCRAM-SHA-512
and PLAIN, mutual TLS, the system's certificates).

The PostgreSQL from PyPI was built without TLS, so a front ends it there, as a proxy before a database does; what the
ledger sends, checks and refuses is the same.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploy.passwords import make_passwords
from deploy.stack.brokers import Cluster, fetch_jars, free_port
from deploy.stack.postgres import Postgres
from tests.deploy.certificates import Authority, make_authority
from tests.deploy.commands import ROOT, ledger, set_up
from tests.deploy.tls_front import TlsFront

PASSWORD = "a broker's pass-word"  # noqa: S105 - of a broker that lives as long as this test


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # Not under pytest's own folder, which only its user may enter: for root PostgreSQL runs as another user.
    made = Path(tempfile.mkdtemp(prefix="ledger-tls-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return make_authority(folder / "authority")


@pytest.fixture(scope="module")
def stranger(folder: Path) -> Authority:
    """Another authority, of the same name."""
    return make_authority(folder / "stranger")


@pytest.fixture(scope="module")
def database(folder: Path, authority: Authority) -> Iterator[TlsFront]:
    """PostgreSQL over TLS, set up with a password for each role."""
    server = Postgres(folder / "postgres")
    server.start()
    server.ensure("ledger")
    server.ask_for_passwords()
    make_passwords(folder / "passwords")
    with TlsFront(Path(server.socket) / ".s.PGSQL.5432", authority) as front:
        set_up(
            over_tls(front, folder, authority, "ledger_owner"),
            "--admin",
            server.url("ledger"),
            "--passwords",
            str(folder / "passwords"),
        )
        yield front
    server.stop()


def url(front: TlsFront, role: str, **options: object) -> str:
    """A database elsewhere, as its URL is written."""
    return f"postgresql://{role}@localhost:{front.port}/ledger?" + "&".join(f"{n}={v}" for n, v in options.items())


def over_tls(front: TlsFront, folder: Path, authority: Authority, role: str) -> dict[str, str]:
    """The settings that an operator writes for a database elsewhere."""
    return {
        "LEDGER_DATABASE": url(front, role, sslmode="verify-full", sslrootcert=authority.ca),
        "LEDGER_DATABASE_PASSWORD_FILE": str(folder / "passwords" / role),
    }


@pytest.fixture(scope="module")
def mutual() -> int:
    """The port on which the broker asks its clients for a certificate."""
    return free_port()


@pytest.fixture(scope="module")
def cluster(folder: Path, authority: Authority, mutual: int) -> Iterator[Cluster]:
    """A broker that speaks TLS alone and lets nobody in without a password or a certificate."""
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule"
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule"
    broker = Cluster(
        folder / "kafka",
        fetch_jars(ROOT / "build" / "broker"),
        heap="384m",
        users={"broker": "between brokers", "ledger": PASSWORD},
        properties={
            "listeners": (
                f"SASL_SSL://127.0.0.1:{{port}},MUTUAL://127.0.0.1:{mutual},CONTROLLER://127.0.0.1:{{controller_port}}"
            ),
            "advertised.listeners": f"SASL_SSL://127.0.0.1:{{port}},MUTUAL://127.0.0.1:{mutual}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,MUTUAL:SSL",
            "listener.name.mutual.ssl.client.auth": "required",
            "inter.broker.listener.name": "SASL_SSL",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
                f'{scram} required username="broker" password="between brokers";'
            ),
            "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{plain} required user_plain="{PASSWORD}";',
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(authority.both),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(authority.ca),
        },
    )
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def kafka(cluster: Cluster, authority: Authority, tmp_path: Path) -> dict[str, str]:
    """The settings for that broker."""
    password = tmp_path / "kafka-password"
    password.write_text(PASSWORD + "\n")
    return {
        "LEDGER_KAFKA": cluster.bootstrap,
        "LEDGER_KAFKA_CA": str(authority.ca),
        "LEDGER_KAFKA_USER": "ledger",
        "LEDGER_KAFKA_PASSWORD_FILE": str(password),
    }


def test_the_database_is_used_over_tls_with_a_password(database: TlsFront, folder: Path, authority: Authority) -> None:
    done = ledger(over_tls(database, folder, authority, "ledger_writer"), "simulate", "--clients", "8", "--months", "1")
    assert done.returncode == 0, done.stderr
    # No relay runs: the status waits for places in vain, and says how many events wait for one.
    for role, command in (("ledger_projector", ("run", "--once")), ("ledger_reader", ("--json", "status"))):
        done = ledger(over_tls(database, folder, authority, role), *command)
        assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["waiting_for_a_place"] > 500
    assert "***" in found["database"]
    assert (folder / "passwords" / "ledger_reader").read_text().strip() not in done.stdout
    assert database.encrypted > 0
    assert database.refused == 0, "nothing was sent in the clear"


def test_a_server_of_another_authority_is_not_trusted(database: TlsFront, folder: Path, stranger: Authority) -> None:
    done = ledger(over_tls(database, folder, stranger, "ledger_writer"), "status")
    assert done.returncode == 1
    assert "certificate verify failed" in done.stderr


def test_the_database_lets_nobody_in_who_does_not_know_the_password(
    database: TlsFront, folder: Path, authority: Authority
) -> None:
    settings = over_tls(database, folder, authority, "ledger_writer")
    wrong = settings | {"LEDGER_DATABASE_PASSWORD_FILE": str(folder / "passwords" / "ledger_reader")}
    done = ledger(wrong, "status")
    assert done.returncode == 1
    assert "password authentication failed" in done.stderr
    assert (folder / "passwords" / "ledger_reader").read_text().strip() not in done.stderr
    del wrong["LEDGER_DATABASE_PASSWORD_FILE"]
    done = ledger(wrong, "status")
    assert done.returncode == 1
    assert "no password supplied" in done.stderr


def test_the_topic_is_made_written_and_read_over_tls_with_scram(kafka: dict[str, str], tmp_path: Path) -> None:
    first = {"LEDGER_DATABASE": f"sqlite:///{tmp_path / 'first.db'}"} | kafka
    second = {"LEDGER_DATABASE": f"sqlite:///{tmp_path / 'second.db'}"} | kafka
    assert ledger(first, "simulate", "--clients", "8", "--months", "1", "--seed", "1").returncode == 0
    for command in (("topic", "create", "--partitions", "3"), ("doctor",), ("relay", "--once")):
        done = ledger(first, *command)
        assert done.returncode == 0, done.stdout + done.stderr
    done = ledger(second, "restore", "--from-kafka")
    assert done.returncode == 0, done.stderr
    heads = []
    for settings in (first, second):
        done = ledger(settings, "--json", "verify")
        assert done.returncode == 0, done.stderr
        heads.append((json.loads(done.stdout)["head"], json.loads(done.stdout)["last_leaf"]))
    assert heads[0] == heads[1]
    assert heads[0][0] > 500
    topic = json.loads(ledger(first, "--json", "status").stdout)["topic"]
    assert topic == {"place": heads[0][0], "behind": 0, "behind_seconds": 0.0}


@pytest.mark.parametrize("wrong", ["password", "authority", "no TLS"])
def test_the_broker_lets_nobody_in_who_is_not_known_and_is_not_trusted_unseen(
    kafka: dict[str, str], stranger: Authority, tmp_path: Path, wrong: str
) -> None:
    if wrong == "password":
        Path(kafka["LEDGER_KAFKA_PASSWORD_FILE"]).write_text("guessed")
    elif wrong == "authority":
        kafka["LEDGER_KAFKA_CA"] = str(stranger.ca)
    else:
        for name in ("CA", "USER", "PASSWORD_FILE"):
            del kafka[f"LEDGER_KAFKA_{name}"]
    settings = {"LEDGER_DATABASE": f"sqlite:///{tmp_path / 'ledger.db'}"} | kafka
    done = ledger(settings, "doctor")
    assert done.returncode == 1
    assert "LEDGER_KAFKA: no broker of 127.0.0.1" in done.stderr
    assert "guessed" not in done.stderr
    if wrong == "no TLS":
        done = ledger(settings, "--json", "status")
        assert done.returncode == 0, "what can be said without the broker is said"
        assert "no broker of 127.0.0.1" in json.loads(done.stdout)["topic"]["error"]


_ROBIN = '{"family": "Example", "given": "Robin"}'


def carries_a_log(settings: dict[str, str], tmp_path: Path) -> None:
    """The topic is made, written and read with these settings."""
    settings = settings | {
        "LEDGER_DATABASE": f"sqlite:///{tmp_path / 'ledger.db'}",
        "LEDGER_KAFKA_TOPIC": f"ledger.{tmp_path.name}",
    }
    for command in (
        ("--as", "system:setup", "record", "register-client", "--name", _ROBIN, "--birth-date", "1980-01-01"),
        ("topic", "create", "--partitions", "1"),
        ("relay", "--once"),
        ("verify", "--against-kafka"),
    ):
        done = ledger(settings, *command)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_log_goes_over_tls_with_a_password_that_is_sent_as_it_is(kafka: dict[str, str], tmp_path: Path) -> None:
    plain = kafka | {"LEDGER_KAFKA_USER": "plain", "LEDGER_KAFKA_MECHANISM": "PLAIN"}
    carries_a_log(plain, tmp_path)
    Path(kafka["LEDGER_KAFKA_PASSWORD_FILE"]).write_text("guessed")
    done = ledger(plain | {"LEDGER_DATABASE": f"sqlite:///{tmp_path / 'ledger.db'}"}, "doctor")
    assert done.returncode == 1
    assert "LEDGER_KAFKA: no broker of 127.0.0.1" in done.stderr


def test_the_log_goes_over_mutual_tls(
    cluster: Cluster, mutual: int, authority: Authority, stranger: Authority, tmp_path: Path
) -> None:
    trusting = {"LEDGER_KAFKA": f"127.0.0.1:{mutual}", "LEDGER_KAFKA_CA": str(authority.ca)}
    known = {"LEDGER_KAFKA_CERTIFICATE": str(authority.certificate), "LEDGER_KAFKA_KEY": str(authority.key)}
    unknown = {"LEDGER_KAFKA_CERTIFICATE": str(stranger.certificate), "LEDGER_KAFKA_KEY": str(stranger.key)}
    assert cluster.brokers[0].running
    carries_a_log(trusting | known, tmp_path)
    for who in ({}, unknown):
        done = ledger(trusting | who | {"LEDGER_DATABASE": f"sqlite:///{tmp_path / 'ledger.db'}"}, "doctor")
        assert done.returncode == 1
        assert "LEDGER_KAFKA: no broker of 127.0.0.1" in done.stderr


def test_a_broker_with_a_certificate_that_the_system_trusts_needs_no_file(
    kafka: dict[str, str], authority: Authority, tmp_path: Path
) -> None:
    """OpenSSL reads the system's certificates from where SSL_CERT_FILE says; without it, this one is not trusted."""
    system = kafka | {"LEDGER_KAFKA_CA": "system"}
    done = ledger(system | {"LEDGER_DATABASE": f"sqlite:///{tmp_path / 'ledger.db'}"}, "doctor")
    assert done.returncode == 1
    assert "LEDGER_KAFKA: no broker of 127.0.0.1" in done.stderr
    carries_a_log(system | {"SSL_CERT_FILE": str(authority.ca)}, tmp_path)
