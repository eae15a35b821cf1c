"""The ``--metrics`` option of the commands that run until stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from ledger.cli.session import Session
from ledger.clock import SystemClock
from ledger.serving.endpoints import address_of, answering
from ledger.serving.health import Health
from ledger.serving.metrics import LogMetrics, Now, registry_of


def _address(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, int] | None:
    return None if value is None else address_of(value)


METRICS = click.option(
    "--metrics",
    metavar="[HOST:]PORT",
    callback=_address,
    help="Answer /metrics, /health/live and /health/ready there, to this machine unless HOST says more.",
)


@contextmanager
def serving(
    session: Session, address: tuple[str, int] | None, health: Health, measured: Callable[[Now], LogMetrics]
) -> Iterator[None]:
    """Answer for a loop while it runs, if an address was given."""
    if address is None:
        yield
        return
    now = (session.clock or SystemClock()).now
    with answering(address, registry_of(measured(now)), health):
        yield
