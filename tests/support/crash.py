"""A database on which the machine stops at a chosen commit: before it happened, or right after."""

from collections.abc import Iterator
from contextlib import contextmanager

from core.database import Database, Tx


class Crash(Exception):  # noqa: N818 - the machine stops here
    """The machine stops."""


class CrashingDatabase(Database):
    """A database whose nth commit crashes: before it happened, or right after it did."""

    def __init__(self, db: Database, at: int, *, persisted: bool) -> None:
        """Crash at commit number `at`, counted from 1; `persisted` says whether it happened."""
        self.engine = db.engine
        self._at = at
        self._persisted = persisted
        self._commits = 0

    @contextmanager
    def begin(self) -> Iterator[Tx]:
        """Begin a transaction whose commit may be the crash."""
        self._commits += 1
        crash = self._commits == self._at
        with super().begin() as tx:
            yield tx
            if crash and not self._persisted:
                raise Crash
        if crash:
            raise Crash
