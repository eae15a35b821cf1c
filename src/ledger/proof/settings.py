"""The settings of the proof, read from the environment and checked.

| name | meaning |
|---|---|
| ``LEDGER_SEAL_KEY`` | the file with the key that signs checkpoints, made by ``ledger tlog key new`` |
| ``LEDGER_SEAL_TO`` | where checkpoints go besides the store: ``file:///PATH``, ``https://…``; several with spaces |
| ``LEDGER_TRUST`` | a trust policy (c2sp.org/tlog-policy): keys of the log, witnesses, how many of them are enough |
| ``LEDGER_TSA`` | the address of an RFC 3161 time-stamping authority |
| ``LEDGER_TSA_ROOTS`` | a PEM file with the root certificates that its tokens have to lead to |
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from ledger.errors import BadInput


class ProofSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the environment says of sealing and trust; what is not set is empty."""

    key: Path | None = None
    places: tuple[str, ...] = ()
    trust: Path | None = None
    tsa: str | None = None
    tsa_roots: Path | None = None


def read_proof_settings(environment: Mapping[str, str] | None = None) -> ProofSettings:
    """The proof's settings of the environment; a wrong one is named."""
    environment = os.environ if environment is None else environment
    places = tuple(environment.get("LEDGER_SEAL_TO", "").split())
    for place in places:
        check_place(place)
    tsa = environment.get("LEDGER_TSA") or None
    if tsa is not None and urlsplit(tsa).scheme not in ("http", "https"):
        raise BadInput(f"LEDGER_TSA: {tsa!r} is not an address; write https://…")
    roots = _file(environment, "LEDGER_TSA_ROOTS")
    if (tsa is None) != (roots is None):
        raise BadInput("LEDGER_TSA: set it together with LEDGER_TSA_ROOTS, which its tokens are checked against")
    return ProofSettings(
        key=_file(environment, "LEDGER_SEAL_KEY"),
        places=places,
        trust=_file(environment, "LEDGER_TRUST"),
        tsa=tsa,
        tsa_roots=roots,
    )


def check_place(place: str) -> None:
    """Refuse a place that checkpoints cannot go to."""
    parts = urlsplit(place)
    if not ((parts.scheme in ("http", "https") and parts.netloc) or (parts.scheme == "file" and not parts.netloc)):
        raise BadInput(f"LEDGER_SEAL_TO: {place!r} is not a place; write file:///PATH or https://HOST/PATH")
    if parts.scheme == "file" and not Path(parts.path).parent.is_dir():
        raise BadInput(f"LEDGER_SEAL_TO: the folder {Path(parts.path).parent} does not exist; create it first")


def _file(environment: Mapping[str, str], name: str) -> Path | None:
    path = environment.get(name)
    if path and not Path(path).is_file():
        raise BadInput(f"{name}: there is no file {path}")
    return Path(path) if path else None
