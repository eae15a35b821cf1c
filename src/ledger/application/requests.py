"""What is asked of the ledger and what it answers; and the checks of what goes into the envelope of every event."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import msgspec

from ledger.aggregates.vocabulary import Command
from ledger.clock import unfit
from ledger.errors import LedgerError, Reason, Reasons
from ledger.logs import get_logger

log = get_logger("ledger.application")

SYSTEM = "system:"
#: Characters of the id of a command, a correlation or a causation; a UUID has 36.
LONGEST_ID = 128
_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True)
class Request:
    """One command with what its envelope needs: who, why, when it happened, and the ids that tie requests together."""

    command: Command
    actor_id: str
    purpose: str
    command_id: str
    occurred_at: datetime | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    #: The version of the stream that the decision was made on, when the caller read it before.
    expected_version: int | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the command's name and content, its actor, and when it says it happened."""
        said = self.occurred_at.isoformat() if self.occurred_at else None
        return hashlib.sha256(_encode([self.command.NAME, self.command, self.actor_id, said])).hexdigest()


@dataclass(frozen=True)
class Result:
    """What a command led to: its stream as it stands after it, and the ids and types of its events."""

    command_id: str
    stream_id: str
    version: int
    events: tuple[str, ...]
    types: tuple[str, ...] = ()
    #: True when the command had been carried out before and this is its first result.
    repeated: bool = False


def check_envelope(request: Request) -> None:
    """Refuse ids, names and times that cannot stand in an envelope, all at once, before anything is read."""
    reasons = Reasons()
    for name, value in (
        ("actor", request.actor_id),
        ("purpose", request.purpose),
        ("command_id", request.command_id),
        ("correlation_id", request.correlation_id),
        ("causation_id", request.causation_id),
    ):
        unfit_text = unfit_label if name in ("actor", "purpose") else unfit_id
        said, _, mend = ("" if value is None else unfit_text(value)).partition("; ")
        reasons.unless(not said, name, said, mend, "malformed")
    reasons.unless(request.actor_id != SYSTEM, "actor", "the program has no name", "write system:NAME", "malformed")
    version = request.expected_version
    reasons.unless(
        version is None or version >= 0,
        "expected_version",
        f"{version} is no version: a stream begins with 1",
        "give the version that you read, or 0 for none",
        "malformed",
    )
    name, moment = when(request)
    said, _, mend = ("" if moment is None else unfit(moment)).partition("; ")
    reasons.unless(not said, name, said, mend, "malformed")
    reasons.refuse_if_any()


def unfit_label(text: str) -> str:
    """Why a text cannot be an id or a label in an envelope, with the mend; empty when it can."""
    if not text.strip():
        return "it is empty; write something"
    if len(text) > 200:
        return "it is longer than 200 characters; shorten it"
    if not text.isprintable():
        return "it holds a character that cannot be printed; write it as plain UTF-8 text"
    return ""


def unfit_id(text: str) -> str:
    """Why a text cannot be the id of a command, a correlation or a causation, with the mend; empty when it can."""
    if not text:
        return "it is empty; write something"
    if len(text) > LONGEST_ID:
        return f"it is longer than {LONGEST_ID} characters; shorten it"
    if not text.isprintable():
        return "it holds a character that cannot be printed; write it as plain UTF-8 text"
    if " " in text:
        return "it holds a space; write an id in one piece, a UUID for example"
    return ""


def log_refusal(
    command: Command | type[Command], fault: LedgerError, command_id: str, correlation_id: str | None
) -> None:
    """Log that a command was not carried out: which, and the codes and fields of the reasons; never what was sent."""
    reasons: Sequence[Reason] = getattr(fault, "reasons", ())
    known = {"actor", "occurred_at", "purpose", "payload", "command_id", "content", *command.__struct_fields__}
    named = [re.split(r"[.\[]", reason.field)[0] for reason in reasons]
    log.info(
        "not carried out",
        command=command.NAME,
        command_id=command_id,
        correlation_id=correlation_id or command_id,
        error=type(fault).__name__,
        codes=sorted({reason.code for reason in reasons if reason.code}),
        fields=sorted({name if name in known else "other" for name in named}),
        count=len(reasons),
    )


def when(request: Request) -> tuple[str, datetime | None]:
    """The field that says when it happened, and the time, if either was given."""
    if request.occurred_at is None and request.command.OCCURS_AT:
        return request.command.OCCURS_AT, getattr(request.command, request.command.OCCURS_AT)
    return "occurred_at", request.occurred_at


def merged(shared: Sequence[Reason], found: Sequence[Reason]) -> list[Reason]:
    """All reasons, each once: a shared one gives way where the decision says the same of the same field."""
    said = {(reason.field, reason.message) for reason in found}
    future = {reason.field for reason in found if "in the future" in reason.message}
    if any(reason.code == "before-birth" for reason in shared):  # and so before all else that is theirs
        found = [reason for reason in found if reason.code != "out-of-order"]
    kept = [
        reason
        for reason in shared
        if (reason.field, reason.message) not in said and not (reason.code == "future" and reason.field in future)
    ]
    return [*kept, *found]
