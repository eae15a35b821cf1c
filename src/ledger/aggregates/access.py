"""A read of charts: who saw which chart, as it stood where in the log, on which surface, why, and by which rule.

It is appended before anything is shown (design §1.8); when it cannot be, nothing is shown. One event a page or report:
compact, naming for every chart the log position it was shown at. The log only grows, so that position names the exact
version of every document of the chart. A read that was refused is on record too. Sources: ECM-10; 45 CFR 164.312(b).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import msgspec

from ledger.aggregates.base import Aggregate, Given, decides
from ledger.aggregates.vocabulary import Command, Date, Event, Id, Label, Moment, Text, event


class ChartShown(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One chart that was shown, as known at a log position, and the reader's relationship to it at that time."""

    chart_id: Id
    position: Annotated[int, msgspec.Meta(ge=0)]
    relationship: Label


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked, and what made the answer: enough to make the same page again, to the byte."""

    # The words of the command line, without those that say where the answer goes. A default is not among them: it
    # follows from ``asked_at`` and ``zone``. A file that was given (a policy of trust) is named by its digest.
    command: Annotated[str, msgspec.Meta(description="the command that was given, as chart or billing rows")]
    options: Annotated[tuple[str, ...], msgspec.Meta(description="its options and arguments, word by word")]
    form: Annotated[str, msgspec.Meta(description="text or json as printed; .txt, .json, .html or .svg for a file")]
    asked_at: Annotated[datetime, msgspec.Meta(description="what the page calls now")]
    zone: Annotated[str, msgspec.Meta(description="the agency's time zone then")]
    position: Annotated[
        int, msgspec.Meta(description="where the views stood, or the log where the page is made from it")
    ] = 0
    views: Annotated[
        dict[str, int], msgspec.Meta(description="the views that the page is made from, with their versions")
    ] = {}
    release: Annotated[str, msgspec.Meta(description="the release of ledger that made the page")] = ""
    opened_with: Annotated[
        str | None, msgspec.Meta(description="the first access of a page whose charts take several; null for one")
    ] = None


#: Absent in accesses recorded before questions were, and where no command line asked.
Asked = Question | msgspec.UnsetType


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """The rule that opened charts, and what it rested on."""

    rule: Annotated[str, msgspec.Meta(description="the id of the access rule")]
    basis: Annotated[
        str | None,
        msgspec.Meta(description="the broken glass or the assignment to an audit that it rests on"),
    ] = None
    charts: Annotated[tuple[str, ...], msgspec.Meta(description="the charts it opened; none: all of this access")] = ()
    consents: Annotated[tuple[str, ...], msgspec.Meta(description="the client's consents that it rested on")] = ()
    shut: Annotated[tuple[str, ...], msgspec.Meta(description="the segments that stayed shut without consent")] = ()
    first: Annotated[date | None, msgspec.Meta(description="the first day of service shown; null for all")] = None
    last: Annotated[date | None, msgspec.Meta(description="the last day of service shown; null for all")] = None


@event("access.granted")
class AccessGranted(Event, frozen=True, kw_only=True):
    """Charts were opened to a reader. ``resource`` is what was shown (chart, note trace, billing rows, …)."""

    reader_id: str
    surface: str
    resource: str
    purpose: str
    charts: tuple[ChartShown, ...]
    as_known_at: datetime | None = None
    as_of: date | None = None
    question: Asked = msgspec.UNSET
    #: Under which rules; absent in accesses recorded before there were any.
    decided: tuple[Decided, ...] | msgspec.UnsetType = msgspec.UNSET
    #: From where: the address that a request came from.
    address: str | msgspec.UnsetType = msgspec.UNSET
    #: How many charts the page would have shown and did not, since the reader may not open them.
    withheld: int | msgspec.UnsetType = msgspec.UNSET


@event("access.refused")
class AccessRefused(Event, frozen=True, kw_only=True):
    """Somebody asked to open charts and was refused; nothing was shown. ``charts`` are the ids as they were given."""

    reader_id: str
    surface: str
    resource: str
    purpose: str
    charts: tuple[str, ...]
    why: str
    address: str | msgspec.UnsetType = msgspec.UNSET


class GrantAccess(Command, frozen=True, kw_only=True):
    """Record that charts are about to be shown. Appended by every read; not for people to call."""

    NAME = "grant-access"
    INTERNAL = True
    access_id: Id
    surface: Label
    resource: Label
    purpose: Label
    charts: tuple[ChartShown, ...]
    as_known_at: Moment | None = None
    as_of: Date | None = None
    question: Asked = msgspec.UNSET
    decided: tuple[Decided, ...] | msgspec.UnsetType = msgspec.UNSET
    address: Label | msgspec.UnsetType = msgspec.UNSET
    withheld: int | msgspec.UnsetType = msgspec.UNSET


class RefuseAccess(Command, frozen=True, kw_only=True):
    """Record that somebody was refused. Appended by the door to charts; not for people to call."""

    NAME = "refuse-access"
    INTERNAL = True
    access_id: Id
    reader_id: Label
    surface: Label
    resource: Label
    purpose: Label
    charts: tuple[Label, ...]
    why: Text
    address: Label | msgspec.UnsetType = msgspec.UNSET


class Access(Aggregate):
    """One read, or one that was refused; a stream of its own, so that readers never wait for each other.

    Keyed by the chart, or the reader.
    """

    KIND = "access"

    def apply(self, event: Event, occurred_at: datetime) -> None:
        if isinstance(event, AccessRefused):
            self.key = event.reader_id  # what was asked for need not be a chart at all
            return
        if not isinstance(event, AccessGranted):
            raise TypeError(f"an access stream cannot hold {event.TYPE}")
        if len(event.charts) == 1:
            self.key = self.chart_id = event.charts[0].chart_id
        else:
            self.key = event.reader_id

    @decides(GrantAccess, on="access_id", creates=True)
    def grant(self, command: GrantAccess, given: Given) -> None:
        self.record(
            AccessGranted(
                reader_id=given.actor.id,
                surface=command.surface,
                resource=command.resource,
                purpose=command.purpose,
                charts=command.charts,
                as_known_at=command.as_known_at,
                as_of=command.as_of,
                question=command.question,
                decided=command.decided,
                address=command.address,
                withheld=command.withheld,
            ),
            given.occurred_at,
        )

    @decides(RefuseAccess, on="access_id", creates=True)
    def refuse(self, command: RefuseAccess, given: Given) -> None:
        said = msgspec.structs.asdict(command)
        del said["access_id"]
        self.record(AccessRefused(**said), given.occurred_at)
