"""Fixtures that every test may ask for: migrated databases of both kinds, clocks, keys."""

import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app import schema
from core.clock import SetClock
from core.database import Database
from tests.support import postgres

START = datetime(2024, 3, 1, 1, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    db = Database(f"sqlite:///{path}")
    schema.upgrade(db)
    db.dispose()  # the last connection's close folds the write-ahead log into the file
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a migrated SQLite database of this test's own."""
    path = tmp_path / "antin.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def postgres_template(postgres_cluster: postgres.Cluster) -> Iterator[str]:
    """The name of a migrated PostgreSQL database, to be copied."""
    name = f"template_{uuid.uuid4().hex}"
    db = Database(postgres_cluster.create_database(name))
    schema.upgrade(db)
    db.dispose()
    yield name
    postgres_cluster.drop_database(name)


@pytest.fixture
def migrated_postgres_url(
    postgres_cluster: postgres.Cluster, postgres_template: str
) -> Iterator[str]:
    """The URL of a migrated PostgreSQL database of this test's own."""
    name = f"test_{uuid.uuid4().hex}"
    yield postgres_cluster.create_database(name, template=postgres_template)
    postgres_cluster.drop_database(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def db_url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated database: the test runs once on SQLite and once on PostgreSQL."""
    name = "sqlite_url" if request.param == "sqlite" else "migrated_postgres_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
def db(db_url: str) -> Iterator[Database]:
    """A migrated database: the test runs once on SQLite and once on PostgreSQL."""
    opened = Database(db_url)
    yield opened
    opened.dispose()


@pytest.fixture
def sqlite_db(sqlite_url: str) -> Iterator[Database]:
    """A migrated SQLite database, for tests in which the kind of database is not the point."""
    opened = Database(sqlite_url)
    yield opened
    opened.dispose()


@pytest.fixture
def clock() -> SetClock:
    """A clock that stands at 2024-03-01 08:00 in Vietnam."""
    return SetClock(START)
