"""``ledger rebuild``: views made anew beside the live ones, held against certificates, approved where they differ."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click
from sqlalchemy import Connection, select

from ledger.aggregates.view import ApproveRebuild, RebuildApproved, ViewCertified
from ledger.application.commands import Request
from ledger.cli.session import Session, pass_session
from ledger.cli.views import only_keeper, views_named
from ledger.clock import RandomIds
from ledger.consumers.exclusive import exclusively
from ledger.consumers.generations import at_one_moment
from ledger.consumers.log import LocalLog
from ledger.consumers.rebuild import (
    NAMED,
    Difference,
    build_all_beside,
    compare_as_live,
    forget_build,
    switch,
)
from ledger.consumers.tables import LIVE
from ledger.errors import LedgerError
from ledger.integrity.certificates import Rooted, code_version, newest_certificate, on_record, rooted
from ledger.printable import safe
from ledger.projections.base import Projection


@click.command()
@click.argument("names", metavar="[VIEW]…", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Show the rows that would change, and change nothing.")
@click.option("--approve", "reason", metavar="REASON", help="Approve rows that change, and say why; needs --as.")
@pass_session
def rebuild(session: Session, names: tuple[str, ...], dry_run: bool, reason: str | None) -> None:
    """Rebuild views (all of them by default) beside the live ones; switch each in one transaction.

    Readers never see a half. Each view is held against its newest certificate (ledger certify) as it is built. Rows
    that would change are named, by key and columns, never by what they hold. Readers see them only after somebody
    with standing has approved them, which is recorded: with --approve, when asked on a terminal, or beforehand by
    ledger record approve-rebuild with what this command says there is to approve (then it need not be the role that
    keeps the views). A view that would change and was not approved is left as it is, and ends it with exit code 1.
    While somebody else rebuilds a view it is refused, naming them (exit code 3).

    \b
    Examples:
      ledger rebuild --dry-run
      ledger --as STAFF_ID rebuild billing --approve "the code table of 2026 was wrong for H2015"
    """
    projections = views_named(names)
    only_keeper(session)
    if reason is not None:
        _ = session.actor  # who approves is asked for before anything is built
    with exclusively(session.recorder.engine, [p.name for p in projections]) as still_alone:
        done = _rebuild(session, projections, still_alone, dry_run=dry_run, reason=reason)
    session.emit(done, lambda: f"{sum(d['switched'] for d in done)} of {len(done)} views switched")
    left = [] if dry_run else [d["projection"] for d in done if not d["switched"]]
    if left:
        raise LedgerError(
            f"not switched, because it takes somebody's approval: {', '.join(left)}; look at the rows, then give "
            "--approve REASON with --as STAFF_ID, or record the approval as said above and rebuild again"
        )


@dataclass
class _Build:
    """One view as it is rebuilt: what is on record of it, the roots it had on the way, and how it ends."""

    projection: Projection[Any]
    certificate: ViewCertified | None
    approval: RebuildApproved | None
    replaces: int
    roots: dict[int, Rooted]

    @property
    def looks(self) -> set[int]:
        return {one.position for one in (self.certificate, self.approval) if one is not None}

    @property
    def reproduced(self) -> bool | None:
        """Whether it gives what is certified; None when nothing is, or the live rows have not come so far."""
        if self.certificate is None or self.certificate.position not in self.roots:
            return None
        return self.roots[self.certificate.position].root == self.certificate.root

    @property
    def approved(self) -> bool:
        """Whether these rows were approved, to come in the place of those that readers see now."""
        found = None if self.approval is None else self.roots.get(self.approval.position)
        return found is not None and self.approval is not None and found.root == self.approval.root


def _begin(session: Session, projection: Projection[Any]) -> _Build:
    record = on_record(session.recorder, projection)
    with session.recorder.engine.connect() as connection:
        replaces = _seen(connection, projection)
    approvals = [
        one
        for one in record
        if isinstance(one, RebuildApproved) and (one.projection_version, one.replaces) == (projection.version, replaces)
    ]
    return _Build(
        projection, newest_certificate(projection, record), approvals[-1] if approvals else None, replaces, {}
    )


def _seen(connection: Connection, projection: Projection[Any]) -> int:
    """The generation that readers see; 0 when there is none."""
    return int(connection.scalar(select(LIVE.c.generation).where(LIVE.c.projection == projection.name)) or 0)


def _rebuild(
    session: Session,
    projections: Sequence[Projection[Any]],
    still_alone: Callable[[], None],
    *,
    dry_run: bool,
    reason: str | None,
) -> list[dict[str, Any]]:
    """Build the views, compare each, and switch those that are to be; nothing of the others is left behind."""
    engine = session.recorder.engine
    head = session.recorder.sequence()
    builds = {projection.name: _begin(session, projection) for projection in projections}

    def look(projection: Projection[Any], generation: int, position: int) -> None:
        builds[projection.name].roots[position] = _root(session, projection, generation, position)

    done: list[dict[str, Any]] = []
    with session.progress("Rebuilding", head) as advance:
        runner = build_all_beside(
            engine,
            LocalLog(session.recorder),
            projections,
            advance,
            as_live=True,
            looks={name: build.looks for name, build in builds.items()},
            look=look,
        )
    try:
        for projection in projections:
            generation, build = runner.building[projection.name], builds[projection.name]
            difference = compare_as_live(engine, runner, projection)
            wants = build.replaces > 0 and (not difference.same or build.reproduced is False)
            position = difference.position or 0
            told = _root(session, projection, generation, position) if wants and not build.approved else None
            if not session.as_json:
                click.echo(safe("\n".join([_difference(difference, head), *_said(build), *_to_approve(build, told)])))
            if told is not None and not dry_run:
                build.approval = _approve(session, build, told, difference, reason)
            if switched := not dry_run and (told is None or build.approval is not None):
                still_alone()
                switch(engine, runner, projection, generation)
            done.append(
                {
                    **_data(difference),
                    "generation": generation,
                    "certificate_reproduced": build.reproduced,
                    "to_approve": None if told is None else _asked(build, told, difference),
                    "switched": switched,
                }
            )
    finally:
        for projection in projections:
            forget_build(engine, projection, runner.building[projection.name])
    return done


def _root(session: Session, projection: Projection[Any], generation: int, position: int) -> Rooted:
    with at_one_moment(session.recorder.engine) as connection:
        return rooted(connection, projection, generation, position)


def _asked(build: _Build, told: Rooted, difference: Difference) -> dict[str, Any]:
    """What there is to approve: the fields of ``record approve-rebuild``."""
    return {
        "projection": told.projection,
        "projection_version": told.projection_version,
        "code_version": code_version(),
        "position": told.position,
        "root": told.root,
        "replaces": build.replaces,
        "added": difference.added,
        "changed": difference.changed,
        "removed": difference.removed,
    }


def _approve(
    session: Session, build: _Build, told: Rooted, difference: Difference, reason: str | None
) -> RebuildApproved | None:
    """Record the approval of whoever gives one, on the command line or when asked; None when nobody does."""
    if reason is None and not session.as_json and sys.stdin.isatty() and session.acts:
        reason = click.prompt(
            f"Switch {told.projection} to the rebuilt rows? Say why (nothing: leave it as it is)",
            default="",
            show_default=False,
            err=True,
        )
    if not reason:
        return None
    ids = RandomIds()
    asked = _asked(build, told, difference)
    session.execute(
        Request(
            command=ApproveRebuild(record_id=ids.new(), reason=reason, **asked),
            command_id=ids.new(),
            actor_id=session.actor,
            purpose=session.purpose,
            correlation_id=session.correlation_id,
        )
    )
    return RebuildApproved(reason=reason, **asked)


def _said(build: _Build) -> Iterator[str]:
    """How the view stands against what is on record of it."""
    certificate = build.certificate
    if certificate is not None and build.reproduced is not None:
        found = build.roots[certificate.position]
        if build.reproduced:
            yield f"  reproduces the certificate at position {certificate.position:,}: {certificate.root[:16]}…"
        else:
            yield (
                f"  DOES NOT reproduce the certificate at position {certificate.position:,}: it is over "
                f"{certificate.rows:,} rows, root {certificate.root[:16]}…; rebuilt there are {found.rows:,}, root "
                f"{found.root[:16]}…"
            )
            if certificate.code_version != code_version():
                yield f"  it was made by {certificate.code_version}; this is {code_version()}"
    if build.approved and build.approval is not None:
        yield f"  approved as at position {build.approval.position:,}: {build.approval.reason}"


def _to_approve(build: _Build, told: Rooted | None) -> Iterator[str]:
    if told is not None:
        yield (
            f"  to approve: ledger --as STAFF_ID record approve-rebuild --projection {told.projection} "
            f"--projection-version {told.projection_version} --code-version {code_version()} "
            f"--position {told.position} --root {told.root} --replaces {build.replaces} --reason WHY"
        )


_MARKS = {"added": "+", "removed": "-", "changed": "~"}


def _named(difference: Difference) -> Iterator[tuple[tuple[str, ...], str, list[str]]]:
    """The first differing rows: key, kind, and the columns that differ. Never a value: no access was recorded."""
    for key, old, new in difference.examples:
        if old is None or new is None:
            yield key, "added" if old is None else "removed", []
        else:
            columns = {**old, **new}
            yield key, "changed", [str(n) for n in columns if n not in old or n not in new or old[n] != new[n]]


def _data(difference: Difference) -> dict[str, Any]:
    """A difference for a program to read."""
    named = [{"key": key, "kind": kind, "columns": columns} for key, kind, columns in _named(difference)]
    return {**vars(difference), "examples": named}


def _difference(difference: Difference, head: int) -> str:
    at = ""
    if difference.position is not None and difference.position < head:
        at = f" (as at position {difference.position:,}, where the live rows stand; the log is at {head:,})"
    if difference.lacking:
        at = f" (the live rows lack {difference.lacking:,} of the events compared: see ledger status)"
    if difference.same:
        return f"{difference.projection}: {difference.rows:,} rows, the same as the live ones{at}"
    lines = [
        f"{difference.projection}: {difference.rows:,} rows; {difference.added:,} would be added, "
        f"{difference.changed:,} changed, {difference.removed:,} removed{at}"
    ]
    for key, kind, columns in _named(difference):
        lines.append(f"  {_MARKS[kind]} {' '.join(key)}" + (f": {', '.join(columns)}" if columns else ""))
    total = difference.added + difference.changed + difference.removed
    if total > NAMED:
        lines.append(f"  … and {total - NAMED} more")
    return "\n".join(lines)
