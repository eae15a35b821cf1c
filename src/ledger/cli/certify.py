"""``ledger certify``: the root over the rows of each view goes on record, for any rebuild to be held against."""

from __future__ import annotations

import click
import msgspec

from ledger.aggregates.view import CertifyView
from ledger.application.commands import Request
from ledger.cli.session import Session, pass_session
from ledger.cli.views import views_named
from ledger.clock import RandomIds
from ledger.integrity.certificates import Rooted, code_version, root_of_live


@click.command()
@click.argument("names", metavar="[VIEW]…", nargs=-1)
@pass_session
def certify(session: Session, names: tuple[str, ...]) -> None:
    """Record a certificate over the rows of views (all of them by default), as they are at a position of the log.

    A certificate is an event: the root over the rows, the position, the versions of the view and of the code. Whoever
    rebuilds the view from the log, anywhere, must get the same root at that position; ledger rebuild sees to it, and
    does not show readers other rows before somebody has approved them.

    \b
    Examples:
      ledger --as system:certify certify
      ledger --as system:certify certify billing timeliness
    """
    views = views_named(names)
    _ = session.actor
    session.catch_up()
    found = [root_of_live(session.recorder.engine, session.runner, view) for view in views]
    ids = RandomIds()
    session.ledger.execute_batch(
        [
            Request(
                command=CertifyView(record_id=ids.new(), code_version=code_version(), **msgspec.to_builtins(one)),
                command_id=ids.new(),
                actor_id=session.actor,
                purpose=session.purpose,
                correlation_id=session.correlation_id,
            )
            for one in found
        ]
    )
    session.emit(
        [{**msgspec.to_builtins(one), "code_version": code_version()} for one in found],
        lambda: "\n".join([*map(_line, found), f"made by {code_version()}"]),
    )


def _line(one: Rooted) -> str:
    return f"{one.projection}: {one.rows:,} rows as at position {one.position:,}, root {one.root}"
