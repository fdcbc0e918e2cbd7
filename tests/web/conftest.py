"""Fixtures of the HTTP tests: a CA with a delegate, and a clock that stands still."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from core.clock import SetClock
from core.database import Database
from tests.support import relying
from tests.support.dossiers import RULES
from tests.support.office import Bureau
from web.portal import site


@pytest.fixture
def scene(sqlite_db: Database, clock: SetClock) -> relying.Scene:
    """A CA with P-256 keys, its delegate, and no certificates, on SQLite."""
    made = relying.scene(sqlite_db, clock)
    clock.move_to(clock.now() + timedelta(hours=1))
    return made


@pytest.fixture
def client(bureau: Bureau, sqlite_url: str) -> Iterator[FlaskClient]:
    """A client of the portal over the test file's `bureau`, by a handle that can only read."""
    db = Database(sqlite_url, read_only=True)
    yield site.build(db, bureau.clock, lambda _now: RULES, zone=RULES.calendar.zone).test_client()
    db.dispose()
