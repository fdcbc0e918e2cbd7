"""Fixtures of the CRL tests: a certificate authority whose lists are published into a folder."""

from pathlib import Path

import pytest

from core.clock import SetClock
from core.database import Database
from tests.crl.stage import Stage, raise_stage


@pytest.fixture
def stage(sqlite_db: Database, clock: SetClock, tmp_path: Path) -> Stage:
    """A CA on SQLite with P-256 keys."""
    return raise_stage(sqlite_db, clock, tmp_path)


@pytest.fixture
def both(db: Database, clock: SetClock, tmp_path: Path) -> Stage:
    """A CA with P-256 keys, once on SQLite and once on PostgreSQL."""
    return raise_stage(db, clock, tmp_path)
