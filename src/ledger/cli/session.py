"""What every command shares: the settings, the open store, who acts, and how results are printed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

import click
import msgspec
import structlog
from sqlalchemy import Connection

from ledger.application.commands import Ledger, Request, Result
from ledger.application.reading import open_charts
from ledger.application.requests import unfit_id
from ledger.cli.asked import question_of
from ledger.clock import Clock, RandomIds, unfit
from ledger.consumers.generations import at_one_moment
from ledger.consumers.log import LocalLog
from ledger.consumers.parking import parked_in
from ledger.consumers.runner import Runner
from ledger.errors import BadInput, Reason
from ledger.grants import Grant
from ledger.printable import escaped, safe
from ledger.projections.base import Projection
from ledger.projections.every import PROJECTIONS
from ledger.settings import Settings
from ledger.store.database import open_store
from ledger.store.recorder import Recorder

#: Work over this many events shows a progress bar, on a terminal.
LONG = 2000


@dataclass(frozen=True)
class Shown:
    """Views as they stand at one moment: the connection that sees it, and the log's position that their rows are as at.

    ``held_up`` has the earlier positions of the charts that are parked in one of them.
    """

    connection: Connection
    position: int
    held_up: dict[str, int]


class Session:
    """One invocation of the command line. The store opens when it is first needed."""

    def __init__(
        self, settings: Settings, *, actor: str | None, purpose: str, correlation_id: str | None, as_json: bool
    ) -> None:
        self.settings = settings
        self._actor = actor
        self.purpose = purpose
        self.correlation_id = RandomIds().new() if correlation_id is None else correlation_id
        if fault := unfit_id(self.correlation_id):
            raise BadInput(f"--correlation-id: {fault}")
        self.as_json = as_json
        self._writes = True
        #: The views that this command has read, with their versions: an access event names them.
        self.views: dict[str, int] = {}
        self.clock: Clock | None = None
        structlog.contextvars.bind_contextvars(correlation_id=self.correlation_id)

    @property
    def actor(self) -> str:
        """Who acts; asking for it without ``--as`` or the setting is refused."""
        if self._actor is None:
            raise BadInput("--as: say who you are: --as STAFF_ID or --as system:NAME, or set LEDGER_ACTOR")
        return self._actor

    @property
    def acts(self) -> bool:
        """Whether it is known who acts."""
        return self._actor is not None

    @cached_property
    def recorder(self) -> Recorder:
        return open_store(self.settings.database, self.clock, writes=self._writes)

    def only_read(self) -> None:
        """This command writes nothing, so that its store may lie on a read-only medium."""
        self._writes = False

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.recorder, clock=self.clock, zone=self.settings.zone)

    @cached_property
    def now(self) -> datetime:
        """What this command calls now: one moment, however long it works."""
        return self.ledger.clock.now()

    @cached_property
    def runner(self) -> Runner:
        """The runner of every view, with its tables made."""
        runner = Runner(self.recorder.engine, LocalLog(self.recorder), PROJECTIONS)
        runner.prepare()
        return runner

    def catch_up(self) -> None:
        """Bring every view up to the head of the log: here, or by waiting for the projectors where Kafka is used."""
        head = self.recorder.sequence()
        if os.environ.get("LEDGER_KAFKA"):
            self.runner.await_events(head)
            return
        if head == 0:
            self.runner.catch_up()
            return
        with self.progress("Updating the views", head) as advance:
            self.runner.catch_up(advance)

    def grant(
        self,
        charts: Iterable[str],
        resource: str,
        *,
        as_known_at: datetime | None = None,
        as_of: date | None = None,
        shown: Shown | None = None,
    ) -> Grant:
        """Record the access with what was asked, then hand out the grant to what is ``shown``."""
        stands = None if shown is None else (shown.position, shown.held_up)
        return self.open(charts, resource, as_known_at=as_known_at, as_of=as_of, stands=stands)

    def open(
        self,
        charts: Iterable[str],
        resource: str,
        *,
        as_known_at: datetime | None = None,
        as_of: date | None = None,
        stands: tuple[int, dict[str, int]] | None = None,
    ) -> Grant:
        """As :meth:`grant`, for what stands at a position, and some charts at earlier ones: ``application.reading``."""
        return open_charts(
            self.ledger,
            charts,
            reader=self.actor,
            purpose=self.purpose,
            surface="cli",
            resource=resource,
            as_known_at=as_known_at,
            as_of=as_of,
            correlation_id=self.correlation_id,
            position=None if stands is None else stands[0],
            held_up=None if stands is None else stands[1],
            question=question_of(self.now, str(self.ledger.zone), self.views, as_json=self.as_json),
        )

    @contextmanager
    def one_moment(self, *views: Projection[Any]) -> Iterator[Shown]:
        """Read views as they stand at one moment, whatever is recorded and applied meanwhile."""
        self.views |= {view.name: view.version for view in views}
        with at_one_moment(self.recorder.engine) as connection:
            position = self.runner.only(*views).place(connection)
            names = {view.name for view in views}
            parked = [one for one in parked_in(connection) if one.projection.partition(".")[0] in names]
            held_up: dict[str, int] = {}
            for one in parked:
                held_up[one.key] = min(one.position - 1, held_up.get(one.key, position))
            yield Shown(connection, position, held_up)

    def execute(self, request: Request) -> Result:
        return self.ledger.execute(request)

    def emit(self, data: Any, text: Callable[[], str]) -> None:
        """Print a result: JSON when it was asked for, otherwise the text."""
        if self.as_json:
            click.echo(to_json(data))
        else:
            click.echo(safe(text().rstrip("\n")))

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        """A progress bar on standard error, for work that takes longer than a moment and a terminal that shows it."""
        if total < LONG or not sys.stderr.isatty():
            yield lambda _: None
            return
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(label, total=total)
            yield lambda count: bar.advance(task, count)

    def close(self) -> None:
        if "recorder" in self.__dict__:
            self.recorder.engine.dispose()


def accept_json(command: click.Command) -> click.Command:
    """Let ``--json`` stand after the command's name too, and after those of a group's own commands; gives it back."""

    def turn_on(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
        session = ctx.find_object(Session)
        if value and session is not None:
            session.as_json = True

    if not any("--json" in param.opts for param in command.params):
        flag = click.Option(["--json"], is_flag=True, expose_value=False, hidden=True, callback=turn_on)
        command.params.append(flag)
    if isinstance(command, click.Group):
        for part in command.commands.values():
            accept_json(part)
    return command


pass_session = click.make_pass_decorator(Session)


def to_json(data: Any) -> str:
    """JSON as every command prints it: two spaces, keys in the order of their definition, nothing that turns a line."""
    return escaped(json.dumps(msgspec.to_builtins(data, order="deterministic"), indent=2, ensure_ascii=False))


def fail(message: str, reasons: Sequence[Reason], *, as_json: bool) -> None:
    """Say what went wrong: each reason on a line of its own, naming the field and the mend."""
    if as_json:
        listed = [{"field": r.field, "message": r.message, "mend": r.mend, "code": r.code} for r in reasons]
        click.echo(escaped(json.dumps({"error": message, "reasons": listed}, indent=2, ensure_ascii=False)), err=True)
        return
    if len(reasons) > 1:
        click.echo(f"refused, for {len(reasons)} reasons:", err=True)
    for reason in reasons:
        click.echo(safe(f"  {reason}" if len(reasons) > 1 else f"refused: {reason}"), err=True)
    if not reasons:
        click.echo(safe(f"error: {message}"), err=True)


class Moment(click.ParamType[datetime]):
    """An instant with its offset, as a command-line value."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a time; write it as 2026-11-20T15:00:00-08:00", param, ctx)
        if fault := unfit(moment):
            self.fail(f"{value!r}: {fault}", param, ctx)
        return moment


class Day(click.ParamType[date]):
    """A calendar date, as a command-line value."""

    name = "DATE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a date; write it as 2026-11-20", param, ctx)
