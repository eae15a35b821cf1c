"""Somebody had a file of another system taken in: who, which file, into which program.

What is in the file is recorded by the program ``system:import``, whose standing it is; every event of the file has this
event as its cause, and so the person who answers for it. Source: 45 CFR 164.312(b) (audit controls), design §1.3.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from ledger.aggregates.base import Aggregate, Given, decides
from ledger.aggregates.policy import AGENCY_KEY
from ledger.aggregates.programs import check_program
from ledger.aggregates.vocabulary import Command, Event, Id, Label, event
from ledger.errors import Reasons

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z", description="SHA-256 in hex")]


@event("import.file_taken")
class FileTaken(Event, frozen=True, kw_only=True):
    """A file was taken in, in one transaction with what it brought; ``sha256`` is that of its bytes as they came."""

    format: str
    file: str
    sha256: str
    program: str
    source: str


class TakeFile(Command, frozen=True, kw_only=True):
    """Answer for a file that is taken in. Given by every import for whoever runs it; not for people to call."""

    NAME = "take-file"
    INTERNAL = True
    import_id: Id
    format: Label
    file: Label
    sha256: Sha256
    program: Label
    source: Label


class ImportedFile(Aggregate):
    """One file taken in once; keyed by the agency."""

    KIND = "import"

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier)
        self.key = AGENCY_KEY

    def apply(self, event: Event, occurred_at: datetime) -> None:
        if not isinstance(event, FileTaken):
            raise TypeError(f"an import's stream cannot hold {event.TYPE}")

    @decides(TakeFile, on="import_id", creates=True)
    def take(self, command: TakeFile, given: Given) -> None:
        reasons = Reasons()
        check_program(reasons, command.program)
        reasons.refuse_if_any()
        self.record(
            FileTaken(
                format=command.format,
                file=command.file,
                sha256=command.sha256,
                program=command.program,
                source=command.source,
            ),
            given.occurred_at,
        )
