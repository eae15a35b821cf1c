"""What can go wrong, in words a person can act on.

Every error of ours is a ``LedgerError``: surfaces turn it into a message and an exit code, never into a traceback.
"""

from __future__ import annotations

from dataclasses import dataclass, field


class LedgerError(Exception):
    """Any error that a user can be told about plainly."""

    exit_code = 1
    #: In a batch: the id of the command that it was about.
    command_id: str | None = None


class BadInput(LedgerError):
    """What came in cannot be read at all: a malformed value, file or setting. Nothing was written."""

    exit_code = 2


@dataclass(frozen=True)
class Reason:
    """One reason for a refusal: which field, what is wrong, and how to mend it."""

    field: str
    message: str
    mend: str = ""
    code: str = ""

    def __str__(self) -> str:
        text = f"{self.field}: {self.message}"
        return f"{text} ({self.mend})" if self.mend else text


class Refused(BadInput):
    """A command was understood and refused, with every reason at once. Nothing was written."""

    def __init__(self, reasons: tuple[Reason, ...] | list[Reason]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("; ".join(str(reason) for reason in self.reasons))


class Conflict(LedgerError):
    """Somebody else changed the same stream first; names the version that was missed."""

    exit_code = 3

    def __init__(self, stream_id: str, *, expected: int | None, actual: int | None) -> None:
        self.stream_id = stream_id
        self.expected = expected
        self.actual = actual
        seen = "?" if expected is None else expected
        now = "a later version" if actual is None else f"version {actual}"
        super().__init__(
            f"{stream_id} was changed by somebody else: you decided on version {seen}, it is now at {now}; "
            "read it again and repeat your change"
        )


class CommandReused(LedgerError):
    """A command id came back with another content."""

    exit_code = 3

    def __init__(self, command_id: str) -> None:
        self.command_id = command_id
        super().__init__(
            f"command_id: {command_id} was already used for a command with another content; "
            "give every new command an id of its own"
        )


class NotFound(LedgerError):
    """There is no such thing in the record."""

    exit_code = 4

    def __init__(self, what: str, identifier: str) -> None:
        self.what = what
        self.identifier = identifier
        super().__init__(f"there is no {what} {identifier}")


class IntegrityFault(LedgerError):
    """The record does not agree with its own proof."""

    exit_code = 5


@dataclass
class Reasons:
    """Collects every reason before refusing, so that a person mends all of them at once."""

    found: list[Reason] = field(default_factory=list)

    def unless(self, holds: bool, field_name: str, message: str, mend: str = "", code: str = "") -> bool:
        """Note a reason unless the condition holds; answers the condition, so that checks can build on it."""
        if not holds:
            self.found.append(Reason(field_name, message, mend, code))
        return holds

    def add(self, field_name: str, message: str, mend: str = "", code: str = "") -> None:
        """Note a reason."""
        self.found.append(Reason(field_name, message, mend, code))

    def refuse_if_any(self) -> None:
        if self.found:
            raise Refused(self.found)
