"""A time limit for a whole conversation: what drips octet by octet is cut off too."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol


class _Connection(Protocol):
    """What smtplib and http.client give us: an object with its socket."""

    sock: socket.socket | None


@contextmanager
def within(seconds: float, connection: _Connection) -> Iterator[None]:
    """Cut the connection when the block takes longer: its reads and writes then fail at once."""

    def cut() -> None:
        with suppress(OSError):  # it was closed meanwhile
            if connection.sock is not None:
                connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
