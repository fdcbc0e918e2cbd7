"""Keeps a responder's memory true: looks at the status events many times a second, in a thread.

It only reads. When the database cannot be read, it says so by doing nothing: the memory's
freshness then runs out by itself.
"""

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from ca import records
from core.errors import AntinError
from ocsp.answer import Responder
from ocsp.cursor import Cursor
from ocsp.index import Index

INTERVAL_SECONDS = 0.1
_RELOAD_SECONDS = 30.0

_log = logging.getLogger(__name__)


class Follower:
    """Follows the database of one responder; start it after fork, once per process."""

    def __init__(self, responder: Responder, *, reload: Callable[[], Index] | None = None) -> None:
        """Follow for `responder`; `reload` gives the index anew (new issuers, new delegates).

        Raises ValueError for a responder that remembers nothing.
        """
        if responder.memory is None:
            raise ValueError("A responder without a memory follows nothing; give it one.")
        self._memory = responder.memory
        self._responder = responder
        self._reload = reload
        self._reloaded_at = time.monotonic()
        self._cursor: Cursor | None = None
        self._away = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ocsp-follow", daemon=True)

    def start(self) -> None:
        """Look once, then go on in a thread; a database that is away is waited for."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def look(self) -> None:
        """Read the events once and forget what changed; never raises for a database away."""
        began = time.monotonic()
        try:
            changed = self._changed(began)
        except (SQLAlchemyError, OSError, AntinError) as error:
            if not self._away:
                _log.warning("The database cannot be followed: %s", error)
            self._away = True
            return
        if self._away:
            _log.info("The database is followed again.")
        self._away = False
        self._memory.synced(began, changed)

    def _changed(self, began: float) -> set[tuple[int, int]]:
        with self._responder.db.read() as tx:
            first = self._cursor is None
            if self._cursor is None:
                self._cursor = Cursor(records.last_event_id(tx))
            numbers = records.event_numbers(tx, self._cursor.floor)
            new = self._cursor.take(numbers, records.horizon(tx), began)
            # At first nothing is remembered, so nothing can be out of date.
            changed = [] if first else records.changes(tx, new)
        key_of = self._responder.index.first_row
        return {(key_of(each.issuer_id), each.serial) for each in changed}

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL_SECONDS):
            self.look()
            self._renew_index()

    def _renew_index(self) -> None:
        now = time.monotonic()
        if self._reload is None or now - self._reloaded_at < _RELOAD_SECONDS:
            return
        self._reloaded_at = now
        try:
            self._responder.index = self._reload()
        except (SQLAlchemyError, OSError, AntinError) as error:
            _log.warning("The issuers could not be read anew: %s", error)
