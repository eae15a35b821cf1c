"""The entry point: ``ledger COMMAND …``. Commands load when they are asked for, so that each starts quickly.

Exit codes: 0 done; 1 an error; 2 bad input or a refusal, nothing was written; 3 a conflict with somebody else's change;
4 not found; 5 the record does not agree with its proof; 6 access not granted.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
from importlib import import_module
from typing import Any

import click
from sqlalchemy.exc import DBAPIError

from ledger.cli.session import Session, accept_json, fail
from ledger.errors import LedgerError
from ledger.kafka.connection import read_kafka_settings
from ledger.logs import configure_logs, get_logger
from ledger.policies.purposes import PURPOSES, check_purpose
from ledger.printable import safe
from ledger.settings import read_settings

log = get_logger("ledger.cli")

#: Where each command lives: name → module and attribute.
COMMANDS = {
    "topic": "ledger.cli.kafka:topic",
    "relay": "ledger.cli.kafka:relay",
    "doctor": "ledger.cli.kafka:doctor",
    "restore": "ledger.cli.restore:restore",
    "import": "ledger.cli.imports:import_",
    "migrate": "ledger.cli.operate:migrate",
    "rebuild": "ledger.cli.rebuild:rebuild",
    "certify": "ledger.cli.certify:certify",
    "retry": "ledger.cli.operate:retry",
    "run": "ledger.cli.operate:run",
    "status": "ledger.cli.operate:status",
    "verify": "ledger.cli.verify:verify",
    "record": "ledger.cli.record:record",
    "billing": "ledger.cli.billing:billing",
    "caseload": "ledger.cli.caseload:caseload",
    "trace": "ledger.cli.trace:trace",
    "evidence": "ledger.cli.evidence:evidence",
    "deadline": "ledger.cli.trace:deadline",
    "timeliness": "ledger.cli.timeliness:timeliness",
    "utilisation": "ledger.cli.utilisation:utilisation",
    "supervision": "ledger.cli.supervision:supervision",
    "chart": "ledger.cli.chart:chart",
    "access": "ledger.cli.access:access",
    "access-audit": "ledger.cli.audit:access_audit",
    "replay-view": "ledger.cli.replay_view:replay_view",
    "simulate": "ledger.cli.simulate:simulate",
    "seal": "ledger.cli.seal:seal",
    "tlog": "ledger.cli.tlog:tlog",
    "proof": "ledger.cli.proof:proof",
    "witness": "ledger.cli.witness:witness",
    "schemas": "ledger.cli.published:schemas",
    "asyncapi": "ledger.cli.published:asyncapi",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        where = COMMANDS.get(cmd_name)
        if where is None:
            return None
        module, _, attribute = where.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return accept_json(command)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--as", "actor", metavar="WHO", help="Who acts: a staff id, or system:NAME. Default: LEDGER_ACTOR.")
@click.option("--purpose", help=f"Why: {', '.join(PURPOSES)}. Default: LEDGER_PURPOSE or operations.")
@click.option("--correlation-id", help="The id that ties this to other requests; a new one by default.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read; may also follow the command.")
@click.option("--verbose", is_flag=True, help="Log more, to standard error.")
@click.version_option(package_name="ledger")
@click.pass_context
def cli(
    ctx: click.Context, /, actor: str | None, purpose: str | None, correlation_id: str | None, **flags: Any
) -> None:
    """The record of community behavioural health care: every contact, signature and plan change, for ever.

    \b
    Examples:
      ledger simulate --clients 20 --months 3 --seed 1
      ledger --as system:auditor chart CLIENT --as-known-at 2025-11-01T09:00:00-07:00
      ledger --json --as system:billing billing rows --month 2025-11
      ledger verify

    Exit codes: 0 done, 1 error, 2 bad input or refused (nothing was written), 3 conflict, 4 not found, 5 the record
    does not agree with its proof, 6 access not granted.
    """
    settings = read_settings()
    check_purpose("LEDGER_PURPOSE", settings.purpose)
    read_kafka_settings()  # a wrong one is named at start, not when the topic is first needed
    configure_logs(settings.log, verbose=flags["verbose"])
    ctx.obj = Session(
        settings,
        actor=actor or settings.actor,
        purpose=settings.purpose if purpose is None else check_purpose("--purpose", purpose),
        correlation_id=correlation_id,
        as_json=flags["as_json"],
    )
    ctx.call_on_close(ctx.obj.close)


def main() -> None:
    """Run a command; every error of ours becomes a message on standard error and an exit code."""
    as_json = "--json" in sys.argv[1:]
    configure_logs("auto")
    try:
        code = cli.main(standalone_mode=False)
        sys.stdout.flush()  # a reader that has gone away is noticed here, not while Python ends
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    except click.ClickException as fault:
        if as_json:
            fail(fault.format_message(), [], as_json=True)
        else:
            said = io.StringIO()
            fault.show(said)
            click.echo(safe(said.getvalue()), nl=False, err=True)
        sys.exit(2)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except LedgerError as fault:
        log.info("ended", error=type(fault).__name__, exit_code=fault.exit_code)
        fail(str(fault), getattr(fault, "reasons", ()), as_json=as_json)
        sys.exit(fault.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to print has no reader
        sys.exit(1)
    except Exception as fault:  # noqa: BLE001 - the last resort: whatever it is, a person is told plainly
        _unexpected(fault, as_json=as_json)
        sys.exit(1)


def _unexpected(fault: Exception, *, as_json: bool) -> None:
    """Say what went wrong without a traceback, and without what a database would add: its statement and its values."""
    original = getattr(fault, "orig", None) or fault
    of_database = isinstance(fault, DBAPIError) or type(fault).__module__.startswith("eventsourcing.")
    said = (str(original).splitlines() or [""])[0] if of_database or isinstance(fault, OSError) else ""
    what = "the database" if of_database else "unexpected"
    log.error("unexpected error", error=type(original).__name__, exit_code=1)
    fail(
        f"{what}: {type(original).__name__}{f': {said}' if said else ''}; nothing more was done "
        "(--verbose shows where it happened)",
        [],
        as_json=as_json,
    )
    if "--verbose" in sys.argv[1:]:
        traceback.print_exception(type(fault), None, fault.__traceback__, file=sys.stderr)
