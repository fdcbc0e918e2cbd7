"""The PostgreSQL cluster that database tests stand on."""

import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from tests.support import postgres


def _ask(url: str, question: str) -> object:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return connection.execute(text(question)).scalar_one()
    finally:
        engine.dispose()


def test_version(postgres_url: str) -> None:
    """A test that asks for a database gets one of PostgreSQL 15 or newer."""
    assert int(str(_ask(postgres_url, "SHOW server_version_num"))) >= postgres.OLDEST * 10_000


def test_database_is_empty(postgres_url: str) -> None:
    """Every test gets a database in which nothing was ever created."""
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    assert _ask(postgres_url, tables) == 0


@pytest.mark.parametrize("round_", [1, 2])
def test_databases_are_apart(postgres_url: str, round_: int) -> None:
    """What one test creates is not there for the next one."""
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE only_here (n integer)"))
    engine.dispose()


def test_copy_of_a_template(postgres_cluster: postgres.Cluster) -> None:
    """A database made from a template holds what the template holds."""
    engine = create_engine(postgres_cluster.create_database("original"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE kept AS SELECT 7 AS n"))
    engine.dispose()
    copy = postgres_cluster.create_database("copied", template="original")
    assert _ask(copy, "SELECT n FROM kept") == 7
    for name in ("original", "copied"):
        postgres_cluster.drop_database(name)


def test_drop_cuts_connections(postgres_cluster: postgres.Cluster) -> None:
    """A connection that a failed test left open does not keep its database alive."""
    engine = create_engine(postgres_cluster.create_database("left_open"))
    connection = engine.connect()
    postgres_cluster.drop_database("left_open")
    with pytest.raises(OperationalError):
        connection.execute(text("SELECT 1"))
    connection.close()
    engine.dispose()


@pytest.mark.long
def test_cluster_leaves_nothing() -> None:
    """A cluster of one's own is gone with its folder, also when the block fails."""
    with suppress(RuntimeError), postgres.cluster() as own:
        assert _ask(own.create_database("mine"), "SELECT 1") == 1
        raise RuntimeError
    assert not own.folder.exists()
    with pytest.raises(OperationalError):
        _ask(own.url("mine"), "SELECT 1")


_KILLED = """
import os, signal
from tests.support import postgres

with postgres.own_folder() as folder:
    print(folder, postgres.start(folder).port, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.long
def test_killed_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster outlives a killed run no longer than until the next run; a live one is let be."""
    with tempfile.TemporaryDirectory() as own:  # other runs on this machine sweep elsewhere
        Path(own).chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", own)
        _kill_and_sweep({**os.environ, "TMPDIR": own})


def _kill_and_sweep(environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", _KILLED]
    run = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    folder, port = run.stdout.split()
    killed = postgres.Cluster(Path(folder), int(port))
    assert _ask(killed.url("postgres"), "SELECT 1") == 1
    with postgres.cluster() as alive:
        postgres.sweep()
        assert not killed.folder.exists()
        assert _ask(alive.url("postgres"), "SELECT 1") == 1
    with pytest.raises(OperationalError):
        _ask(killed.url("postgres"), "SELECT 1")


@pytest.mark.parametrize("written", ["{own}", "-{own}", "999999999", ""])
def test_pid_of_another_program(written: str) -> None:
    """A pid file that a switched-off machine or an interrupted initdb left stops nothing."""
    pid = written.format(own=os.getpid())
    with postgres.own_folder() as folder:
        (folder / "data").mkdir()
        (folder / "data" / "postmaster.pid").write_text(pid + "\n")
    assert not folder.exists()
