"""What the commands about views share: finding one by its name, and refusing a role that may not keep them."""

from __future__ import annotations

from typing import Any

from ledger.cli.session import Session
from ledger.consumers.generations import check_keeper
from ledger.errors import BadInput
from ledger.projections.base import Projection
from ledger.projections.every import PROJECTIONS, find_projection


def views_named(names: tuple[str, ...]) -> list[Projection[Any]]:
    """The views of these names, each once; all of them where none is named."""
    return [view_named(name) for name in dict.fromkeys(names)] or list(PROJECTIONS)


def view_named(name: str) -> Projection[Any]:
    """The view of a name; a name that is none is refused with those there are."""
    found = find_projection(name)
    if found is None:
        raise BadInput(f"view: there is no view {name!r}; use one of {', '.join(p.name for p in PROJECTIONS)}")
    return found


def only_keeper(session: Session) -> None:
    """Refuse a role that is not the one that keeps the views, before anything is begun; it is told which one does."""
    with session.recorder.engine.connect() as connection:
        check_keeper(connection)
