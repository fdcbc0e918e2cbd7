"""Answers one OCSP request: octets in, response and caching facts out.

The order of checks is the order in which RFC 6960 2.3 lets us refuse: form, authority, size; then
the status, then the signature. Whatever is away, the answer is what is still known to be true, or
an honest error; never a guess.

    repeatable (one certificate, no nonce)   memory -> reserve -> signed now
    for one (a nonce, several certificates)  signed now, within a bound; else the nonce is left out
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from core.clock import Clock
from core.database import Database
from core.errors import SigningUnavailable, Unavailable
from ocsp import compose
from ocsp.compose import failure
from ocsp.index import Authority, Index
from ocsp.lease import NEVER, Lease
from ocsp.lookup import Facts, Lookup
from ocsp.memory import Memory
from ocsp.meter import Meter
from ocsp.model import (
    Answer,
    CertId,
    Degraded,
    Request,
    RequestSignature,
    ResponseStatus,
    Settings,
    Source,
    Verdict,
    WithoutNonce,
)
from ocsp.request import Malformed, parse
from ocsp.requestor import may_ask
from ocsp.room import Full, Room
from ocsp.verdict import judge

_log = logging.getLogger(__name__)


class Responder:
    """Answers requests for the authorities of `index`; `index` may be replaced at any time.

    With a `memory` a `Follower` must follow the database for it; without, every answer is read
    from the database and signed anew.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        index: Index,
        settings: Settings,
        *,
        memory: Memory | None = None,
    ) -> None:
        """Read statuses from `db`; nothing is connected or signed yet."""
        self.db = db
        self.clock = clock
        self.index = index
        self.settings = settings
        self.memory = memory
        self.meter = Meter()
        self.room = Room(settings.most_signing)
        self._lookup = Lookup(db, memory, settings.reserve_time)

    def answer(self, data: bytes) -> Answer:
        """Return the answer to the request in `data`; never raises."""
        answer = self._safe(data)
        self.meter.count(answer)
        return answer

    def holds(self, lease: Lease) -> bool:
        """Whether an answer with this lease may be given again now."""
        memory = self.memory
        return memory is not None and memory.fresh() and self.clock.now() < lease.until

    def _safe(self, data: bytes) -> Answer:
        try:
            return self._answer(data)
        except Malformed:
            return failure(ResponseStatus.MALFORMED_REQUEST)
        except Unavailable as error:
            _log.warning("No OCSP answer now: %s", error)
            return failure(ResponseStatus.TRY_LATER)
        except Exception:  # noqa: BLE001 - whatever failed, the client gets an OCSP answer
            _log.exception("An OCSP request met a fault of ours.")
            return failure(ResponseStatus.INTERNAL_ERROR)

    def _answer(self, data: bytes) -> Answer:
        if len(data) > self.settings.most_bytes:
            raise Malformed(
                f"The request has {len(data)} octets; at most {self.settings.most_bytes} are read."
            )
        request = parse(data)
        if self.settings.request_signature is RequestSignature.REQUIRED:
            if request.signature is None:
                return failure(ResponseStatus.SIG_REQUIRED)
            if not may_ask(request.signature, self.index, self._lookup, self._now()):
                return failure(ResponseStatus.UNAUTHORIZED)
        authority = self._authority(request)
        if authority is None or len(request.cert_ids) > self.settings.most_cert_ids:
            return failure(ResponseStatus.UNAUTHORIZED)
        if request.nonce is None and len(request.cert_ids) == 1:
            return self._repeatable(authority, request.cert_ids[0])
        return self._for_one(authority, request)

    def _authority(self, request: Request) -> Authority | None:
        """Return the one authority asked about; None when foreign, without a signer, or mixed.

        A delegate of one CA cannot sign for another one's certificates (RFC 6960 4.2.2.2).
        """
        first = self.index.find(request.cert_ids[0])
        if first is None or not first.signers:
            return None
        alike = all(self.index.find(each) is first for each in request.cert_ids[1:])
        return first if alike else None

    # --- one certificate, no nonce: the same answer for everybody -----------------------------

    def _repeatable(self, authority: Authority, cert_id: CertId) -> Answer:
        kept = self._kept(authority, cert_id)
        if kept is not None and self.holds(kept.lease):
            return kept
        facts = self._lookup.one(authority, cert_id)
        if facts.age and kept is not None and self._still_valid(kept):
            return self._degraded(kept, Degraded.DATABASE_AWAY)
        verdict = judge(facts.entry, self.settings, self._now())
        if verdict is None:
            return failure(ResponseStatus.UNAUTHORIZED)
        answer = compose.reserved(authority, facts, self.settings, self._now())
        if answer is None:
            try:
                answer = self._signed(authority, [(cert_id, verdict)], facts.age)
            except SigningUnavailable:
                return self._without_signing(authority, cert_id, facts, kept)
        return self._keep(authority, cert_id, facts, answer)

    def _kept(self, authority: Authority, cert_id: CertId) -> Answer | None:
        if self.memory is None:
            return None
        known = self.memory.find((authority.first_row, cert_id.serial))
        return None if known is None else known.find(cert_id.algorithm)

    def _keep(self, authority: Authority, cert_id: CertId, facts: Facts, answer: Answer) -> Answer:
        """Remember an answer that may be given again; return it as it goes out now."""
        if facts.age:
            return self._degraded(answer, Degraded.DATABASE_AWAY)
        if self.memory is not None and facts.known is not None:
            again = replace(answer, source=Source.CACHE)
            self.memory.keep((authority.first_row, cert_id.serial), facts.known, again)
        return answer

    def _without_signing(
        self, authority: Authority, cert_id: CertId, facts: Facts, kept: Answer | None
    ) -> Answer:
        """Return an answer signed earlier that is still true and valid; raises Unavailable."""
        if kept is not None and self._still_valid(kept):
            return self._degraded(kept, Degraded.SIGNING_AWAY)
        spare = replace(facts, reserved=self._lookup.reserved(authority, cert_id))
        answer = compose.reserved(authority, spare, self.settings, self._now(), overdue=True)
        if answer is None:
            raise Unavailable("Nothing can be signed, and no answer was signed before.")
        return self._degraded(answer, Degraded.SIGNING_AWAY)

    # --- a nonce, or several certificates: signed for this request ----------------------------

    def _for_one(self, authority: Authority, request: Request) -> Answer:
        facts = self._lookup.many(authority, [each.serial for each in request.cert_ids])
        told: list[tuple[CertId, Verdict]] = []
        for cert_id, each in zip(request.cert_ids, facts, strict=True):
            verdict = judge(each.entry, self.settings, self._now())
            if verdict is None:
                return failure(ResponseStatus.UNAUTHORIZED)
            told.append((cert_id, verdict))
        try:
            with self.room:
                answer = self._signed(authority, told, facts[0].age, nonce=request.nonce)
        except (Full, SigningUnavailable) as error:
            return self._without_nonce(authority, request, error)
        return self._degraded(answer, Degraded.DATABASE_AWAY) if facts[0].age else answer

    def _without_nonce(self, authority: Authority, request: Request, error: Unavailable) -> Answer:
        """Leave the nonce out where that helps and is allowed, else raise `error`."""
        lone = request.nonce is not None and len(request.cert_ids) == 1
        if not lone or self.settings.without_nonce is WithoutNonce.TRY_LATER:
            raise error
        answer = self._repeatable(authority, request.cert_ids[0])
        if answer.status is not ResponseStatus.SUCCESSFUL:
            return answer
        return replace(
            answer, max_age=None, lease=NEVER, degraded=answer.degraded or Degraded.NONCE_LEFT_OUT
        )

    # --- common -------------------------------------------------------------------------------

    def _signed(
        self,
        authority: Authority,
        told: Sequence[tuple[CertId, Verdict]],
        age: timedelta,
        *,
        nonce: bytes | None = None,
    ) -> Answer:
        now = self._now()
        signer = authority.signer(now)
        if signer is None:
            raise SigningUnavailable(f"No OCSP certificate of {authority.name} is valid now.")
        self.meter.signing += 1
        try:
            return compose.signed(authority, signer, told, self.settings, now, age=age, nonce=nonce)
        finally:
            self.meter.signing -= 1

    def _degraded(self, answer: Answer, kind: Degraded) -> Answer:
        """Return `answer` marked for the meter; HTTP caches keep it for a moment only."""
        moment = compose.seconds(self.settings.unknown_max_age)
        age = None if answer.max_age is None else min(answer.max_age, moment)
        return replace(answer, degraded=kind, lease=NEVER, max_age=age)

    def _still_valid(self, answer: Answer) -> bool:
        ends = answer.next_update
        return ends is not None and self._now() + self.settings.unknown_max_age < ends

    def _now(self) -> datetime:
        return self.clock.now().replace(microsecond=0)
