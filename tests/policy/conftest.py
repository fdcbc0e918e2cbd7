"""Fixtures of the registration authority's tests."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import text

from core.clock import SetClock
from core.database import Database
from tests.support.office import Bureau
from tests.support.postgres import Cluster


@pytest.fixture(scope="session")
def kept_postgres_db(postgres_cluster: Cluster, postgres_template: str) -> Iterator[Database]:
    """One migrated PostgreSQL database for all tests of a process."""
    name = f"kept_{uuid4().hex}"
    db = Database(postgres_cluster.create_database(name, template=postgres_template))
    yield db
    db.dispose()
    postgres_cluster.drop_database(name)


@pytest.fixture
def emptied_postgres_db(kept_postgres_db: Database) -> Database:
    """That database, emptied: a new one for each test would take most of the tests' time."""
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    with kept_postgres_db.begin() as tx:
        names = set(tx.execute(text(tables)).scalars()) - {"alembic_version"}
        tx.execute(text("SET LOCAL session_replication_role = replica"))  # guards let it happen
        tx.execute(text(f"TRUNCATE {', '.join(sorted(names))} RESTART IDENTITY"))
    return kept_postgres_db


@pytest.fixture(params=["sqlite", "postgresql"])
def bureau(request: pytest.FixtureRequest, clock: SetClock) -> Bureau:
    """A registration authority with its CA, once on SQLite and once on PostgreSQL."""
    name = "sqlite_db" if request.param == "sqlite" else "emptied_postgres_db"
    return Bureau(request.getfixturevalue(name), clock)


@pytest.fixture
def lite(sqlite_db: Database, clock: SetClock) -> Bureau:
    """The same on SQLite alone, where the kind of database is not the point."""
    return Bureau(sqlite_db, clock)
