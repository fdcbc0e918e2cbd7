"""Issuance: what comes out, what is refused, and what a crash leaves behind."""

from datetime import timedelta

import pytest
from cryptography import x509

from ca import issue as issuance
from ca import records
from ca.issuers import SigningIssuer
from ca.model import Act, HoldSource, Stage, Status
from ca.reconcile import reconcile
from core import audit, serials
from core.clock import SetClock
from core.database import Database
from core.errors import Conflict, Refused
from core.reasons import Reason
from tests.support import authority
from tests.support.crash import Crash, CrashingDatabase


def test_issued_certificate_is_the_draft(
    db: Database, clock: SetClock, issuer: SigningIssuer
) -> None:
    """An issued certificate verifies under its issuer, is recorded, and has its first event."""
    order = authority.order("KH1", clock.now())
    issued = issuance.issue(db, clock, issuer, order)
    certificate = x509.load_der_x509_certificate(issued.der or b"")
    certificate.verify_directly_issued_by(issuer.certificate)
    assert certificate.serial_number == issued.serial
    assert (issued.stage, issued.standing.status) == (Stage.ISSUED, Status.GOOD)
    with db.read() as tx:
        (event,) = records.events(tx, issued.id)
        trail = audit.entries(tx, subject=f"certificate:{serials.to_hex(issued.serial)}")
    assert (event.act, event.status, event.clause) == (
        Act.ISSUE,
        Status.GOOD,
        order.approval.clause,
    )
    assert [entry.act for entry in trail] == ["certificate.issue"]


def test_same_approval_is_one_certificate(
    db: Database, clock: SetClock, issuer: SigningIssuer
) -> None:
    """The same command twice is one act: the second call returns the first certificate."""
    order = authority.order("KH1", clock.now())
    first = issuance.issue(db, clock, issuer, order)
    assert issuance.issue(db, clock, issuer, order) == first


def test_born_on_hold(db: Database, clock: SetClock, issuer: SigningIssuer) -> None:
    """A certificate ordered on hold is held as not activated from its first instant."""
    issued = issuance.issue(db, clock, issuer, authority.order("KH1", clock.now(), on_hold=True))
    assert issued.standing.status is Status.HOLD
    assert issued.standing.since == clock.now()
    assert issued.standing.sources == {HoldSource.NOT_ACTIVATED}
    assert issued.standing.reason is Reason.CERTIFICATE_HOLD


def test_key_of_another_subscriber_is_refused(
    db: Database, clock: SetClock, issuer: SigningIssuer
) -> None:
    """A public key that one subscriber has is refused to every other, and nothing is left over."""
    first = authority.order("KH1", clock.now())
    issuance.issue(db, clock, issuer, first)
    second = authority.order("KH2", clock.now(), public_key=first.public_key)
    with pytest.raises(Refused, match="another subscriber"):
        issuance.issue(db, clock, issuer, second)
    with db.read() as tx:
        assert records.of_subscriber(tx, "KH2") == []


def test_approval_of_other_act_is_refused(
    db: Database, clock: SetClock, issuer: SigningIssuer
) -> None:
    """An approval to revoke does not issue."""
    wrong = authority.approval(Act.REVOKE, "KH1", clock.now())
    with pytest.raises(Refused, match="not issuance"):
        issuance.issue(db, clock, issuer, authority.order("KH1", clock.now(), approval=wrong))


def test_outliving_the_issuer_is_refused(
    db: Database, clock: SetClock, issuer: SigningIssuer
) -> None:
    """A certificate may not end after its issuer."""
    late = issuer.issuer.not_after + timedelta(seconds=1)
    with pytest.raises(Refused, match="after its issuer"):
        issuance.issue(db, clock, issuer, authority.order("KH1", clock.now(), not_after=late))


def test_lint_stops_before_signing(db: Database, clock: SetClock, issuer: SigningIssuer) -> None:
    """A finding stops the issuance: no serial is recorded and nothing is signed."""
    too_long = clock.now() + timedelta(days=365 * 6)
    with pytest.raises(Refused, match="exceeds the profile's 5 years"):
        issuance.issue(db, clock, issuer, authority.order("KH1", clock.now(), not_after=too_long))
    with db.read() as tx:
        assert records.of_subscriber(tx, "KH1") == []


def _crash(
    db: Database, clock: SetClock, issuer: SigningIssuer, at: int, *, persisted: bool
) -> None:
    crashing = CrashingDatabase(db, at, persisted=persisted)
    order = authority.order("KH1", clock.now())
    with pytest.raises(Crash):
        issuance.issue(crashing, clock, issuer, order)


def test_crash_before_pending_commit(db: Database, clock: SetClock, issuer: SigningIssuer) -> None:
    """A crash before the pending row commits leaves no trace, and the key is free."""
    _crash(db, clock, issuer, 1, persisted=False)
    with db.read() as tx:
        assert records.of_subscriber(tx, "KH1") == []


def test_crash_after_pending_commit(db: Database, clock: SetClock, issuer: SigningIssuer) -> None:
    """A crash after the pending row committed leaves a serial that reconcile revokes for ever."""
    _crash(db, clock, issuer, 1, persisted=True)
    _assert_revoked_as_lost(db, clock)


def test_crash_before_issued_commit(db: Database, clock: SetClock, issuer: SigningIssuer) -> None:
    """A crash after signing, before the last commit: the signed certificate is dead on arrival."""
    _crash(db, clock, issuer, 2, persisted=False)
    _assert_revoked_as_lost(db, clock)


def test_crash_after_issued_commit(db: Database, clock: SetClock, issuer: SigningIssuer) -> None:
    """A crash after the last commit loses nothing: asking again gives the same certificate."""
    crashing = CrashingDatabase(db, 2, persisted=True)
    order = authority.order("KH1", clock.now())
    with pytest.raises(Crash):
        issuance.issue(crashing, clock, issuer, order)
    again = issuance.issue(db, clock, issuer, order)
    assert again.stage is Stage.ISSUED
    assert reconcile(db, clock, patience=timedelta(0)) == []


def _assert_revoked_as_lost(db: Database, clock: SetClock) -> None:
    clock.move_to(clock.now() + timedelta(minutes=11))
    with db.read() as tx:
        (pending,) = records.of_subscriber(tx, "KH1")
    assert pending.stage is Stage.PENDING
    assert reconcile(db, clock) == [pending.serial]
    assert reconcile(db, clock) == []
    with db.read() as tx:
        (lost,) = records.of_subscriber(tx, "KH1")
        entry = records.entry(tx, lost.issuer_id, lost.serial)
    assert (lost.stage, lost.standing.status) == (Stage.LOST, Status.REVOKED)
    assert entry is not None
    assert entry.status is Status.REVOKED


def test_fresh_pending_rows_are_left_alone(
    db: Database, clock: SetClock, issuer: SigningIssuer
) -> None:
    """Reconcile waits: an issuance that is under way is not taken for lost."""
    _crash(db, clock, issuer, 1, persisted=True)
    assert reconcile(db, clock) == []


def test_slow_issuance_that_was_given_up_fails(
    db: Database, clock: SetClock, issuer: SigningIssuer
) -> None:
    """An issuance that finishes after reconcile gave it up does not come back to life."""
    order = authority.order("KH1", clock.now())
    drafted = issuance._draft(issuer, order)
    row = issuance._record_pending(db, clock, issuer, order, drafted)
    der = issuance._sign(issuer, drafted)
    clock.move_to(clock.now() + timedelta(minutes=11))
    assert len(reconcile(db, clock)) == 1
    with pytest.raises(Conflict, match="no longer pending"):
        issuance._record_issued(db, clock, row, order, der)
