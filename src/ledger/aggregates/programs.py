"""Which programs there are, as a command may name them: those of the rule book, which says what governs each."""

from __future__ import annotations

from ledger.errors import Reasons
from ledger.policies.deadline_rules import rule_book


def check_program(reasons: Reasons, program: str, field: str = "program") -> bool:
    """Note a reason unless the program is one of the rule book's."""
    known = [one.id for one in rule_book().programs]
    return reasons.unless(
        program in known,
        field,
        f"there is no program {program!r}",
        f"use one of {', '.join(known)}, or add its row to deadlines.toml",
        "unknown",
    )
