"""The worked examples of the pages: each is run on a simulated agency, and its answer stands in the page.

A page holds markers, which readers do not see, and between a marker and its end what the command prints::

    <!-- run 1-12: --as {compliance_id} trace {note_id} -->    a command; of its answer, lines 1 to 12
    <!-- fails: verify -->                                     a command that must end with an exit code
    <!-- help: billing rows -->                                a command's help
    <!-- sql: SELECT … -->                                     a statement, and the rows it gives
    <!-- sql refused: DELETE … -->                             a statement that the store must refuse
    <!-- given: INSERT … -->                                   a statement to begin with, which the page does not show
    <!-- end -->

Names in braces are those of the simulation's story. Every page has a store of its own, so that the order of its
examples is the order on the page. ``python -m tests.docs.write_pages`` writes what stands between the markers.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click
import msgspec

from ledger.application.commands import Ledger
from ledger.cli.main import cli
from ledger.clock import SeededIds
from ledger.consumers.log import LocalLog
from ledger.consumers.runner import Runner
from ledger.projections.every import PROJECTIONS
from ledger.simulation import Options, Story, simulate, starting_clock
from ledger.store.database import open_store
from ledger.store.envelope import leaf_of, row_of
from ledger.store.recorder import LOG_COLUMNS

ROOT = Path(__file__).resolve().parents[2]
PAGES = tuple(ROOT / "docs" / f"{name}.md" for name in ("auditor", "billing", "compliance", "operator", "commands"))
#: What the pages tell their reader to type first: ``ledger simulate`` with these options.
OPTIONS = Options(clients=12, months=2, seed=7)
ZONE = "America/Los_Angeles"
_STORE = "simulated.db"
_MARKER = re.compile(
    r"<!-- (?P<kind>run|fails|help|given|sql|sql refused)(?: (?P<lines>[0-9,-]+))?: (?P<what>.+?) -->\n"
    r"(?P<answer>.*?)<!-- end -->",
    re.DOTALL,
)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HASH = re.compile(r"\b[0-9a-f]{64}\b")
_MOMENT = re.compile(
    r"(?P<day>(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?(?P<date>\d{4}-\d\d-\d\d)"
    r"(?P<time>[ T]\d\d:\d\d)(?P<seconds>:\d\d)?(?P<micro>\.\d+)?(?P<offset>\s{0,3}[-+]\d\d:\d\d|Z)?"
)
_RATE = re.compile(r"[0-9.,]+ events/s")


@dataclass(frozen=True)
class Simulated:
    """A simulated agency: its store with every view up to date, and the names of its story."""

    store: Path
    story: Story

    @property
    def names(self) -> dict[str, str]:
        """The names that a marker may use."""
        return {name: str(value) for name, value in msgspec.to_builtins(self.story).items()}


def simulated(folder: Path) -> Simulated:
    """Live through the months of ``OPTIONS``, as ``ledger simulate`` and ``ledger run --once`` do."""
    path = folder / _STORE
    clock = starting_clock(OPTIONS, ZONE)
    recorder = open_store(f"sqlite:///{path}", clock)
    ledger = Ledger(recorder, clock=clock, ids=SeededIds("pages"), zone=ZONE)
    story = simulate(ledger, clock, OPTIONS).story
    runner = Runner(recorder.engine, LocalLog(recorder), PROJECTIONS)
    runner.prepare()
    runner.catch_up()
    recorder.engine.dispose()
    return Simulated(path, story)


def rewritten(page: str, agency: Simulated, folder: Path) -> str:
    """The page with every example run again, in a folder of its own."""
    shutil.copy(agency.store, folder / _STORE)
    desk = Desk(folder, agency.names, _known(folder / _STORE, page))

    def again(found: re.Match[str]) -> str:
        kind, lines, what = found["kind"], found["lines"], found["what"]
        opened = f"<!-- {kind}{f' {lines}' if lines else ''}: {what} -->"
        answer = desk.answer(kind, what, lines)
        return f"{opened}\n{answer}\n<!-- end -->" if answer else f"{opened}\n<!-- end -->"

    with _in(folder):
        return _MARKER.sub(again, page)


def markers(page: str) -> list[tuple[str, str]]:
    """Every example of a page: its kind and what is run."""
    return [(found["kind"], found["what"]) for found in _MARKER.finditer(page)]


@dataclass
class Desk:
    """Where the examples of one page are run."""

    folder: Path
    names: dict[str, str]
    known: frozenset[str]

    def answer(self, kind: str, what: str, lines: str | None) -> str:
        """An example with its answer, as the page shows it."""
        if kind == "help":
            arguments = [*shlex.split(what), "--help"] if what != "ledger" else ["--help"]
            return _fenced("text", self.mask(_in_process(arguments)))
        asked = textwrap.dedent(what.format_map(self.names) if "{}" not in what else what).strip()
        if kind == "given":
            self._sql(asked, refused=False)
            self._give_leaves()
            return ""
        if kind.startswith("sql"):
            return (
                f"{_fenced('sql', asked)}\n\n{_fenced('text', self.mask(self._sql(asked, refused='refused' in kind)))}"
            )
        arguments = shlex.split(asked)
        said = _fails(arguments) if kind == "fails" else _in_process(arguments)
        return _fenced("console", f"$ ledger {asked}\n{_cut(self.mask(said), lines)}")

    def _give_leaves(self) -> None:
        """Give the events that a page begins with, and that a statement could not hash, the leaves they must have."""
        with contextlib.closing(sqlite3.connect(self.folder / _STORE)) as connection:
            guard = "SELECT sql FROM sqlite_master WHERE name = 'events_no_update'"
            (trigger,) = connection.execute(guard).fetchone()
            connection.execute("DROP TRIGGER events_no_update")
            unhashed = f"SELECT {', '.join(LOG_COLUMNS)} FROM events WHERE leaf = zeroblob(32)"  # noqa: S608 - our names
            for row in map(row_of, connection.execute(unhashed).fetchall()):
                leaf = leaf_of(row, row.position, row.recorded_at)
                connection.execute("UPDATE events SET leaf = ? WHERE position = ?", (leaf, row.position))
            connection.execute(trigger)
            connection.commit()

    def _sql(self, statement: str, *, refused: bool) -> str:
        with contextlib.closing(sqlite3.connect(self.folder / _STORE)) as connection:
            try:
                cursor = connection.execute(statement) if ";" not in statement else connection.executescript(statement)
                rows = [tuple(str(value) for value in row) for row in cursor.fetchall()]
                connection.commit()
            except sqlite3.Error as fault:
                if not refused:
                    raise
                return f"Error: {fault}"
            assert not refused, f"the store did not refuse: {statement}"
            if cursor.description is None:
                return "(done)"
            return _table([tuple(column[0] for column in cursor.description), *rows])

    def mask(self, text: str) -> str:
        """What differs from run to run, made the same: new ids, hashes of new events, and the time of the run."""
        today = datetime.now(UTC).date() - timedelta(days=1)
        text = _UUID.sub(lambda m: m[0] if m[0] in self.known else re.sub("[0-9a-f]", "x", m[0]), text)
        text = _HASH.sub(lambda m: m[0] if m[0] in self.known else "x" * 64, text)

        def moment(found: re.Match[str]) -> str:
            if date.fromisoformat(found["date"]) < today:
                return found[0]
            day, offset = ("Day " if found["day"] else ""), found["offset"] or ""
            seconds, micro = ":SS" if found["seconds"] else "", "." + "0" * 6 if found["micro"] else ""
            shown = "Z" if offset == "Z" else offset[:-5] + "HH:MM" if offset else ""
            return f"{day}YYYY-MM-DD{found['time'][0]}HH:MM{seconds}{micro}{shown}"

        text = _RATE.sub("N events/s", text)
        return _MOMENT.sub(moment, text)


def _known(store: Path, page: str) -> frozenset[str]:
    """Every id and every hash that is in the simulated log, or that the page itself names."""
    with contextlib.closing(sqlite3.connect(store)) as connection:
        rows = connection.execute(
            "SELECT stream_id, actor, command_id, correlation_id, CAST(payload AS TEXT), lower(hex(leaf)) FROM log"
        ).fetchall()
    asked = " ".join(found["what"] for found in _MARKER.finditer(page))
    text = "\n".join([*(" ".join(row) for row in rows), asked])
    return frozenset(_UUID.findall(text)) | frozenset(_HASH.findall(text))


@contextlib.contextmanager
def _in(folder: Path) -> Iterator[None]:
    """The folder and the settings that the examples are run with; what they change in the process is put back."""
    before = dict(os.environ)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for name in [name for name in os.environ if name.startswith("LEDGER_")]:
        del os.environ[name]
    os.environ |= {"LEDGER_DATABASE": f"sqlite:///{_STORE}", "COLUMNS": "100"}
    try:
        with contextlib.chdir(folder):
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _in_process(arguments: list[str]) -> str:
    """What a command prints that is carried out."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = cli.main(arguments, prog_name="ledger", standalone_mode=False)
    assert not code, f"ledger {shlex.join(arguments)} ended with {code}: {printed.getvalue()}"
    return printed.getvalue()


def _fails(arguments: list[str]) -> str:
    """What a command says that must not succeed, and its exit code."""
    command = Path(sys.executable).parent / "ledger"
    done = subprocess.run(
        [command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode, f"ledger {shlex.join(arguments)} was to fail: {done.stdout}"
    return f"{done.stdout}(exit code {done.returncode})"


def _cut(text: str, lines: str | None) -> str:
    """The lines asked for (``1-12,20-30``; ``-5`` is the last five), with a mark where some are left out."""
    every = text.rstrip("\n").split("\n")
    if lines is None:
        return "\n".join(every)
    shown: list[str] = []
    last = 0
    for part in lines.split(","):
        begin, _, until = part.partition("-")
        first, stop = (int(begin), int(until or begin)) if begin else (len(every) - int(until) + 1, len(every))
        assert last < first <= stop <= len(every), f"the answer has {len(every)} lines, not {part}"
        if first > last + 1:
            shown.append("…")
        shown += every[first - 1 : stop]
        last = stop
    return "\n".join([*shown, *(["…"] if last < len(every) else [])])


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _fenced(language: str, text: str) -> str:
    kept = "\n".join(line.rstrip() for line in text.rstrip("\n").split("\n"))
    return f"```{language}\n{kept}\n```"


def every_command() -> list[str]:
    """Every command and subcommand there is, as it is typed, groups before what is in them."""
    return [name for name, _ in _walk((), cli)][1:]


def _walk(path: tuple[str, ...], command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(path), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None, f"{name} is listed and does not exist"
            yield from _walk((*path, name), found)


def with_every_command(page: str) -> str:
    """The page of the commands, with every command in it, in the order of their names."""
    before, *rest = re.split(r"^## ", page, flags=re.MULTILINE)
    sections = {text.partition("\n")[0]: text.partition("\n")[2].rstrip() for text in rest}
    told = {what for kind, what in markers(page) if kind == "help"}
    for name in every_command():
        command, _, inner = name.partition(" ")
        section = sections.setdefault(command, "")
        if name not in told:
            heading = f"\n\n### {name}" if inner else ""
            sections[command] = f"{section}{heading}\n\n<!-- help: {name} -->\n<!-- end -->"
    return before + "\n\n".join(f"## {name}\n\n{sections[name].strip()}" for name in sorted(sections)) + "\n"
