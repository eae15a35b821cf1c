"""Asking others over HTTP: one request, a limit to the time and to the answer, and nothing followed elsewhere."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from ledger.errors import LedgerError

#: How long another party may take for its answer, in seconds, and how long the answer may be.
PATIENCE = 5.0
_MOST_BYTES = 1 << 20


class Unreachable(LedgerError):
    """Somebody else does not answer, or not so that it can be used; it is asked again later."""


@dataclass(frozen=True)
class Answer:
    """What came back: the status, the type of the content, the content."""

    status: int
    content_type: str
    body: bytes


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def ask(url: str, body: bytes | None = None, content_type: str = "text/plain; charset=utf-8") -> Answer:
    """GET, or POST when there is a body. A refusal is an answer too; raises ``Unreachable`` when none comes."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise Unreachable(f"{url} is not an address; write https://…")
    headers = {"User-Agent": "ledger"} | ({"Content-Type": content_type} if body is not None else {})
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - http and https only, see above
    try:
        with _OPENER.open(request, timeout=PATIENCE) as response:
            return _answer(response.status, response.headers, response.read(_MOST_BYTES + 1))
    except urllib.error.HTTPError as refused:
        with refused:
            return _answer(refused.code, refused.headers, refused.read(_MOST_BYTES + 1))
    except (OSError, ValueError, HTTPException) as fault:
        reason = getattr(fault, "reason", fault)
        raise Unreachable(f"{url} does not answer: {type(reason).__name__}") from fault


def _answer(status: int, headers: Message, body: bytes) -> Answer:
    if len(body) > _MOST_BYTES:
        raise Unreachable("the answer is longer than any checkpoint or timestamp")
    return Answer(status, headers.get_content_type(), body)
