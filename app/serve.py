"""Starts one server process, or all together; each opens keys and database after its fork."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from app.instance import Instance

PROCESSES = ("responder", "portal", "worker")
_GRACE_SECONDS = 10.0
_START_SECONDS = 30.0
_POLL_SECONDS = 0.2
_THREADS = 4
# More than the bodies that are read at once (web.ocsp): a GET never waits for a slow POST.
_RESPONDER_THREADS = 128
_BACKLOG = 256


def responder(instance: Instance, *, workers: int = 1) -> None:
    """Serve OCSP, CRLs and issuer certificates under granian until stopped."""
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    os.environ["ANTIN_HOME"] = str(instance.home)
    host, port = address(instance.config.listen.responder)
    Granian(
        "app.responder:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=_RESPONDER_THREADS,
        backpressure=_BACKLOG,
        factory=True,
        websockets=False,
        log_level=LogLevels.warning,
    ).serve()


def portal(instance: Instance) -> None:
    """Become gunicorn, which serves the look-up pages."""
    os.environ["ANTIN_HOME"] = str(instance.home)
    command = [
        *(sys.executable, "-m", "gunicorn", "--bind", instance.config.listen.portal),
        *("--worker-class", "gthread", "--threads", str(_THREADS)),
        *("--no-control-socket", "--log-level", "warning", "app.portal:application()"),
    ]
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter


def together(
    home: Path, names: Sequence[str] = PROCESSES, *, ready: Callable[[], None] = lambda: None
) -> int:
    """Run the named processes until one ends or we are told to stop; return the exit code.

    `ready` is called once when those that listen do.
    """
    signal.signal(signal.SIGTERM, _stop)
    listen = Instance(home).config.listen.model_dump()
    children = {name: _start(home, name) for name in names}
    try:
        for name in names:
            if name in listen:
                _await(children[name], listen[name])
        ready()
        while all(child.poll() is None for child in children.values()):
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        return 0
    finally:
        _end(list(children.values()))
    return 1


def address(listen: str) -> tuple[str, int]:
    """Split host:port."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def _start(home: Path, name: str) -> subprocess.Popen[bytes]:
    words = ["worker"] if name == "worker" else ["serve", name]
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "app.cli", "--home", str(home), *words], start_new_session=True
    )


def _await(child: subprocess.Popen[bytes], listen: str) -> None:
    """Wait until `child` listens; one that ends or takes too long is left to the caller."""
    deadline = time.monotonic() + _START_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(address(listen), timeout=1).close()
        except OSError:
            time.sleep(_POLL_SECONDS)
        else:
            return


def _end(children: list[subprocess.Popen[bytes]]) -> None:
    for child in children:
        child.terminate()
    deadline = time.monotonic() + _GRACE_SECONDS
    for child in children:
        try:
            child.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()


def _stop(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt
