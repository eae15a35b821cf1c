"""TLS before a PostgreSQL server that was built without it: answers SSLRequest, shakes hands, and passes the bytes on.

A client that does not ask for TLS is refused, as ``hostssl`` alone in ``pg_hba.conf`` would.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
from pathlib import Path
from types import TracebackType

from tests.deploy.certificates import Authority

#: PostgreSQL's message with which a client asks for TLS: its length, and this code.
_SSL_REQUEST = struct.pack("!II", 8, 80877103)


class TlsFront:
    """Listens on a port of this machine. ``encrypted`` and ``refused`` count the connections."""

    def __init__(self, server: Path, authority: Authority) -> None:
        self._server = server
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(authority.certificate, authority.key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.encrypted = 0
        self.refused = 0

    def __enter__(self) -> TlsFront:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            if client.recv(8, socket.MSG_WAITALL) != _SSL_REQUEST:
                self.refused += 1
                return
            client.sendall(b"S")
            try:
                shaken = self._context.wrap_socket(client, server_side=True)
            except (ssl.SSLError, OSError):
                return  # the client does not trust this certificate
            self.encrypted += 1
            with shaken, socket.socket(socket.AF_UNIX) as server:
                server.connect(str(self._server))
                self._pass_on(shaken, server)

    @staticmethod
    def _pass_on(client: ssl.SSLSocket, server: socket.socket) -> None:
        """Both ways in one thread, since a TLS connection is no thing for two at once."""
        while True:
            ready = [client] if client.pending() else select.select([client, server], [], [])[0]
            for source, target in ((client, server), (server, client)):
                if source in ready:
                    try:
                        data = source.recv(65536)
                        target.sendall(data)
                    except OSError:
                        return
                    if not data:
                        return
