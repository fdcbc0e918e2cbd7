"""Starts one server process, or all together; each opens keys and database after its fork."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from app.instance import Instance

PROCESSES = ("responder", "portal", "worker")
_GRACE_SECONDS = 10.0
_POLL_SECONDS = 0.2


def responder(instance: Instance, *, workers: int = 1) -> None:
    """Serve OCSP, CRLs and issuer certificates under granian until stopped."""
    from granian import Granian
    from granian.constants import Interfaces

    os.environ["ANTIN_HOME"] = str(instance.home)
    host, port = address(instance.config.listen.responder)
    Granian(
        "app.responder:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        factory=True,
        log_access=False,
    ).serve()


def portal(instance: Instance) -> None:
    """Become gunicorn, which serves the look-up pages."""
    os.environ["ANTIN_HOME"] = str(instance.home)
    bind = instance.config.listen.portal
    command = ("-m", "gunicorn", "--bind", bind, "--worker-class", "gthread", "--threads", "4")
    os.execv(sys.executable, (sys.executable, *command, "app.portal:application()"))  # noqa: S606 - our own interpreter


def together(
    home: Path, names: Sequence[str] = PROCESSES, *, ready: Callable[[], None] = lambda: None
) -> int:
    """Run the named processes until one ends or we are told to stop; return the exit code.

    `ready` is called once when all of them were started.
    """
    signal.signal(signal.SIGTERM, _stop)
    children = {name: _start(home, name) for name in names}
    try:
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
