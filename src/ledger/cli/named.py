"""What a command line names: charts, staff, notes and programs; refused when malformed, or when there is none."""

from __future__ import annotations

from typing import Any

import click

from ledger.aggregates.client_events import ClientRegistered
from ledger.aggregates.staff import StaffRegistered
from ledger.cli.session import Session
from ledger.clock import is_id
from ledger.errors import NotFound
from ledger.policies.deadline_rules import rule_book


class Id(click.ParamType[str]):
    """The id of something in the record, as a command-line value; capitals are taken as small letters.

    ``also`` are words that may stand in its place.
    """

    name = "ID"

    def __init__(self, *also: str) -> None:
        self._also = also

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if text in self._also:
            return text
        if not is_id(text.lower()):
            mend = "write a UUID, for example 3f2b6c1e-0d4a-4e6f-9a51-7c2d1e0f9b8a"
            self.fail(f"{value!r} is not an id; {' or '.join([mend, *self._also])}", param, ctx)
        return text.lower()


class ProgramName(click.ParamType[str]):
    """A program of the rule book, as a command-line value."""

    name = "PROGRAM"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        programs = [program.id for program in rule_book().programs]
        if value not in programs:
            self.fail(f"there is no program {value!r}; use one of {', '.join(programs)}", param, ctx)
        return str(value)


def check_known(session: Session, *, staff_id: str | None = None, client_id: str | None = None) -> None:
    """Refuse a staff member or chart that the record does not have, before anything is read: ``NotFound``.

    Only the first event of its stream is looked at, by its type; nothing of a chart is opened.
    """
    for what, asked, first_type in (
        ("staff member", staff_id, StaffRegistered.TYPE),
        ("chart", client_id, ClientRegistered.TYPE),
    ):
        if asked is None:
            continue
        session.recorder.sequence()
        first = session.recorder.select_events(asked, limit=1)
        if not first or first[0].topic != first_type:
            raise NotFound(what, asked)
