"""The HTTP server beside a loop: ``/metrics``, ``/health/live`` and ``/health/ready``. It only answers GET."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import structlog
from prometheus_client import CollectorRegistry, make_wsgi_app

from ledger.errors import BadInput
from ledger.serving.health import Health

log = structlog.get_logger("ledger.serving")

Respond = Callable[..., Any]


class _Server(ThreadingMixIn, WSGIServer):
    """A request is answered in a thread of its own, so that a slow one holds up nobody."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    """Asked every few seconds, it does not write a line for each."""

    timeout = 10

    def log_message(self, *_: Any) -> None:
        return


def address_of(text: str, option: str = "--metrics") -> tuple[str, int]:
    """``PORT``, or ``HOST:PORT``; without a host only this machine may ask. Raises ``BadInput`` naming the option."""
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise BadInput(f"{option}: {text!r} is not a port; write 9464, or 0.0.0.0:9464 to answer other machines")
    return host.strip("[]") or "127.0.0.1", int(port)


@contextmanager
def answering(address: tuple[str, int], registry: CollectorRegistry, health: Health) -> Iterator[int]:
    """Answer at an address while the block runs; yields the port (of 0, the one that was free)."""
    try:
        server = make_server(*address, application(registry, health), server_class=_Server, handler_class=_Quiet)
    except OSError as fault:
        raise BadInput(f"--metrics: cannot listen at {address[0]}:{address[1]}: {fault.strerror}") from fault
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def application(registry: CollectorRegistry, health: Health) -> Any:
    """The three pages as a WSGI application."""
    metrics = make_wsgi_app(registry)

    def answer(environ: dict[str, Any], respond: Respond) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            return _plain(respond, "405 Method Not Allowed", "only GET is answered here")
        if path == "/metrics":
            try:
                body: Iterable[bytes] = metrics(environ, respond)
                return body
            except Exception as fault:  # noqa: BLE001 - the database may be away; the loop is told so by its own error
                log.warning("metrics cannot be read", error=type(fault).__name__)
                return _plain(respond, "503 Service Unavailable", "the metrics cannot be read now")
        if path == "/health/live":
            return _health(respond, health.live, health)
        if path == "/health/ready":
            return _health(respond, health.ready, health)
        return _plain(respond, "404 Not Found", "/metrics, /health/live, /health/ready")

    return answer


def _health(respond: Respond, well: bool, health: Health) -> Iterable[bytes]:
    status = "200 OK" if well else "503 Service Unavailable"
    return _plain(respond, status, f"{'ok' if well else 'not ok'}: {health.words}, {health.silent:.0f} s ago")


def _plain(respond: Respond, status: str, words: str) -> Iterable[bytes]:
    body = f"{words}\n".encode()
    respond(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]
