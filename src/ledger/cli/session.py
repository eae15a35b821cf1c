"""What every command shares: the settings, the open store, who acts, and how results are printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import structlog
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from ledger.aggregates.access import Question
from ledger.answers.ask import to_json, word_of
from ledger.answers.asking import Asking
from ledger.application.commands import Ledger, Request, Result
from ledger.application.requests import unfit_id
from ledger.cli.asked import question_of
from ledger.clock import Clock, RandomIds, unfit
from ledger.errors import BadInput, IntegrityFault, LedgerError, Reason
from ledger.policies.adoption import Adoption
from ledger.printable import escaped, safe
from ledger.settings import Settings
from ledger.store.database import HEAD_REVISION, open_engine, open_store, revision
from ledger.store.recorder import Recorder

#: Work over this many events shows a progress bar, on a terminal.
LONG = 2000


class Session(Asking):
    """One invocation of the command line, and who asks in it. The store opens when it is first needed."""

    correlation_id: str

    def __init__(
        self, settings: Settings, *, actor: str | None, purpose: str, correlation_id: str | None, as_json: bool
    ) -> None:
        super().__init__(
            surface="cli",
            actor=actor,
            purpose=purpose,
            correlation_id=RandomIds().new() if correlation_id is None else correlation_id,
        )
        self.settings = settings
        if fault := unfit_id(self.correlation_id):
            raise BadInput(f"--correlation-id: {fault}")
        self.as_json = as_json
        self._writes = True
        #: The file that the answer goes to, where one was given.
        self.out: Path | None = None
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

    @property
    def form(self) -> str:
        """The form in which the answer is shown: that of the file, or as it is printed."""
        if self.out is not None and self.out.suffix:
            return self.out.suffix.lower()
        return "json" if self.as_json else "text"

    @property
    def into_file(self) -> bool:
        return self.out is not None

    def called(self, option: str) -> str:
        """An option with its two hyphens, an argument in capitals; values behind one option are called by that."""
        if self.asked is not None and option in map(word_of, self.asked.TOGETHER):
            option = self.asked.BEHIND
        if self.asked is not None and option in map(word_of, self.asked.PLACED):
            return option.upper()
        return f"--{option}"

    def question(self) -> Question | None:
        """What the access event keeps: the question that is answered, or else the words of the command at work."""
        if self.asked is not None:
            return super().question()
        return question_of(self.now, str(self.ledger.zone), self.views, as_json=self.as_json)

    def adoptions(self) -> tuple[tuple[Adoption, ...], int]:
        """What the agency adopted, when its store can be read; nothing otherwise, for the arithmetic needs no store.

        A database that is not there, or is no store, is never made into one.
        """
        try:
            url = make_url(self.settings.database)
            if url.get_backend_name() == "sqlite":
                file = Path(url.database or "")
                if not file.is_file() or not file.stat().st_size:
                    return (), 0
            engine = open_engine(self.settings.database)
            try:
                if revision(engine) != HEAD_REVISION:
                    return (), 0
            finally:
                engine.dispose()
            return super().adoptions()
        except IntegrityFault:
            raise
        except (LedgerError, SQLAlchemyError, OSError):
            return (), 0

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
