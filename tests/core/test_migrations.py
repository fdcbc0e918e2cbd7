"""The schema: models and migrations agree on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.util import CommandError

from app import schema
from core.database import Database
from policy.records import deliveries, outbox


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


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any table."""
    url = f"sqlite:///{tmp_path}/old.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    db = Database(url)
    yield db
    db.dispose()


def test_notices_of_an_older_release(empty_db: Database) -> None:
    """What was written before is a delivery to the folder; what waited is still due."""
    command.upgrade(schema.config(empty_db), "0014")
    with empty_db.begin() as tx:
        tx.exec_driver_sql(
            "INSERT INTO subscriber (id, kind, province, personal, registered_at)"
            " VALUES ('KH00001', 'individual', 'Huế', '', '2024-03-01 00:00:00')"
        )
        for number, written in ((1, "'2024-03-21 00:00:00'"), (2, "NULL")):
            tx.exec_driver_sql(
                'INSERT INTO notice (id, subscriber_id, template, "values", queued_at, written_at)'
                f" VALUES ({number}, 'KH00001', 'hold', '{{}}', '2024-03-20 00:00:00', {written})"
            )
    schema.upgrade(empty_db)
    with empty_db.read() as tx:
        (waiting,) = outbox.notices(tx, waiting=True)
        made = deliveries.deliveries_of(tx, [1, 2])
    assert (waiting.id, waiting.due_at) == (2, waiting.queued_at)
    assert [(each.channel, each.state.value) for each in made[1]] == [("folder", "sent")]
    assert made[2] == []
