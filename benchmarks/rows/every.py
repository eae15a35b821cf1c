"""Every row, in the order of the table."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.bench import Bench
from benchmarks.result import Result
from benchmarks.rows.append import append_eight, append_one, append_sqlite
from benchmarks.rows.command import whole_command
from benchmarks.rows.growing import grow
from benchmarks.rows.importing import import_bundles
from benchmarks.rows.projecting import project
from benchmarks.rows.rebuilding import rebuild
from benchmarks.rows.relaying import relay
from benchmarks.rows.replaying import replay
from benchmarks.rows.restoring import restore
from benchmarks.rows.seeing import see
from benchmarks.rows.sharing import share
from benchmarks.rows.verifying import verify

#: The last one appends to the stores that the others have read.
ROWS: dict[str, Callable[[Bench], Result]] = {
    "append-sqlite": append_sqlite,
    "append-postgres": append_one,
    "append-writers": append_eight,
    "command": whole_command,
    "import": import_bundles,
    "relay": relay,
    "project": project,
    "projectors": share,
    "visible": see,
    "rebuild": rebuild,
    "restore": restore,
    "verify": verify,
    "replay": replay,
    "grow": grow,
}
