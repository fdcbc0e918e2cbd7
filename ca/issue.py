"""Issuance, in the order that makes it safe; the order is the argument.

    1. the approval is checked; the key is claimed for its subscriber
    2. the draft is built and linted: any finding stops here, nothing was signed
    3. COMMIT: the pending row with serial and to-be-signed bytes
    4. the issuing key signs; the result is parsed, compared with the draft, verified
    5. COMMIT: issued

A crash between 3 and 5 leaves a pending row, and `reconcile` revokes that serial: a certificate
that was signed but lost is dead on arrival. The decision was committed before, by policy.
"""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from ca import draft, lint, records, status
from ca.csr import PublicKey, spki_sha256
from ca.issuers import SigningIssuer
from ca.model import Act, Approval, Certificate, Hold, HoldSource, Standing
from ca.profiles import Profile
from core import audit, serials
from core.clock import Clock
from core.database import Database
from core.errors import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be issued: the key, the name from the register, the profile, the validity (UTC).

    With `on_hold` the certificate is born suspended (not yet activated) until that hold is lifted.
    """

    approval: Approval
    profile: Profile
    subject: x509.Name
    public_key: PublicKey
    not_before: datetime
    not_after: datetime
    on_hold: bool = False


def issue(db: Database, clock: Clock, issuer: SigningIssuer, order: Order) -> Certificate:
    """Issue one certificate; the same approval twice returns the first certificate again.

    Raises Refused (approval, key, validity, lint), SigningUnavailable, or Conflict when the pending
    row was given up meanwhile.
    """
    with db.read() as tx:
        earlier = records.by_decision(tx, order.approval.decision)
    if earlier is not None and earlier.der is not None:
        return earlier
    _check_approval(order)
    drafted = _draft(issuer, order)
    row = _record_pending(db, clock, issuer, order, drafted)
    der = _sign(issuer, drafted)
    return _record_issued(db, clock, row, order, der)


def _check_approval(order: Order) -> None:
    approval = order.approval
    if approval.act is not Act.ISSUE or approval.serial is not None:
        raise Refused(
            f"The approval {approval.decision!r} allows {approval.act}, not issuance.",
            code="approval_of_other_act",
        )


def _draft(issuer: SigningIssuer, order: Order) -> draft.Draft:
    drafted = draft.build(
        issuer=issuer,
        profile=order.profile,
        subject=order.subject,
        public_key=order.public_key,
        serial=serials.draw(),
        not_before=order.not_before,
        not_after=order.not_after,
    )
    refuse_findings(lint.examine(drafted, issuer))
    return drafted


def refuse_findings(findings: list[lint.Finding]) -> None:
    """Raise Refused when lint found anything; the sentence names every finding."""
    if findings:
        listed = " ".join(f"[{each.rule}] {each.sentence}" for each in findings)
        raise Refused(f"The draft is not fit to be signed: {listed}", code="lint")


def _record_pending(
    db: Database, clock: Clock, issuer: SigningIssuer, order: Order, drafted: draft.Draft
) -> int:
    now = clock.now()
    spki = spki_sha256(order.public_key)
    with db.begin() as tx:  # COMMIT: the intent, before anything is signed
        records.claim_key(tx, spki, order.approval.subscriber)
        return records.add_pending(
            tx,
            {
                "issuer_id": issuer.issuer.id,
                "serial": drafted.sample.serial_number,
                "subscriber": order.approval.subscriber,
                "profile": order.profile.name,
                "tbs": drafted.tbs,
                "spki_sha256": spki,
                "not_before": order.not_before,
                "not_after": order.not_after,
                "decision": order.approval.decision,
                "created_at": now,
            },
            _standing(order, now),
        )


def _standing(order: Order, now: datetime) -> Standing:
    if not order.on_hold:
        return Standing()
    hold = Hold(source=HoldSource.NOT_ACTIVATED, clause=order.approval.clause, placed_at=now)
    return status.on_hold_from_birth(hold)


def _sign(issuer: SigningIssuer, drafted: draft.Draft) -> bytes:
    der = draft.sign(drafted, issuer.key)
    certificate = x509.load_der_x509_certificate(der)
    if certificate.tbs_certificate_bytes != drafted.tbs:
        raise RuntimeError("The signed certificate differs from its draft; it is given up.")
    try:
        certificate.verify_directly_issued_by(issuer.certificate)
    except InvalidSignature as error:
        raise RuntimeError(
            f"The key of {issuer.issuer.name!r} gave a signature that does not verify."
        ) from error
    return der


def _record_issued(db: Database, clock: Clock, row: int, order: Order, der: bytes) -> Certificate:
    approval = order.approval
    with db.begin() as tx:  # COMMIT: issued
        records.mark_issued(tx, row, der)
        issued = records.by_id(tx, row)
        standing = issued.standing
        records.add_event(
            tx,
            certificate_id=row,
            at=standing.since or issued.created_at,
            act=Act.ISSUE,
            status=standing.status,
            reason=standing.reason,
            source=HoldSource.NOT_ACTIVATED if order.on_hold else None,
            decision=approval.decision,
            clause=approval.clause,
            because=approval.because,
        )
        audit.append(
            tx,
            at=clock.now(),
            actor=approval.actor,
            act="certificate.issue",
            subject=f"certificate:{serials.to_hex(issued.serial)}",
            subscriber=approval.subscriber,
            profile=order.profile.name,
            decision=approval.decision,
            status=standing.status,
        )
        return issued
