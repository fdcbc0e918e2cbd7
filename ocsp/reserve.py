"""Keeps the reserve: answers signed before anybody asks, for every certificate that is alive.

A worker calls `Keeper.round` again and again. The reserve is divided by the serials' first octets;
each part is claimed, checked against the engine's statuses, and its answers signed anew where they
are missing, no longer true, or half as old as a responder lets them get. The commit that changes a
status drops the answers by itself: see `tables`. What changed is signed anew at once, not only when
its part is due.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ca import records as engine
from ca.model import Entry, Stage
from core.clock import Clock
from core.database import Database
from core.errors import SigningUnavailable
from ocsp import compose, records
from ocsp.cursor import Cursor
from ocsp.index import Authority, Index
from ocsp.model import Settings
from ocsp.records import Reserved
from ocsp.signer import Signer
from ocsp.verdict import as_it_stands

_BATCH = 200
_CLAIM = timedelta(minutes=10)
_WITHOUT_SIGNER = timedelta(minutes=1)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round did: answers signed, parts of the reserve finished, and what stopped it."""

    signed: int
    parts: int
    trouble: str | None = None


class Keeper:
    """Keeps the reserve for one worker process; several may work at the same time."""

    def __init__(self, db: Database, clock: Clock, index: Index, settings: Settings) -> None:
        """Keep answers of the signers in `index`; replace `index` when a new delegate is there."""
        self.index = index
        self._db = db
        self._clock = clock
        self._settings = settings
        self._cursor: Cursor | None = None
        self._signed = 0

    def round(self, seconds: float) -> Round:
        """Work for about `seconds`: first on what changed, then on the parts that are due."""
        end = time.monotonic() + seconds
        self._signed = parts = 0
        try:
            self._divide()
            self._follow()
            while time.monotonic() < end and self._fill_one():
                parts += 1
        except SigningUnavailable as error:
            _log.warning("The OCSP reserve is not renewed now: %s", error)
            return Round(signed=self._signed, parts=parts, trouble=str(error))
        return Round(signed=self._signed, parts=parts)

    def _divide(self) -> None:
        """Give every authority that we can sign for its parts, and drop what has ended."""
        now = self._clock.now()
        with self._db.begin() as tx:
            for authority in self.index.authorities():
                if authority.signers:
                    records.add_parts(tx, authority.first_row, now)
            records.drop_ended(tx, now)

    def _follow(self) -> None:
        """Sign anew for every certificate that changed since the last round.

        At first the latest events are taken for news, so that little is missed by a restart; the
        rest is found when its part is due.
        """
        with self._db.read() as tx:
            if self._cursor is None:
                self._cursor = Cursor(engine.last_event_id(tx))
            numbers = engine.event_numbers(tx, self._cursor.floor)
            new = self._cursor.take(numbers, engine.horizon(tx), time.monotonic())
            changed = engine.changes(tx, new)
        wanted: dict[int, set[int]] = {}
        for each in changed:
            wanted.setdefault(each.issuer_id, set()).add(each.serial)
        for issuer_id, serials in wanted.items():
            authority = self.index.of_row(issuer_id)
            if authority is not None and authority.signers:
                with self._db.read() as tx:
                    found = [engine.entry(tx, issuer_id, serial) for serial in sorted(serials)]
                self._renew(authority, [each for each in found if each is not None])

    def _fill_one(self) -> bool:
        """Bring one part that is due up to date; False when none is."""
        now = self._clock.now()
        with self._db.begin() as tx:
            claimed = records.claim_part(tx, now, now + _CLAIM)
        if claimed is None:
            return False
        first_row, part = claimed
        due_at = now  # at once again, should the signing fail
        try:
            due_at = self._fill(self.index.of_row(first_row), part, now)
        finally:
            with self._db.begin() as tx:
                records.release_part(tx, first_row, part, due_at)
        return True

    def _fill(self, authority: Authority | None, part: int, now: datetime) -> datetime:
        """Bring one part up to date; return when it is due again."""
        due_at = now + self._refresh_after
        if authority is None:
            return due_at
        for row in authority.issuer_ids:
            with self._db.read() as tx:
                entries = engine.live(tx, row, records.octets_of(part))
            due_at = min(due_at, self._renew(authority, entries))
        return due_at

    @property
    def _refresh_after(self) -> timedelta:
        """How old an answer in reserve gets: half of the time for which it is repeated."""
        return self._settings.renewal / 2

    def _renew(self, authority: Authority, entries: Iterable[Entry]) -> datetime:
        """Sign anew where needed; return when the first of these answers is due again."""
        now = self._clock.now().replace(microsecond=0)
        signer = authority.signer(now)
        if signer is None:
            _log.warning("No OCSP certificate of %s is valid now.", authority.name)
            return now + _WITHOUT_SIGNER
        alive = [each for each in entries if each.stage is Stage.ISSUED and now <= each.not_after]
        due_at = now + self._refresh_after
        for start in range(0, len(alive), _BATCH):
            batch = alive[start : start + _BATCH]
            with self._db.read() as tx:
                kept = records.of_serials(tx, authority.first_row, [each.serial for each in batch])
            renewed, oldest = self._renewed(authority, signer, batch, kept, now)
            due_at = min(due_at, oldest + self._refresh_after)
            with self._db.begin() as tx:
                records.put(tx, renewed)
            self._signed += len(renewed)
        return due_at

    def _renewed(
        self,
        authority: Authority,
        signer: Signer,
        entries: Sequence[Entry],
        kept: dict[tuple[int, str], Reserved],
        now: datetime,
    ) -> tuple[list[Reserved], datetime]:
        """Return the answers that had to be signed, and thisUpdate of the oldest that had not."""
        renewed: list[Reserved] = []
        oldest = now
        for entry in entries:
            for algorithm in records.ALGORITHMS:
                old = kept.get((entry.serial, algorithm))
                if old is not None and self._still_good(old, entry, signer, now):
                    oldest = min(oldest, old.this_update)
                    continue
                renewed.append(self._sign(authority, signer, entry, algorithm, now))
        return renewed, oldest

    def _still_good(self, old: Reserved, entry: Entry, signer: Signer, now: datetime) -> bool:
        return (
            old.tells(entry)
            and old.signer == signer.fingerprint
            and now - old.this_update < self._refresh_after
        )

    def _sign(
        self,
        authority: Authority,
        signer: Signer,
        entry: Entry,
        algorithm: str,
        now: datetime,
    ) -> Reserved:
        told = [(authority.cert_id(algorithm, entry.serial), as_it_stands(entry))]
        answer = compose.signed(authority, signer, told, self._settings, now)
        return Reserved(
            issuer_id=authority.first_row,
            serial=entry.serial,
            algorithm=algorithm,
            status=entry.status,
            reason=entry.reason,
            since=entry.since,
            this_update=now,
            next_update=compose.ends(signer, self._settings, now),
            signer=signer.fingerprint,
            head=answer.head,
        )
