"""Log lines: JSON in production, readable on a terminal; with correlation ids, never with client data.

A line names ids, types, positions and counts. Names, texts and payloads do not belong in one, and the last processor
drops any value that is not a plain id, number or short label.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from ledger.settings import LogStyle

#: The only keys a log line may carry; anything else is dropped, since it could hold what a client said.
ALLOWED = frozenset(
    {
        "event", "level", "timestamp", "correlation_id", "command_id", "command", "projection", "key", "position",
        "event_type", "error", "count", "seconds", "place", "head", "partition", "stream_id", "version", "file",
        "exit_code", "generation", "rows",
    }
)  # fmt: skip


def only_allowed(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop every key that is not on the list."""
    return {name: value for name, value in line.items() if name in ALLOWED}


def configure_logs(style: LogStyle, *, verbose: bool = False) -> None:
    """Set up structlog for this process; lines go to standard error."""
    readable = style == "console" or (style == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer(sort_keys=True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            only_allowed,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
