"""Orders: what is to be issued, and what an order must be before anything is drafted. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from ca import holders
from ca.keys import PublicKey, spki_sha256
from ca.model import (
    Act,
    Approval,
    Certificate,
    Hold,
    HoldSource,
    Stage,
    Standing,
    Status,
    Succession,
)
from ca.profiles import Profile
from ca.status import on_hold_from_birth
from core import serials
from core.errors import Refused
from core.reasons import Reason

RENEWAL_WINDOW = timedelta(days=30)
"""How long before the end of a certificate its renewal begins, unless an order says otherwise."""

_REASONS = {
    Succession.RENEWAL: {Reason.SUPERSEDED},
    Succession.REKEY: {Reason.SUPERSEDED, Reason.KEY_COMPROMISE},
    Succession.REISSUE: {Reason.SUPERSEDED, Reason.AFFILIATION_CHANGED},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """That an order follows the certificate `serial`, and why.

    `reason` is what the older one is revoked for: in the commit that issues the new one when
    `retire` approves it, later by `succession.retire` otherwise, or never (a renewal may let the
    older one end by itself). A renewal begins `window` before the older one's end.
    """

    serial: int
    kind: Succession
    reason: Reason = Reason.SUPERSEDED
    retire: Approval | None = None
    window: timedelta = RENEWAL_WINDOW


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
    replaces: Replacement | None = None


def check(order: Order) -> None:
    """Raise Refused when the approvals are not for what is ordered."""
    approval = order.approval
    if approval.act is not Act.ISSUE or approval.serial is not None:
        raise Refused(
            f"The approval {approval.decision!r} allows {approval.act}, not issuance.",
            code="approval_of_other_act",
        )
    if order.on_hold and not order.profile.suspendable:
        raise Refused(
            f"Certificates of the profile {order.profile.name!r} are never on hold, so none is "
            "issued on hold.",
            code="not_suspendable",
        )
    replaces = order.replaces
    if replaces is None:
        return
    if replaces.reason not in _REASONS[replaces.kind]:
        raise Refused(
            f"{replaces.reason} is no reason to revoke what a {replaces.kind} replaces.",
            code="reason_of_other_act",
        )
    retire = replaces.retire
    if retire is not None and (retire.act, retire.serial) != (Act.REVOKE, replaces.serial):
        raise Refused(
            f"The approval {retire.decision!r} does not allow to revoke the certificate that is "
            "replaced.",
            code="approval_of_other_act",
        )


def standing_at_birth(order: Order, now: datetime) -> Standing:
    """Return how the certificate stands from its first instant."""
    if not order.on_hold:
        return Standing()
    hold = Hold(source=HoldSource.NOT_ACTIVATED, clause=order.approval.clause, placed_at=now)
    return on_hold_from_birth(hold)


def check_replacement(
    order: Order, replaces: Replacement, old: Certificate, old_key: bytes, now: datetime
) -> None:
    """Raise Refused when `old`, whose key has the hash `old_key`, cannot be followed so now."""
    name = f"The certificate {serials.to_hex(old.serial)}"
    if old.subscriber != order.approval.subscriber:
        raise Refused(f"{name} belongs to another subscriber.", code="predecessor_of_another")
    if old.stage is not Stage.ISSUED or old.revoked:
        raise Refused(
            f"{name} is revoked or was never issued: what follows it is a new certificate, and no "
            f"{replaces.kind}.",
            code="predecessor_revoked",
        )
    if old.expired(now):
        raise Refused(f"{name} has expired and is not renewed.", code="predecessor_expired")
    if old.standing.status is Status.HOLD:
        raise Refused(
            f"{name} is on hold ({', '.join(sorted(old.standing.sources))}); what keeps it there "
            "would not hold its successor. Lift the hold first.",
            code="predecessor_on_hold",
        )
    _CHECKS[replaces.kind](order, replaces, old, old_key, now)


def _check_renewal(
    order: Order, replaces: Replacement, old: Certificate, old_key: bytes, now: datetime
) -> None:
    del old_key
    begins = old.not_after - replaces.window
    if now < begins:
        raise Refused(
            f"The renewal of {serials.to_hex(old.serial)} begins at {begins.isoformat()}, "
            f"{replaces.window.days} days before its end.",
            code="renewal_too_early",
        )
    _check_same_subject(order, old)


def _check_rekey(
    order: Order, replaces: Replacement, old: Certificate, old_key: bytes, now: datetime
) -> None:
    del replaces, now
    if spki_sha256(order.public_key) == old_key:
        raise Refused(
            "A re-key needs another key than the certificate has; generate a new key pair.",
            code="rekey_same_key",
        )
    _check_same_subject(order, old)


def _check_reissue(
    order: Order, replaces: Replacement, old: Certificate, old_key: bytes, now: datetime
) -> None:
    del replaces, old_key, now
    if holders.same(order.subject, _subject(old)):
        raise Refused(
            "Nothing in the subject has changed; renew or re-key instead of re-issuing.",
            code="reissue_same_subject",
        )


_CHECKS = {
    Succession.RENEWAL: _check_renewal,
    Succession.REKEY: _check_rekey,
    Succession.REISSUE: _check_reissue,
}


def _check_same_subject(order: Order, old: Certificate) -> None:
    if not holders.same(order.subject, _subject(old)):
        raise Refused(
            "The subject differs from that of the older certificate; re-issue with changed data.",
            code="subject_changed",
        )


def _subject(certificate: Certificate) -> x509.Name:
    return x509.load_der_x509_certificate(certificate.der or b"").subject
