"""What a question names: staff, charts and programs; refused when there is none."""

from __future__ import annotations

from ledger.aggregates.client_events import ClientRegistered
from ledger.aggregates.staff import StaffRegistered
from ledger.answers.asking import Asking
from ledger.errors import NotFound
from ledger.policies.deadline_rules import rule_book


def check_known(asking: Asking, *, staff_id: str | None = None, client_id: str | None = None) -> None:
    """Refuse a staff member or chart that the record does not have, before anything is read: ``NotFound``.

    Only the first event of its stream is looked at, by its type; nothing of a chart is opened.
    """
    for what, asked, first_type in (
        ("staff member", staff_id, StaffRegistered.TYPE),
        ("chart", client_id, ClientRegistered.TYPE),
    ):
        if asked is None:
            continue
        asking.recorder.sequence()
        first = asking.recorder.select_events(asked, limit=1)
        if not first or first[0].topic != first_type:
            raise NotFound(what, asked)


def unfit_program(name: str) -> str | None:
    """Why a name is that of no program of the rule book, with those there are; None where it is one."""
    programs = [program.id for program in rule_book().programs]
    return None if name in programs else f"there is no program {name!r}; use one of {', '.join(programs)}"


def check_program(asking: Asking, name: str | None) -> None:
    """Refuse a program that the rule book does not have: ``BadInput``."""
    if name is not None and (fault := unfit_program(name)):
        raise asking.refused("program", fault)
