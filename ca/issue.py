"""Issuance, in the order that makes it safe; the order is the argument.

    1. the approval is checked; the draft is built and linted: any finding stops here
    2. the key is found neither blocked nor another's, and claimed for its subscriber
    3. COMMIT: the pending row with serial and to-be-signed bytes
    4. the issuing key signs these bytes; the result is parsed, compared, verified
    5. COMMIT: issued

A crash between 3 and 5 leaves a pending row. The same command again signs the same bytes and ends
it; when nobody asks again, `reconcile` revokes that serial: a certificate that was signed but lost
is dead on arrival. The decision was committed before, by policy.

Many orders go the same way together and share their commits; each has its own outcome.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from ca import draft, lint, order, recording, records, signatures
from ca.issuers import SigningIssuer
from ca.keys import spki_sha256
from ca.model import Certificate, Finding, Stage
from ca.order import Order, Replacement
from ca.recording import Ready, Signed
from core import serials
from core.clock import Clock
from core.database import Database
from core.errors import AntinError, Conflict, Refused

__all__ = [
    "Issuance", "Order", "Outcome", "Replacement", "begin", "issue", "issue_all", "refuse_findings"
]  # fmt: skip

Outcome = Certificate | AntinError
"""What became of one order: the certificate, or why there is none."""


@dataclass(slots=True)
class _Work:
    """One order on its way; `outcome` is set when it has ended."""

    order: Order
    ready: Ready | None = None
    pending: Certificate | None = None
    der: bytes | None = None
    signed: Signed | None = None
    outcome: Outcome | None = None


def issue(db: Database, clock: Clock, issuer: SigningIssuer, order: Order) -> Certificate:
    """Issue one certificate; the same approval twice returns the first certificate again.

    Raises Refused (approval, key, validity, lint, predecessor), SigningUnavailable, or Conflict
    when the pending row was given up meanwhile.
    """
    (outcome,) = issue_all(db, clock, issuer, [order])
    if isinstance(outcome, AntinError):
        raise outcome
    return outcome


def issue_all(
    db: Database, clock: Clock, issuer: SigningIssuer, orders: Sequence[Order]
) -> list[Outcome]:
    """Issue many certificates with shared commits; one order's refusal stops no other.

    Returns the outcomes in the order of the orders. No two of them may share a decision.
    """
    begun = begin(db, clock, issuer, orders)
    begun.sign()
    return begun.end()


def begin(db: Database, clock: Clock, issuer: SigningIssuer, orders: Sequence[Order]) -> "Issuance":
    """Do steps 1 to 3 for many orders: drafts, keys, and the commit of what will be signed."""
    works = [_Work(each) for each in orders]
    _take_up(db, issuer, works)
    _each(works, lambda work: _draft(issuer, work))
    _together(works, lambda some: _record_pending(db, clock, issuer, some))
    return Issuance(db, clock, issuer, works)


class Issuance:
    """Orders of which the pending rows are committed; still to be done: `sign`, then `end`.

    Signing is the token's work and touches no database: it may be done by another thread while the
    next orders begin.
    """

    def __init__(
        self, db: Database, clock: Clock, issuer: SigningIssuer, works: list[_Work]
    ) -> None:
        """Keep what the last two steps need; made by `begin` alone."""
        self._db, self._clock, self._issuer, self._works = db, clock, issuer, works

    def sign(self) -> None:
        """Do the first half of step 4: the token signs what was recorded."""
        _sign_all(self._issuer, _open(self._works))

    def end(self) -> list[Outcome]:
        """Verify what was signed, and commit it as issued; return the outcomes in order."""
        _each(self._works, lambda work: _verify(self._issuer, work))
        _together(self._works, lambda some: _record_issued(self._db, self._clock, some))
        return [_outcome(work) for work in self._works]


def refuse_findings(findings: list[Finding]) -> None:
    """Raise Refused when lint found anything; the sentence names every finding."""
    if findings:
        listed = " ".join(f"[{each.rule}] {each.sentence}" for each in findings)
        raise Refused(f"The draft is not fit to be signed: {listed}", code="lint")


def _open(works: Iterable[_Work]) -> list[_Work]:
    return [work for work in works if work.outcome is None]


def _outcome(work: _Work) -> Outcome:
    if work.outcome is None:
        raise RuntimeError("An order was left without an outcome.")
    return work.outcome


def _each(works: Iterable[_Work], step: Callable[[_Work], None]) -> None:
    """Do a step for each open work; an error is that work's outcome."""
    for work in _open(works):
        try:
            step(work)
        except AntinError as error:
            work.outcome = error


def _together(works: Iterable[_Work], step: Callable[[list[_Work]], None]) -> None:
    """Do a step that commits for all open works at once; if that fails, for each alone."""
    some = _open(works)
    try:
        if some:
            step(some)
    except AntinError as error:
        if len(some) == 1:
            some[0].outcome = error
        else:
            _each(some, lambda work: step([work]))


def _take_up(db: Database, issuer: SigningIssuer, works: Sequence[_Work]) -> None:
    """Find what these decisions began before: it is returned, ended now, or was given up."""
    with db.read() as tx:
        known = records.begun(tx, [work.order.approval.decision for work in works])
    for work in works:
        begun = known.get(work.order.approval.decision)
        if begun is None:
            continue
        key = spki_sha256(work.order.public_key)
        if begun.spki_sha256 != key or begun.certificate.stage is Stage.LOST:
            work.outcome = Conflict(
                f"The decision {work.order.approval.decision!r} was used for another issuance, or "
                "for one that was given up; ask for a new decision."
            )
        elif begun.certificate.stage is Stage.ISSUED:
            work.outcome = begun.certificate
        elif begun.certificate.issuer_id != issuer.issuer.id:
            work.outcome = Conflict(
                f"The decision {work.order.approval.decision!r} began an issuance under another "
                f"issuer than {issuer.issuer.name!r}; end it under that one."
            )
        else:
            work.pending = begun.certificate
            work.ready = Ready(order=work.order, key=key, tbs=begun.tbs)


def _draft(issuer: SigningIssuer, work: _Work) -> None:
    wanted = work.order
    if work.ready is not None:
        return
    order.check(wanted)
    drafted = draft.build(
        issuer=issuer,
        profile=wanted.profile,
        subject=wanted.subject,
        public_key=wanted.public_key,
        serial=serials.draw(),
        not_before=wanted.not_before,
        not_after=wanted.not_after,
    )
    refuse_findings(lint.examine(drafted, issuer))
    work.ready = Ready(
        order=wanted, key=drafted.spki_sha256, tbs=drafted.tbs, sample=drafted.sample
    )


def _record_pending(db: Database, clock: Clock, issuer: SigningIssuer, works: list[_Work]) -> None:
    fresh = [(work, work.ready) for work in works if work.pending is None and work.ready]
    if not fresh:
        return
    with db.begin() as tx:  # COMMIT: the intent, before anything is signed
        made = recording.pending(tx, issuer.issuer, [ready for _, ready in fresh], clock.now())
    for (work, _), each in zip(fresh, made, strict=True):
        if isinstance(each, AntinError):
            work.outcome = each
        else:
            work.pending = each


def _sign_all(issuer: SigningIssuer, works: Sequence[_Work]) -> None:
    """Have every work signed; where the token fails, that one has its outcome, and on we go."""
    waiting = deque(works)
    while waiting:
        made = signatures.sign_all(issuer.key, [_recorded(each) for each in waiting])
        try:
            for der in made:
                waiting.popleft().der = der
        except AntinError as error:
            waiting.popleft().outcome = error


def _recorded(work: _Work) -> bytes:
    if work.pending is None or work.ready is None:
        raise RuntimeError("Nothing is signed before it is recorded.")
    return work.ready.tbs


def _verify(issuer: SigningIssuer, work: _Work) -> None:
    if work.pending is None or work.ready is None or work.der is None:
        raise RuntimeError("Nothing is verified before it is signed.")
    certificate = x509.load_der_x509_certificate(work.der)
    if certificate.tbs_certificate_bytes != work.ready.tbs:
        raise RuntimeError("The signed certificate differs from its draft; it is given up.")
    try:
        # The issuer's name and algorithm stand in the bytes that were compared, and were linted.
        signatures.verify(issuer.certificate.public_key(), work.ready.tbs, certificate.signature)
    except InvalidSignature as error:
        raise RuntimeError(
            f"The key of {issuer.issuer.name!r} gave a signature that does not verify."
        ) from error
    work.signed = Signed(order=work.order, pending=work.pending, der=work.der)


def _record_issued(db: Database, clock: Clock, works: list[_Work]) -> None:
    signed = [(work, work.signed) for work in works if work.signed]
    with db.begin() as tx:  # COMMIT: issued
        made = recording.issued(tx, [each for _, each in signed], clock.now())
    for (work, _), each in zip(signed, made, strict=True):
        work.outcome = each
