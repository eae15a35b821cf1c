"""What is on record of a view: certificates over its rows, and approvals of a rebuild that changes them.

A view is derived and may be made again at any time; a certificate says which rows it had, so that a rebuild anywhere
can be held against it. Where a rebuild gives other rows, somebody approves that, by name and with a reason, before
readers see them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec

from ledger.aggregates.base import Aggregate, Given, decides
from ledger.aggregates.vocabulary import Command, Event, Id, Label, Text, event

Digest = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z", description="SHA-256 in lower-case hexadecimal: 64 digits")
]
Position = Annotated[int, msgspec.Meta(ge=1, description="a position of the log")]
Count = Annotated[int, msgspec.Meta(ge=0)]


@event("view.certified")
class ViewCertified(Event, frozen=True, kw_only=True):
    """The root over a view's rows as at a position, with the versions of projection and code that made them."""

    projection: str
    projection_version: int
    code_version: Annotated[str, msgspec.Meta(description="the release, and a digest over the code and rules it has")]
    position: Annotated[int, msgspec.Meta(description="the position of the log that the rows are as at")]
    rows: Annotated[int, msgspec.Meta(description="how many rows there are")]
    root: Annotated[str, msgspec.Meta(description="RFC 6962 root over the rows in the order of their keys, in hex")]


@event("view.rebuild_approved")
class RebuildApproved(Event, frozen=True, kw_only=True):
    """Somebody approved that readers see rebuilt rows which differ from those they saw before."""

    projection: str
    projection_version: int
    code_version: str
    position: int
    root: Annotated[str, msgspec.Meta(description="the root over the rebuilt rows as at the position, in hex")]
    replaces: Annotated[int, msgspec.Meta(description="the generation of rows that readers saw before; spent with it")]
    added: int
    changed: int
    removed: int
    reason: str


class CertifyView(Command, frozen=True, kw_only=True):
    """Record the root over a view's rows. Made by ``ledger certify`` from the rows; nobody types it."""

    NAME = "certify-view"
    INTERNAL = True
    record_id: Id
    projection: Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{1,60}\Z", description="the name of a view")]
    projection_version: Count
    code_version: Label
    position: Position
    rows: Count
    root: Digest


class ApproveRebuild(Command, frozen=True, kw_only=True):
    """Approve rebuilt rows that differ from the live ones; ``ledger rebuild`` says what there is to approve."""

    NAME = "approve-rebuild"
    record_id: Id
    projection: Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{1,60}\Z", description="the name of a view")]
    projection_version: Count
    code_version: Label
    position: Position
    root: Digest
    replaces: Count
    reason: Text
    added: Count = 0
    changed: Count = 0
    removed: Count = 0


def view_key(projection: str) -> str:
    """The key that everything on record of a view is read by."""
    return f"view-{projection}"


class ViewRecord(Aggregate):
    """One certificate or approval, a stream of its own as an access is: nobody waits for another's."""

    KIND = "view"

    def apply(self, event: Event, occurred_at: datetime) -> None:
        if not isinstance(event, ViewCertified | RebuildApproved):
            raise TypeError(f"the record of a view cannot hold {event.TYPE}")
        self.key = view_key(event.projection)

    @decides(CertifyView, on="record_id", creates=True)
    def certify(self, command: CertifyView, given: Given) -> None:
        self.record(ViewCertified(**_fields(command)), given.occurred_at)

    @decides(ApproveRebuild, on="record_id", creates=True)
    def approve(self, command: ApproveRebuild, given: Given) -> None:
        self.record(RebuildApproved(**_fields(command)), given.occurred_at)


def _fields(command: Command) -> dict[str, Any]:
    """What a command says, without the id of what it makes."""
    fields = msgspec.structs.asdict(command)
    del fields["record_id"]
    return fields
