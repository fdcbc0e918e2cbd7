"""The schema: models and migrations agree on both databases."""

import pytest
from alembic.util import CommandError

from app import schema
from core.database import Database


def test_tables_equal_migrations(db: Database) -> None:
    """What the code declares is exactly what the migrations build."""
    schema.check(db)


def test_upgrade_is_idempotent(db: Database) -> None:
    """Upgrading a database that is up to date changes nothing and fails on nothing."""
    schema.upgrade(db)
    schema.check(db)


def test_check_fails_on_a_missing_index(db: Database) -> None:
    """The check is able to fail: a dropped index is noticed."""
    with db.begin() as tx:
        tx.exec_driver_sql("DROP INDEX ix_certificate_subscriber")
    with pytest.raises(CommandError, match="ix_certificate_subscriber"):
        schema.check(db)
