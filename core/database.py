"""The database: one transaction boundary, SQLite and PostgreSQL alike.

`Database.begin()` is the only way to write: everything inside commits together or not at all.
`Database.read()` gives one consistent snapshot and never commits. A function that takes `tx` never
commits; a function that takes `db` begins transactions.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    TypeDecorator,
    create_engine,
    event,
)

from core import serials
from core.errors import Invalid

Tx = Connection
"""A connection inside a transaction."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Identity = BigInteger().with_variant(Integer(), "sqlite")
"""The type of a growing row number (SQLite counts only in INTEGER columns)."""

Value = TypeVar("Value")

_LOCK_WAIT_MS = 30_000
_CHUNK = 500


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware in Python, stored as UTC; a naive datetime is a bug and is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware datetime into what the database keeps."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"The instant {value.isoformat()} has no time zone and is not stored.")
        utc = value if value.tzinfo is UTC else value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Turn what PostgreSQL keeps into an aware UTC datetime."""
        return None if value is None else value.astimezone(UTC)

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[Any], datetime | None] | None:
        """Read SQLite's text in one step: rows have many instants."""
        if dialect.name == "sqlite":
            return _from_text
        return super().result_processor(dialect, coltype)


def _from_text(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


class SerialNumber(TypeDecorator[int]):
    """A certificate serial: int in Python, shortest unsigned big-endian bytes in the database."""

    impl = LargeBinary(serials.MOST_BYTES)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> bytes | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Turn the int into bytes."""
        return None if value is None else serials.to_bytes(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Turn the bytes into an int."""
        return None if value is None else serials.from_bytes(value)


def chunked(values: Iterable[Value], size: int = _CHUNK) -> Iterator[list[Value]]:
    """Yield `values` in lists of at most `size`: databases bound how much one query may name."""
    left = iter(values)
    while some := list(itertools.islice(left, size)):
        yield some


class Database:
    """A handle on one database; made after fork, one per process."""

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        """Open `url` (`sqlite:///file` or `postgresql+psycopg://...`); nothing is connected yet."""
        self.engine = _engine(url, read_only=read_only)

    @contextmanager
    def begin(self) -> Iterator[Tx]:
        """A write transaction: commits when the block ends, rolls back when it raises.

        On SQLite it takes the write lock at once (BEGIN IMMEDIATE), so that what is read inside
        cannot change before the commit; on PostgreSQL rows are locked by those who read to write.
        """
        with self.engine.connect() as tx, tx.begin():
            yield tx

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A read-only snapshot: every query inside sees the same instant of the database."""
        with self.engine.connect() as plain:
            tx = plain.execution_options(**_read_options(plain.dialect))
            with tx.begin() as transaction:
                yield tx
                transaction.rollback()

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def _read_options(dialect: Dialect) -> dict[str, Any]:
    if dialect.name == "sqlite":
        return {"sqlite_begin": "BEGIN"}
    return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def _engine(url: str, *, read_only: bool) -> Engine:
    if url.startswith("sqlite"):
        engine = create_engine(url, connect_args={"isolation_level": None})
        _prepare_sqlite(engine, read_only=read_only)
        return engine
    if url.startswith("postgresql+psycopg"):
        options = f"-c lock_timeout={_LOCK_WAIT_MS}"
        if read_only:
            options += " -c default_transaction_read_only=on"
        return create_engine(url, connect_args={"options": options}, pool_pre_ping=True)
    raise Invalid(
        f"The database URL begins with {url.split(':', maxsplit=1)[0]!r}; "
        "use sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME."
    )


def _prepare_sqlite(engine: Engine, *, read_only: bool) -> None:
    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own type
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={_LOCK_WAIT_MS}")
        if not read_only:
            cursor.execute("PRAGMA journal_mode=WAL")
        # FULL: a committed act survives a power cut; in WAL mode NORMAL may lose the newest.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA query_only={'ON' if read_only else 'OFF'}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        connection.exec_driver_sql(options.get("sqlite_begin", "BEGIN IMMEDIATE"))
