"""The pytest plugin of this repository: a PostgreSQL cluster for each run, long tests first.

Each test has a database of its own there.

The process that was started first names a folder in the environment before xdist starts its
workers. Whichever process needs the cluster first starts it there, under a file lock; the first
process stops it at the end of the run, whether the tests passed or not; when it was killed, the
next run does. A run that needs no PostgreSQL starts none.
"""

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import postgres

_FOLDER = "ANTIN_TEST_POSTGRES"


def pytest_configure(config: pytest.Config) -> None:
    """Name the cluster's folder, once per run, and see to its end."""
    if _FOLDER in os.environ:
        return
    postgres.sweep()
    until_the_end = ExitStack()
    folder = until_the_end.enter_context(postgres.own_folder())
    until_the_end.callback(os.environ.pop, _FOLDER)
    os.environ[_FOLDER] = str(folder)
    config.add_cleanup(until_the_end.close)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long tests, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def postgres_cluster() -> postgres.Cluster:
    """The cluster that all tests of this run share."""
    folder = Path(os.environ[_FOLDER])
    with (folder / "lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if port := lock.read():
            return postgres.Cluster(folder, int(port))
        cluster = postgres.start(folder)
        lock.write(str(cluster.port))
    return cluster


@pytest.fixture
def postgres_url(postgres_cluster: postgres.Cluster) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database that is dropped after the test."""
    name = f"test_{uuid.uuid4().hex}"
    yield postgres_cluster.create_database(name)
    postgres_cluster.drop_database(name)
