"""Connecting to Kafka: brokers, topic, and the security settings, read from the environment and checked.

| name | meaning |
|---|---|
| ``LEDGER_KAFKA`` | brokers: ``host:port`` or several with commas |
| ``LEDGER_KAFKA_TOPIC`` | the topic of the log; ``ledger.events`` by default |
| ``LEDGER_KAFKA_CA`` | a file of certificates to trust, or ``system`` for those of the system; turns TLS on |
| ``LEDGER_KAFKA_CERTIFICATE``, ``LEDGER_KAFKA_KEY`` | files for mutual TLS, with the CA |
| ``LEDGER_KAFKA_USER``, ``LEDGER_KAFKA_PASSWORD_FILE`` | SASL user, and a file with the password; with the CA |
| | ``LEDGER_KAFKA_CA=unencrypted`` says that there is to be no TLS, where a user is named |
| ``LEDGER_KAFKA_MECHANISM`` | ``SCRAM-SHA-512`` by default, or ``SCRAM-SHA-256``, ``PLAIN`` |
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ledger.errors import BadInput, LedgerError

_BROKER = re.compile(r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})\Z")
_TOPIC = re.compile(r"^[A-Za-z0-9._-]{1,249}\Z")
#: What LEDGER_KAFKA_CA may say instead of naming a file: the system's own certificates, or no TLS on purpose.
SYSTEM, UNENCRYPTED = "system", "unencrypted"
_OR_SAY = f"or {SYSTEM} for the certificates that the system trusts"
_MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")


class KafkaUnreachable(LedgerError):
    """No broker answers, or none lets us in."""

    def __init__(self, settings: KafkaSettings, fault: Exception) -> None:
        super().__init__(
            f"LEDGER_KAFKA: no broker of {','.join(settings.brokers)} answers ({type(fault).__name__}); "
            "check the addresses, the network and the security settings, then: ledger doctor"
        )


class KafkaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which brokers, which topic, and how to prove who we are."""

    brokers: tuple[str, ...]
    topic: str = "ledger.events"
    #: A file of certificates, or ``SYSTEM``; without it nothing is encrypted.
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    user: str | None = None
    password: str | None = None
    mechanism: str = "SCRAM-SHA-512"

    def client(self) -> dict[str, Any]:
        """The settings as kafka-python takes them."""
        tls, sasl = self.ca is not None, self.user is not None
        found: dict[str, Any] = {
            "bootstrap_servers": list(self.brokers),
            "client_id": "ledger",
            "security_protocol": ("SASL_" if sasl else "") + ("SSL" if tls else "PLAINTEXT"),
        }
        if tls:
            # Without a file the client takes the system's; it checks the certificate and its name in either case.
            file = None if self.ca == SYSTEM else self.ca
            found |= {"ssl_cafile": file, "ssl_certfile": self.certificate, "ssl_keyfile": self.key}
        if sasl:
            found |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        return found


def read_kafka_settings(environment: Mapping[str, str] | None = None) -> KafkaSettings | None:
    """The Kafka settings of the environment, None when LEDGER_KAFKA is not set; a wrong one is named."""
    environment = os.environ if environment is None else environment
    named = environment.get("LEDGER_KAFKA", "")
    if not named:
        return None
    brokers = tuple(part.strip() for part in named.split(",") if part.strip())
    if not brokers:
        raise BadInput(f"LEDGER_KAFKA: {named!r} names no broker; write host:port, several with commas")
    for broker in brokers:
        found = _BROKER.match(broker)
        if found is None or not 0 < int(found.group(2)) < 65536:
            raise BadInput(f"LEDGER_KAFKA: {broker!r} is not a broker; write host:port, several with commas")
    topic = environment.get("LEDGER_KAFKA_TOPIC", "ledger.events")
    check_topic_name("LEDGER_KAFKA_TOPIC", topic)
    mechanism = environment.get("LEDGER_KAFKA_MECHANISM", "SCRAM-SHA-512")
    if mechanism not in _MECHANISMS:
        raise BadInput(f"LEDGER_KAFKA_MECHANISM: {mechanism!r} is not known; use one of {', '.join(_MECHANISMS)}")
    user, password_file = (environment.get(f"LEDGER_KAFKA_{each}") or None for each in ("USER", "PASSWORD_FILE"))
    if (user is None) != (password_file is None):
        raise BadInput("LEDGER_KAFKA_USER: set it together with LEDGER_KAFKA_PASSWORD_FILE")
    said = environment.get("LEDGER_KAFKA_CA")
    ca = said if said in (SYSTEM, UNENCRYPTED) else _file(environment, "LEDGER_KAFKA_CA", f"; name a file, {_OR_SAY}")
    certificate, key = (_file(environment, f"LEDGER_KAFKA_{each}") for each in ("CERTIFICATE", "KEY"))
    if (certificate is None) != (key is None):
        raise BadInput("LEDGER_KAFKA_CERTIFICATE: set it together with LEDGER_KAFKA_KEY")
    if ca in (None, UNENCRYPTED) and certificate is not None:
        raise BadInput(
            f"LEDGER_KAFKA_CERTIFICATE: set LEDGER_KAFKA_CA with it, to a file {_OR_SAY}; without that nothing is "
            "encrypted"
        )
    if ca is None and user is not None:
        raise BadInput(
            f"LEDGER_KAFKA_USER: set LEDGER_KAFKA_CA with it, to a file {_OR_SAY}; without that nothing is encrypted "
            f"(on a network that you trust with everything in the log: LEDGER_KAFKA_CA={UNENCRYPTED})"
        )
    if ca == UNENCRYPTED and user is not None and mechanism == "PLAIN":
        raise BadInput(
            f"LEDGER_KAFKA_MECHANISM: PLAIN would send the password itself, and LEDGER_KAFKA_CA={UNENCRYPTED} does not "
            "hide it; use SCRAM-SHA-512, or TLS"
        )
    password = _secret(password_file) if password_file else None
    _check_certificates(ca, certificate, key)
    return KafkaSettings(
        brokers=brokers,
        topic=topic,
        ca=None if ca == UNENCRYPTED else ca,
        certificate=certificate,
        key=key,
        user=user,
        password=password,
        mechanism=mechanism,
    )


def _check_certificates(ca: str | None, certificate: str | None, key: str | None) -> None:
    """See that the files are what they are taken for; a client would only say that no broker answers."""
    if ca not in (None, SYSTEM, UNENCRYPTED):
        try:
            ssl.create_default_context(cafile=ca)
        except (ssl.SSLError, OSError) as fault:
            raise BadInput(f"LEDGER_KAFKA_CA: {ca} holds no certificates (PEM); name such a file, {_OR_SAY}") from fault
    if certificate is not None:
        try:
            ssl.create_default_context().load_cert_chain(certificate, key, password="")
        except (ssl.SSLError, OSError) as fault:
            raise BadInput(
                f"LEDGER_KAFKA_CERTIFICATE: {certificate} and the LEDGER_KAFKA_KEY {key} are no certificate with its "
                "key (PEM, the key without a passphrase)"
            ) from fault


def check_topic_name(field: str, name: str) -> str:
    """A name that a topic can have, or ``BadInput`` naming the setting or option it came by."""
    if not _TOPIC.match(name) or name in (".", ".."):
        raise BadInput(f"{field}: {name!r} is not a topic name; use letters, digits, dots and dashes")
    return name


def _file(environment: Mapping[str, str], name: str, mend: str = "") -> str | None:
    path = environment.get(name)
    if path and not Path(path).is_file():
        raise BadInput(f"{name}: there is no file {path}{mend}")
    return path or None


def _secret(path: str) -> str:
    try:
        found = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as fault:
        words = fault.strerror if isinstance(fault, OSError) else "it is not text"
        raise BadInput(f"LEDGER_KAFKA_PASSWORD_FILE: cannot be read: {words}") from fault
    if not found:
        raise BadInput("LEDGER_KAFKA_PASSWORD_FILE: the file is empty; write the password into it")
    return found
