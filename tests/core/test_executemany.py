"""Many rows by one statement: the same rows as SQLAlchemy's own way, on both databases."""

import uuid
from collections.abc import Iterator
from datetime import MAXYEAR, UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Boolean,
    Column,
    Date,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DataError, IntegrityError

from core.database import Database, Identity, SerialNumber, UtcDateTime
from core.executemany import execute_all
from core.reasons import Reason

_METADATA = MetaData()
_THING = Table(
    "thing",
    _METADATA,
    Column("id", Identity, primary_key=True),
    Column("name", String(60), nullable=False, unique=True),
    Column("serial", SerialNumber),
    Column("at", UtcDateTime),
    Column("day", Date),
    Column("octets", LargeBinary),
    Column("good", Boolean),
    Column("reason", String(30)),
    Column("text", Text),
)
_ADD = insert(_THING)
_MARK = update(_THING).where(_THING.c.name == bindparam("named")).values(
    reason=Reason.SUPERSEDED, octets=bindparam("given")
)  # fmt: skip
_EAST = timezone(timedelta(hours=7))
# PostgreSQL keeps no NUL in a text, no database a lone surrogate.
_TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=40)
_INSTANT = st.datetimes(timezones=st.sampled_from([UTC, _EAST])).filter(
    lambda at: 1 < at.year < MAXYEAR
)
_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "name": _TEXT,
            "serial": st.none() | st.integers(1, 2**159),
            "at": st.none() | _INSTANT,
            "day": st.none() | st.dates(),
            "octets": st.none() | st.binary(max_size=60),
            "good": st.none() | st.booleans(),
            "reason": st.none() | st.sampled_from(Reason),
            "text": st.none() | _TEXT,
        }
    ),
    max_size=8,
    unique_by=lambda row: row["name"],
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def things(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A database of each kind with one table of every type that we use."""
    if request.param == "sqlite":
        opened = Database(f"sqlite:///{tmp_path_factory.mktemp('things')}/things.db")
    else:
        opened = Database(
            request.getfixturevalue("postgres_cluster").create_database(
                f"things_{uuid.uuid4().hex[:8]}"
            )
        )
    with opened.begin() as tx:
        _METADATA.create_all(tx)
    yield opened
    opened.dispose()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=_ROWS)
def test_the_same_as_sqlalchemys_own(things: Database, rows: list[dict[str, Any]]) -> None:
    """Rows that are added and changed either way are equal, whatever their values."""
    found = []
    for execute in (execute_all, _by_sqlalchemy):
        with things.begin() as tx:
            tx.execute(delete(_THING))
            execute(tx, _ADD, rows)
            marks = [{"named": row["name"], "given": row["octets"]} for row in rows[::2]]
            execute(tx, _MARK, marks)
        found.append(_kept_plain(things))
    assert found[0] == found[1]
    assert len(found[0]) == len(rows)


def _by_sqlalchemy(tx: Any, statement: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        tx.execute(statement, rows)


def _kept_plain(db: Database) -> list[str]:
    with db.read() as tx:
        columns = [each for each in _THING.c if each.name != "id"]
        return sorted(repr(tuple(row)) for row in tx.execute(select(*columns)))


def test_rows_in_their_order(things: Database) -> None:
    """Numbers are given in the order of the rows."""
    names = [f"row {number}" for number in range(300)]
    with things.begin() as tx:
        tx.execute(delete(_THING))
        execute_all(tx, _ADD, [{"name": name} for name in names])
        assert list(tx.execute(select(_THING.c.name).order_by(_THING.c.id)).scalars()) == names


def test_statements_that_cannot_be_done_so(things: Database) -> None:
    """A default in Python, or an UPDATE of everything, is refused rather than done wrongly."""
    defaults = Table(
        "other", MetaData(), Column("name", String), Column("kind", String, default="x")
    )
    everything = update(_THING).values(text=bindparam("given"))
    with things.begin() as tx:
        with pytest.raises(TypeError, match="kind"):
            execute_all(tx, insert(defaults), [{"name": "a"}])
        if things.engine.dialect.name == "postgresql":
            with pytest.raises(TypeError, match="chosen rows"):
                execute_all(tx, everything, [{"given": "a"}])


def test_no_text_is_cut(things: Database) -> None:
    """A text that is too long for its column is refused where the database has lengths."""
    if things.engine.dialect.name == "sqlite":
        return
    with pytest.raises(DataError), things.begin() as tx:
        execute_all(tx, _ADD, [{"name": "x" * 61}])


def test_what_is_wrong_is_raised(things: Database) -> None:
    """A row without a value that others have, a naive instant, a name twice: nothing is written."""
    with things.begin() as tx:
        tx.execute(delete(_THING))
    wrong: list[tuple[type[Exception], list[dict[str, Any]]]] = [
        (KeyError, [{"name": "a", "text": "x"}, {"name": "b"}]),
        (ValueError, [{"name": "a", "at": datetime(2024, 1, 1)}]),  # noqa: DTZ001 - the fault
        (IntegrityError, [{"name": "a"}, {"name": "a"}]),
    ]
    for error, rows in wrong:
        with pytest.raises(error), things.begin() as tx:
            execute_all(tx, _ADD, rows)
    assert _kept_plain(things) == []
