"""The witness over HTTP: ``POST /add-checkpoint`` and ``GET /ORIGIN-HASH/checkpoint``, and nothing else.

Put it behind a server that speaks TLS when it is asked over a network. It needs no secret of whoever asks: what the log
has signed is all that counts.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ledger.errors import BadInput
from ledger.proof.witness import Reply, Witness

#: A checkpoint with many signatures of the longest kind fits well within this.
MOST_BYTES = 256 * 1024


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], witness: Witness) -> None:
        self.witness = witness
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    timeout = 10

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self.close_connection = True
            self._answer(Reply(411, "say how long the request is\n"))
        elif int(length) > MOST_BYTES:
            self.close_connection = True
            self._answer(Reply(413, "the request is too long\n"))
        else:
            body = self.rfile.read(int(length))
            known = self.path == "/add-checkpoint"
            self._answer(self.server.witness.add_checkpoint(body) if known else Reply(404, "POST /add-checkpoint\n"))

    def do_GET(self) -> None:
        origin_hash, _, rest = self.path.removeprefix("/").partition("/")
        known = rest == "checkpoint"
        self._answer(self.server.witness.checkpoint(origin_hash) if known else Reply(404, "no such page\n"))

    def _answer(self, reply: Reply) -> None:
        body = reply.body.encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        return "ledger-witness"

    def log_message(self, *_: Any) -> None:
        return


@contextmanager
def witnessing(address: tuple[str, int], witness: Witness) -> Iterator[int]:
    """Answer at an address while the block runs; yields the port (of 0, the one that was free)."""
    try:
        server = _Server(address, witness)
    except OSError as fault:
        raise BadInput(f"--listen: cannot listen at {address[0]}:{address[1]}: {fault.strerror}") from fault
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
