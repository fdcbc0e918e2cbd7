"""A throw-away PostgreSQL cluster for tests: started in seconds, thrown away with its folder.

Nothing is expected of the machine but Debian's postgresql package; its service may be stopped.
PostgreSQL refuses to run as root, so root hands the cluster to the user `postgres`.
"""

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from tests.support import ahead

OLDEST = 15
_OWNER = "postgres"
_TRIES = 3
_PREFIX = "antin-pg-"
# Durability costs time, and nothing here outlives the tests.
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster: its folder (also of its unix socket) and its port on the loopback."""

    folder: Path
    port: int

    def url(self, name: str) -> str:
        """Return the SQLAlchemy URL of the database `name`."""
        return f"postgresql+psycopg://{_OWNER}@127.0.0.1:{self.port}/{name}"

    def create_database(self, name: str, *, template: str = "template0") -> str:
        """Create the database `name`, empty or a copy of `template`; return its SQLAlchemy URL."""
        self._execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop the database `name`, and whatever connections a failed test left open."""
        self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(
            host=str(self.folder), port=self.port, user=_OWNER, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(statement)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Run a cluster in a temporary folder for the length of a `with` block."""
    with own_folder() as folder:
        yield start(folder)


@contextmanager
def own_folder() -> Iterator[Path]:
    """Make a folder for a cluster, and at the end stop what runs in it and remove it.

    The lock on the file `owner` lasts as long as this process, however that ends.
    """
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    with (folder / "unowned").open("w") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        (folder / "unowned").rename(folder / "owner")
        try:
            yield folder
        finally:
            stop(folder)


def sweep() -> None:
    """Stop and remove the clusters whose owners were killed before they could."""
    for owner in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/owner"):
        with suppress(OSError), owner.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            stop(owner.parent)


def start(folder: Path) -> Cluster:
    """Create and start a cluster in `folder`, made by `own_folder`."""
    data = folder / "data"
    if os.geteuid() == 0:
        shutil.chown(folder, _OWNER)
    _run("initdb", "--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8",
         f"--username={_OWNER}", f"--pgdata={data}")  # fmt: skip
    for attempt in range(1, _TRIES + 1):
        port = _free_port()
        settings = _SETTINGS | {
            "port": str(port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(folder),
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        try:
            _run("pg_ctl", "start", "-w", f"--pgdata={data}", f"--log={folder}/log", "-o", options)
        except subprocess.CalledProcessError:
            # Another program may have taken the port between the look and the start.
            if attempt == _TRIES:
                raise
        else:
            return Cluster(folder, port)
    raise AssertionError


def stop(folder: Path) -> None:
    """Stop the cluster in `folder`, if one runs there, and remove the folder."""
    try:
        if _runs(folder / "data"):
            _run("pg_ctl", "stop", "-w", "--mode=immediate", f"--pgdata={folder}/data")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _runs(data: Path) -> bool:
    """Tell whether a server that was started on `data` still runs.

    Its pid file alone does not tell: a machine that was switched off leaves one, whose number
    another program may have by now, and an interrupted initdb leaves a negative number.
    """
    with suppress(FileNotFoundError, ProcessLookupError):
        pid = (data / "postmaster.pid").read_text().partition("\n")[0]
        return str(data).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _programs() -> Path:
    """Return the folder of the newest installed server's programs."""
    found = {
        int(path.parent.parent.name): path.parent
        for path in Path("/usr/lib/postgresql").glob("[0-9]*/bin/initdb")
    }
    newest = max(found, default=0)
    if newest < OLDEST:
        raise FileNotFoundError(
            f"PostgreSQL {OLDEST} or newer is not installed; run deploy/setup.sh --test."
        )
    return found[newest]


def _run(program: str, *arguments: str) -> None:
    command = [str(_programs() / program), *arguments]
    if os.geteuid() == 0:
        command = ["runuser", "-u", _OWNER, "--", *command]
    # The server keeps the machine's own clock when the tests run under another one.
    # A pipe would stay open in the server; what went wrong stands in the log file.
    with tempfile.TemporaryFile() as output:
        try:
            subprocess.run(
                command,
                check=True,
                cwd="/",
                env=ahead.without(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        except subprocess.CalledProcessError as error:
            output.seek(0)
            error.add_note(output.read().decode(errors="replace"))
            raise


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
