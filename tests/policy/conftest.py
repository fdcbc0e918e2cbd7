"""Fixtures of the registration authority's tests."""

import pytest

from core.clock import SetClock
from core.database import Database
from tests.support.office import Bureau


@pytest.fixture
def bureau(db: Database, clock: SetClock) -> Bureau:
    """A registration authority with its CA, once on SQLite and once on PostgreSQL."""
    return Bureau(db, clock)


@pytest.fixture
def lite(sqlite_db: Database, clock: SetClock) -> Bureau:
    """The same on SQLite alone, where the kind of database is not the point."""
    return Bureau(sqlite_db, clock)
