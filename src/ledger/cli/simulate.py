"""``ledger simulate``: an agency's life in simulated time, into a store of its own."""

from __future__ import annotations

from datetime import date
from typing import Any

import click

from ledger.cli.session import Day, Session, pass_session
from ledger.simulation import Options, Summary, starting_clock
from ledger.simulation import simulate as live_through
from ledger.simulation.options import DEFAULT_START, FEWEST_CLIENTS, MOST_CLIENTS, MOST_MONTHS

#: What the summary counts: words, and the event types that are added up.
TOLD = (
    ("contacts", ("contact.recorded",)),
    ("notes drafted", ("note.drafted",)),
    ("notes signed", ("note.signed",)),
    ("co-signatures", ("note.cosigned",)),
    ("requests for more time", ("note.extension_requested",)),
    ("granted, refused", ("note.extension_granted", "note.extension_refused")),
    ("addenda, amendments", ("note.addendum_added", "note.amended")),
    ("corrections, entered in error", ("contact.corrected", "note.entered_in_error", "contact.entered_in_error")),
    ("supervision held, missed", ("supervision.held", "supervision.missed")),
    ("time off", ("staff.time_off_recorded",)),
    ("disputes opened, decided", ("dispute.opened", "dispute.decided")),
    ("reviews of utilisation", ("utilisation.reviewed",)),
    ("policies adopted, retired", ("policy.adopted", "policy.retired")),
    ("charts read", ("access.granted",)),
)


@click.command()
@click.option(
    "--clients",
    type=click.IntRange(FEWEST_CLIENTS, MOST_CLIENTS),
    default=40,
    show_default=True,
    help="How many charts.",
)
@click.option("--months", type=click.IntRange(1, MOST_MONTHS), default=3, show_default=True, help="For how long.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same events.")
@click.option("--start", type=Day(), default=str(DEFAULT_START), show_default=True, help="The first day.")
@pass_session
def simulate(session: Session, clients: int, months: int, seed: int, start: date) -> None:
    """Simulate an agency through the ordinary commands: schedules, late notes, disputes, a change of policy.

    The same options give the same events, ids and times included. The store must not hold later events: name a new
    one with LEDGER_DATABASE. Every name is made up.

    \b
    Examples:
      LEDGER_DATABASE=sqlite:///simulated.db ledger simulate --clients 40 --months 3 --seed 1
      ledger --json simulate --clients 500 --months 1 --start 2025-01-01
    """
    options = Options(clients=clients, months=months, seed=seed, start=start)
    session.clock = clock = starting_clock(options, session.settings.zone)
    minutes = (options.end - options.start).days * 24 * 60
    with session.progress("Simulating", minutes) as advance:
        summary = live_through(session.ledger, clock, options, passed=advance)
    session.emit({**_plain(summary), "next": next_commands(summary)}, lambda: _text(summary))


def _plain(summary: Summary) -> dict[str, Any]:
    return {name: getattr(summary, name) for name in summary.__struct_fields__}


def next_commands(summary: Summary) -> tuple[str, ...]:
    """Commands that show what was simulated, ready to be copied."""
    story = summary.story
    supervisor, compliance = f"ledger --as {story.supervisor_id}", f"ledger --as {story.compliance_id}"
    before, after = story.known_before.isoformat(), story.known_after.isoformat()
    return (
        f"{supervisor} chart {story.chart_id} --as-known-at {before}",
        f"{supervisor} chart {story.chart_id} --diff {before} {after}",
        f"{compliance} trace {story.note_id}",
        f"{supervisor} caseload --on {summary.last_day}",
        f"ledger --as {story.biller_id} billing rows --month {story.billing_month}",
        "ledger verify",
    )


def _text(summary: Summary) -> str:
    story = summary.story
    lines = [
        f"Simulated {len(summary.clients)} clients from {summary.first_day} to {summary.last_day}: "
        f"{summary.events} events, {sum(summary.refusals.values())} commands refused as they should be",
        "",
    ]
    for words, types in TOLD:
        counts = ", ".join(str(summary.by_type.get(name, 0)) for name in types)
        lines.append(f"  {words:<32} {counts}")
    lines += [
        "",
        f"The chart with a story: {story.chart_id}",
        f"The disputed note:      {story.note_id}",
        f"  a service of {story.service_on}; more time was asked for after the 72 hours; the agency's reading changed "
        f"on {story.policy_changed_on}",
        "",
        "Next:",
        *(f"  {command}" for command in next_commands(summary)),
    ]
    return "\n".join(lines)
