"""Log lines: JSON in production, readable on a terminal; with correlation ids, never with client data.

A line names ids, types, positions and counts. Names, texts and payloads do not belong in one: the last processor drops
every key that is not on a list, and every value that is not a plain id, number or short label.
"""

from __future__ import annotations

import logging
import re
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
        "exit_code", "generation", "rows", "codes", "fields", "commands",
    }
)  # fmt: skip

#: What a value may look like: an id, a type, a time, a short label; a line's own message may have spaces.
_LABEL = re.compile(r"[\w.:@/+\-]{0,200}\Z")
_MESSAGE = re.compile(r"[\w .,:;()'\-]{0,120}\Z")
#: The class that begins an error's text: what follows it may quote what it stumbled over.
_ERROR_CLASS = re.compile(r"[A-Za-z_][\w.]*")
_WITHHELD = "(withheld)"


def only_allowed(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop every key that is not on the list, and withhold every value that could hold what somebody said."""
    return {name: _allowed(name, value) for name, value in line.items() if name in ALLOWED}


def _allowed(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_allowed("", one) for one in value]
    text = str(value)
    if name == "error":
        found = _ERROR_CLASS.match(text)
        return found.group() if found else _WITHHELD
    return text if (_MESSAGE if name == "event" else _LABEL).match(text) else _WITHHELD


def _to_standard_error(*_: Any) -> structlog.PrintLogger:
    """Standard error as it is when the line is written, not as it was when the logs were set up."""
    return structlog.PrintLogger(sys.stderr)


def get_logger(name: str) -> Any:
    """A logger of one of our rooms; where nobody has set the logs up, they are quiet and allowed lines only."""
    if not structlog.is_configured():
        configure_logs("auto")
    return structlog.get_logger(name)


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
        logger_factory=_to_standard_error,
        cache_logger_on_first_use=False,
    )
