"""Ends connections on which nothing moves: heads never ended, bodies never sent, answers not read.

The server hands a request to us when its head has arrived; a body that comes slowly holds a thread,
and the server sets no limit to it. The kernel knows when octets last went out and came in on each
of our connections (TCP_INFO), so a look at it now and then is enough. Linux only.
"""

import logging
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

PATIENCE_MS = 15_000
"""How long a connection may stay without an octet of an answer; twice that if octets come in."""

CROWDED_PATIENCE_MS = 1_000
"""The same for unfinished requests while those take up nearly all the room there is."""

_LOOK_SECONDS = 5.0
_CROWDED_LOOK_SECONDS = 0.25
# struct tcp_info (linux/tcp.h): tcpi_last_data_sent, tcpi_last_ack_sent, tcpi_last_data_recv.
_TIMES = struct.Struct("=44xI4xI")

_log = logging.getLogger(__name__)


class Watch:
    """Watches the connections that this process accepted on one TCP port; start it after fork."""

    def __init__(self, port: int, crowded: Callable[[], bool]) -> None:
        """Watch `port`; `crowded` tells whether unfinished requests take up nearly all room."""
        self._port = port
        self._crowded = crowded
        self.ended = 0
        self._stop = threading.Event()

    def start(self) -> None:
        """Watch in a thread."""
        threading.Thread(target=self._run, name="web-watch", daemon=True).start()

    def stop(self) -> None:
        """End the thread at its next look."""
        self._stop.set()

    def look(self) -> None:
        """End what does not move now."""
        crowded = self._crowded()
        for connection in _connections(self._port):
            with connection, suppress(OSError):
                if _stands_still(connection, crowded=crowded):
                    connection.shutdown(socket.SHUT_RDWR)
                    self.ended += 1

    def _run(self) -> None:
        since = 0.0
        while not self._stop.wait(_CROWDED_LOOK_SECONDS):
            since += _CROWDED_LOOK_SECONDS
            if since < _LOOK_SECONDS and not self._crowded():
                continue
            since = 0.0
            try:
                self.look()
            except OSError:
                _log.exception("The connections could not be looked at.")


def _stands_still(connection: socket.socket, *, crowded: bool) -> bool:
    information = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TIMES.size)
    sent: int
    received: int
    sent, received = _TIMES.unpack(information)
    if crowded and received <= sent and sent > CROWDED_PATIENCE_MS:
        return True
    return sent > PATIENCE_MS and (received > PATIENCE_MS // 2 or sent > 2 * PATIENCE_MS)


def _connections(port: int) -> Iterator[socket.socket]:
    """Yield duplicates of this process's accepted connections on `port`, to be closed.

    A duplicate stays with its connection when the server closes its own descriptor meanwhile.
    """
    for each in Path("/proc/self/fd").iterdir():
        connection = _duplicate(int(each.name))
        if connection is not None and _is_ours(connection, port):
            yield connection
        elif connection is not None:
            connection.close()


def _duplicate(descriptor: int) -> socket.socket | None:
    try:
        duplicate = os.dup(descriptor)
    except OSError:
        return None
    try:
        return socket.socket(fileno=duplicate)
    except OSError:
        os.close(duplicate)
        return None


def _is_ours(connection: socket.socket, port: int) -> bool:
    if connection.family not in {socket.AF_INET, socket.AF_INET6}:
        return False
    if connection.type is not socket.SOCK_STREAM or connection.getsockname()[1] != port:
        return False
    listens = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    return not listens
