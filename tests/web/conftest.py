"""Fixtures of the HTTP tests: a CA with a delegate, and a clock that stands still."""

from datetime import timedelta

import pytest

from core.clock import SetClock
from core.database import Database
from tests.support import relying


@pytest.fixture
def scene(sqlite_db: Database, clock: SetClock) -> relying.Scene:
    """A CA with P-256 keys, its delegate, and no certificates, on SQLite."""
    made = relying.scene(sqlite_db, clock)
    clock.move_to(clock.now() + timedelta(hours=1))
    return made
