"""Finds what is known of certificates: in memory while that is fresh, else in the database.

While the database is away, what was true when it was last seen is told for the reserve time, with
that time as thisUpdate; after that nothing is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from ca import records as engine
from ca.model import Entry
from core.database import Database, Tx
from core.errors import Unavailable
from ocsp import records
from ocsp.index import Authority, named
from ocsp.memory import Known, Memory
from ocsp.model import CertId
from ocsp.records import Reserved

_NOW = timedelta(0)


class Away(Unavailable):
    """The database cannot be read, and nothing that is remembered is young enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of one certificate (None: never issued) and how long ago that was seen.

    `known` is its place in the memory.

    `reserved` is the answer that was signed beforehand, if the database was asked and had one.
    """

    entry: Entry | None
    known: Known | None = None
    age: timedelta = _NOW
    reserved: Reserved | None = None


class Lookup:
    """Looks up certificates for one responder; without a memory it always asks the database."""

    def __init__(self, db: Database, memory: Memory | None, reserve_time: timedelta) -> None:
        """Read from `db`; tell what is up to `reserve_time` old while it is away."""
        self.db = db
        self._memory = memory
        self._reserve_time = reserve_time

    def one(self, authority: Authority, cert_id: CertId) -> Facts:
        """Return what is known of one certificate; raises Away."""
        remembered = self._remembered(authority, [cert_id.serial])
        if remembered is not None:
            return remembered[0]
        return self._read(authority, [cert_id.serial], reserve_for=cert_id)[0]

    def many(self, authority: Authority, serials: Sequence[int]) -> list[Facts]:
        """Return what is known of each certificate, all from one instant; raises Away."""
        return self._remembered(authority, serials) or self._read(authority, serials)

    def reserved(self, authority: Authority, cert_id: CertId) -> Reserved | None:
        """Return the answer signed beforehand for exactly this CertID; raises Away."""
        try:
            with self.db.read() as tx:
                return _reserved(tx, authority, cert_id)
        except SQLAlchemyError as error:
            raise Away(f"The database cannot be read: {error}") from error

    def _remembered(self, authority: Authority, serials: Sequence[int]) -> list[Facts] | None:
        """Return what the memory holds of all of them; None when the database must be asked.

        The database is asked only while it is followed: a request never waits for one that hangs.
        """
        memory = self._memory
        if memory is None:
            return None
        known = [memory.find((authority.first_row, serial)) for serial in serials]
        fresh = memory.fresh()
        if None in known and fresh:
            return None
        age = _NOW if fresh else self._age(memory)
        if None in known or age > self._reserve_time:
            raise Away("The database is away, and what is remembered of it is too old.")
        return [Facts(entry=each.entry, known=each, age=age) for each in known if each is not None]

    def _age(self, memory: Memory) -> timedelta:
        age = memory.age()
        if age is None:
            raise Away("The database was never seen.")
        # Whole seconds, rounded up: thisUpdate is told to the second.
        return timedelta(seconds=int(age) + 1)

    def _read(
        self, authority: Authority, serials: Sequence[int], *, reserve_for: CertId | None = None
    ) -> list[Facts]:
        memory = self._memory
        generation = memory.generation if memory is not None else 0
        try:
            with self.db.read() as tx:
                found = [_entry(tx, authority, serial) for serial in serials]
                reserved = None
                if reserve_for is not None and found[0] is not None:
                    reserved = _reserved(tx, authority, reserve_for)
        except SQLAlchemyError as error:
            raise Away(f"The database cannot be read: {error}") from error
        return [
            Facts(
                entry=entry,
                known=self._learn(authority, serial, entry, generation),
                reserved=reserved,
            )
            for serial, entry in zip(serials, found, strict=True)
        ]

    def _learn(
        self, authority: Authority, serial: int, entry: Entry | None, generation: int
    ) -> Known | None:
        # A serial that was never issued is not remembered: the world has too many of them.
        if self._memory is None or entry is None:
            return None
        return self._memory.learn((authority.first_row, serial), entry, generation)


def _entry(tx: Tx, authority: Authority, serial: int) -> Entry | None:
    if serial <= 0:  # legal in a request, and never issued
        return None
    for row in authority.issuer_ids:
        found = engine.entry(tx, row, serial)
        if found is not None:
            return found
    return None


def _reserved(tx: Tx, authority: Authority, cert_id: CertId) -> Reserved | None:
    """Return the answer in reserve when the client wrote the CertID as we did."""
    algorithm = named(cert_id.algorithm)
    if algorithm not in records.ALGORITHMS:
        return None
    return records.find(tx, authority.first_row, cert_id.serial, algorithm)
