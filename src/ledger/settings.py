"""Settings: read from the environment, checked at start; a wrong one is named with its mend.

| name | meaning | default |
|---|---|---|
| ``LEDGER_DATABASE`` | where the store is: ``sqlite:///FILE`` or ``postgresql://…`` | ``sqlite:///ledger.db`` |
| ``LEDGER_DATABASE_PASSWORD_FILE`` | a file with the password of the user in ``LEDGER_DATABASE`` | none |
| ``LEDGER_ACTOR`` | who acts when no ``--as`` is given: a staff id or ``system:NAME`` | none |
| ``LEDGER_PURPOSE`` | why, when no ``--purpose`` is given | ``operations`` |
| ``LEDGER_ZONE`` | the agency's time zone | ``America/Los_Angeles`` |
| ``LEDGER_LOG`` | how log lines look: ``auto``, ``json`` or ``console`` | ``auto`` |

Those of Kafka stand in ``ledger.kafka.connection``, those of the proof in ``ledger.proof.settings``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from ledger.errors import BadInput

LogStyle = Literal["auto", "json", "console"]
#: Every setting there is, so that a misspelt one is noticed.
KNOWN = (
    "LEDGER_DATABASE",
    "LEDGER_DATABASE_PASSWORD_FILE",
    "LEDGER_ACTOR",
    "LEDGER_PURPOSE",
    "LEDGER_ZONE",
    "LEDGER_LOG",
    "LEDGER_KAFKA",
    "LEDGER_KAFKA_TOPIC",
    "LEDGER_KAFKA_CA",
    "LEDGER_KAFKA_CERTIFICATE",
    "LEDGER_KAFKA_KEY",
    "LEDGER_KAFKA_USER",
    "LEDGER_KAFKA_PASSWORD_FILE",
    "LEDGER_KAFKA_MECHANISM",
    "LEDGER_SEAL_KEY",
    "LEDGER_SEAL_TO",
    "LEDGER_TRUST",
    "LEDGER_TSA",
    "LEDGER_TSA_ROOTS",
)

#: Names that others would give to settings of ours, where the nearest by its letters is another.
_MEANT = {
    "LEDGER_KAFKA_BROKERS": "LEDGER_KAFKA",
    "LEDGER_KAFKA_BOOTSTRAP_SERVERS": "LEDGER_KAFKA",
    "LEDGER_BROKERS": "LEDGER_KAFKA",
    "LEDGER_DATABASE_URL": "LEDGER_DATABASE",
    "LEDGER_KAFKA_TLS": "LEDGER_KAFKA_CA",
    "LEDGER_KAFKA_PASSWORD": "LEDGER_KAFKA_PASSWORD_FILE",
    "LEDGER_DATABASE_PASSWORD": "LEDGER_DATABASE_PASSWORD_FILE",
}

#: What Kubernetes puts into the environment of every container for a service whose name begins with "ledger": how such
#: names end, and what stands in them.
_URL, _NUMBER, _ADDRESS, _PROTOCOL = r"(?:tcp|udp|sctp)://\S+:\d+", r"\d+", r"[0-9a-fA-F.:]+", "tcp|udp|sctp"
_SERVICE_LINKS = [
    (re.compile(rf"LEDGER(?:_[A-Z0-9_]+)?_{name}"), re.compile(value, re.ASCII))
    for name, value in (
        ("SERVICE_HOST", _ADDRESS),
        ("SERVICE_PORT(?:_[A-Z0-9_]+)?", _NUMBER),
        ("PORT", _URL),
        ("PORT_[0-9]+_(?:TCP|UDP|SCTP)", _URL),
        ("PORT_[0-9]+_(?:TCP|UDP|SCTP)_PROTO", _PROTOCOL),
        ("PORT_[0-9]+_(?:TCP|UDP|SCTP)_PORT", _NUMBER),
        ("PORT_[0-9]+_(?:TCP|UDP|SCTP)_ADDR", _ADDRESS),
    )
]

#: Names that begin so are the tests', and never a setting.
_OF_THE_TESTS = "LEDGER_TEST_"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the environment says, checked."""

    database: str = "sqlite:///ledger.db"
    actor: str | None = None
    purpose: str = "operations"
    zone: str = "America/Los_Angeles"
    log: LogStyle = "auto"


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check the settings; raises ``BadInput`` naming the setting that is wrong."""
    environment = os.environ if environment is None else environment
    for name in environment:
        if name in KNOWN or not name.startswith("LEDGER") or name.startswith(_OF_THE_TESTS):
            continue
        if _is_service_link(name, environment[name]):
            continue
        close = [_MEANT[name]] if name in _MEANT else get_close_matches(name, KNOWN, n=1, cutoff=0.6)
        if name.startswith("LEDGER_") or get_close_matches(name, KNOWN, n=1, cutoff=0.85):
            mend = f"did you mean {close[0]}?" if close else "unset it; docs/operator.md lists those there are"
            raise BadInput(f"{name}: there is no such setting; {mend}")
    zone = environment.get("LEDGER_ZONE", Settings().zone)
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as fault:
        raise BadInput(f"LEDGER_ZONE: there is no time zone {zone!r}; write one as America/Los_Angeles") from fault
    style = environment.get("LEDGER_LOG", "auto")
    if style not in ("auto", "json", "console"):
        raise BadInput(f"LEDGER_LOG: {style!r} is not a style; use auto, json or console")
    database = environment.get("LEDGER_DATABASE") or Settings().database
    password_file = environment.get("LEDGER_DATABASE_PASSWORD_FILE")
    return Settings(
        database=_with_password(database, password_file) if password_file else database,
        actor=environment.get("LEDGER_ACTOR") or None,
        purpose=environment.get("LEDGER_PURPOSE") or Settings().purpose,
        zone=zone,
        log=style,  # type: ignore[arg-type]  # checked above
    )


def _is_service_link(name: str, value: str) -> bool:
    """Whether a variable is one of those that Kubernetes makes for a service: by its name and by what it holds."""
    return any(names.fullmatch(name) and values.fullmatch(value) for names, values in _SERVICE_LINKS)


def _with_password(url: str, path: str) -> str:
    """The database URL with the password that stands in a file, so that it need not stand in the environment."""
    scheme, _, rest = url.partition("://")
    user, at, where = rest.partition("@")
    if not at or not user or ":" in user:
        raise BadInput("LEDGER_DATABASE_PASSWORD_FILE: LEDGER_DATABASE has to name a user, and no password, with it")
    try:
        password = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as fault:
        words = fault.strerror if isinstance(fault, OSError) else "it is not text"
        raise BadInput(f"LEDGER_DATABASE_PASSWORD_FILE: cannot be read: {words}") from fault
    if not password:
        raise BadInput("LEDGER_DATABASE_PASSWORD_FILE: the file is empty; write the password into it")
    return f"{scheme}://{user}:{quote(password, safe='')}@{where}"
