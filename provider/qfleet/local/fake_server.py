# SPDX-License-Identifier: Apache-2.0
"""``python -m qfleet.local.fake_server``: a Redis that fakeredis imitates, for machines without a real one.

Prints the port on which it listens, on the loopback interface, and ends when its standard input does. Nothing is
kept: its jobs are gone with it. fakeredis's own TCP server is mended in three points: answers are sent without delay,
requests are looked for every 2 ms, and an answer larger than the socket's buffer is written in parts.
"""

from __future__ import annotations

import io
import os
import select
import socket
import sys
import threading
from typing import Any

from fakeredis._clients import _tcp_server as tcp

_POLL_SECONDS = 0.002


class _WholeWriter(io.BufferedIOBase):
    """Writes all of an answer to a non-blocking socket, however long the client takes to read it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def write(self, value: Any) -> int:
        left = memoryview(value)
        size = left.nbytes
        while left:
            try:
                left = left[self._connection.send(left) :]
            except BlockingIOError:
                select.select([], [self._connection], [])
        return size


class _Handler(tcp.TCPFakeRequestHandler):
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.writer.writer = _WholeWriter(self.connection)


def main() -> None:
    """Serve until standard input ends."""
    tcp._POLL_INTERVAL = _POLL_SECONDS
    server = tcp.TcpFakeServer(("127.0.0.1", 0), server_type="redis", server_version=(7, 2))
    server.RequestHandlerClass = _Handler
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.buffer.read()
    # Threads that still serve a client must not keep the process.
    os._exit(0)


if __name__ == "__main__":
    main()
