"""Clients that never finish: they are ended, and nobody else waits for them."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.database import Database
from tests.support import relying, served
from web.ocsp import MOST_READERS
from web.watch import PATIENCE_MS

_HEAD = b"POST /ocsp HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc"


@pytest.fixture
def server(sqlite_url: str, tmp_path: Path) -> Iterator[tuple[served.Server, relying.Scene]]:
    """A running responder."""
    db = Database(sqlite_url)
    scene = relying.scene(db, SystemClock())
    with served.serve(scene, sqlite_url, tmp_path) as running:
        yield running, scene
    db.dispose()


def _open(server: served.Server, octets: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=90)
    connection.sendall(octets)
    return connection


def _seconds_until_closed(connection: socket.socket) -> float:
    began = time.monotonic()
    try:
        while connection.recv(4096):
            pass
    except OSError:
        pass
    return time.monotonic() - began


def test_a_crowd_of_unfinished_bodies(server: tuple[served.Server, relying.Scene]) -> None:
    """More unfinished bodies than there is room for stop neither GET nor, for long, POST."""
    running, scene = server
    crowd = [_open(running, _HEAD) for _ in range(MOST_READERS + 20)]
    began = time.monotonic()
    assert running.fetch("GET", "/ocsp/MAA=")[0] == 200
    asked = relying.ask(scene.issuer_der, 1)
    while running.fetch("POST", "/ocsp", asked)[0] != 200:
        assert time.monotonic() - began < 10
        time.sleep(0.1)
    for each in crowd:
        each.close()


def _seconds_until_refused(connection: socket.socket) -> float:
    began = time.monotonic()
    try:
        while time.monotonic() - began < 60:
            time.sleep(PATIENCE_MS / 1000 / 8)
            connection.sendall(b"x")
    except OSError:
        pass
    return time.monotonic() - began


@pytest.mark.long
def test_unfinished_requests_are_ended(server: tuple[served.Server, relying.Scene]) -> None:
    """A body or head never ended, silence, an octet now and then: each closed within a minute."""
    running, _ = server
    clients = {
        "body": (_HEAD, _seconds_until_closed),
        "head": (_HEAD[:40], _seconds_until_closed),
        "nothing": (b"", _seconds_until_closed),
        "trickle": (_HEAD, _seconds_until_refused),
    }

    def until_ended(name: str) -> float:
        octets, seconds = clients[name]
        with _open(running, octets) as connection:
            return seconds(connection)

    # All at once: each of them takes the server's whole patience.
    with ThreadPoolExecutor(len(clients)) as together:
        took = dict(zip(clients, together.map(until_ended, clients), strict=True))
    assert max(took.values()) < 60, took
