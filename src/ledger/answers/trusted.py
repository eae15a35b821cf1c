"""Whom a command trusts: the policy file of ``--trust`` or LEDGER_TRUST."""

from __future__ import annotations

from pathlib import Path

from ledger.errors import BadInput
from ledger.proof.between import Trusted
from ledger.proof.settings import read_proof_settings
from ledger.proof.trust import Trust, read_trust

TRUST_HELP = "Whose cosignatures count: a trust policy (c2sp.org/tlog-policy). Default: LEDGER_TRUST."


def trust_of(path: Path | None, setting: str) -> Trust | None:
    """The trust policy in a file; None when there is no file."""
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        words = fault.strerror if isinstance(fault, OSError) else "it is not text"
        raise BadInput(f"{setting}: {path} cannot be read: {words}") from fault
    return read_trust(text, setting)


def trusted_by(path: Path | None) -> Trusted:
    """What is trusted for the moments that others give: the policy of ``--trust`` or LEDGER_TRUST, LEDGER_TSA_ROOTS.

    Without a policy nobody's word counts but the agency's own.
    """
    settings = read_proof_settings()
    trust = trust_of(path or settings.trust, "--trust" if path else "LEDGER_TRUST")
    roots = []
    if settings.tsa_roots is not None:
        from ledger.proof.timestamp import read_roots  # it takes a moment to import, and few have it

        roots = read_roots(settings.tsa_roots)
    witnesses = {name: each.key for name, each in trust.witnesses.items()} if trust is not None else {}
    return Trusted(trust.logs if trust is not None else (), witnesses, roots)
