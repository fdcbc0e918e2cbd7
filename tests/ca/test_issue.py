"""Issuance: what comes out, what is refused, and what a crash leaves behind."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519

from ca import issue as issuance
from ca import records
from ca.issuers import SigningIssuer
from ca.model import Act, Certificate, HoldSource, Stage, Status
from ca.reconcile import reconcile
from core import audit, serials
from core.clock import SetClock
from core.database import Database
from core.errors import Conflict, Refused
from core.reasons import Reason
from tests.support import authority, watched
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

    def stand_still() -> None:
        clock.move_to(clock.now() + timedelta(minutes=11))
        assert len(reconcile(db, clock)) == 1

    slow = replace(issuer, key=watched.RsaKey(issuer.key, stand_still))
    with pytest.raises(Conflict, match="no longer pending"):
        issuance.issue(db, clock, slow, authority.order("KH1", clock.now()))
    with db.read() as tx:
        (lost,) = records.of_subscriber(tx, "KH1")
    assert (lost.stage, lost.standing.status) == (Stage.LOST, Status.REVOKED)


@pytest.mark.parametrize(("at", "persisted"), [(1, True), (2, False)])
def test_the_same_command_ends_what_a_crash_interrupted(
    db: Database, clock: SetClock, issuer: SigningIssuer, at: int, *, persisted: bool
) -> None:
    """After a crash the same command signs the recorded bytes: no serial is lost or doubled."""
    order = authority.order("KH1", clock.now(), on_hold=True)
    with pytest.raises(Crash):
        issuance.issue(CrashingDatabase(db, at, persisted=persisted), clock, issuer, order)
    with db.read() as tx:
        (pending,) = records.of_subscriber(tx, "KH1")
    issued = issuance.issue(db, clock, issuer, order)
    assert (issued.stage, issued.serial, issued.id) == (Stage.ISSUED, pending.serial, pending.id)
    assert issued.standing == pending.standing
    with db.read() as tx:
        assert records.of_subscriber(tx, "KH1") == [issued]
        assert len(records.events(tx, issued.id)) == 1
    assert reconcile(db, clock, patience=timedelta(0)) == []


def test_a_decision_that_was_given_up_is_spent(
    db: Database, clock: SetClock, issuer: SigningIssuer
) -> None:
    """After reconcile gave an issuance up, its decision issues nothing more."""
    order = authority.order("KH1", clock.now())
    with pytest.raises(Crash):
        issuance.issue(CrashingDatabase(db, 1, persisted=True), clock, issuer, order)
    clock.move_to(clock.now() + timedelta(minutes=11))
    reconcile(db, clock)
    with pytest.raises(Conflict, match="ask for a new decision"):
        issuance.issue(db, clock, issuer, order)


def test_a_decision_is_for_one_key(db: Database, clock: SetClock, issuer: SigningIssuer) -> None:
    """A decision that was used for one key is refused for another."""
    order = authority.order("KH1", clock.now())
    issuance.issue(db, clock, issuer, order)
    other = authority.order("KH1", clock.now(), approval=order.approval)
    with pytest.raises(Conflict, match="another issuance"):
        issuance.issue(db, clock, issuer, other)


def test_the_same_command_many_times_at_once(
    db: Database, clock: SetClock, issuer: SigningIssuer
) -> None:
    """A command that is sent many times at once, as after time-outs, gives one certificate."""
    order = authority.order("KH1", clock.now())

    def send(_: int) -> issuance.Outcome:
        (outcome,) = issuance.issue_all(db, clock, issuer, [order])
        return outcome

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(send, range(8)))
    issued = {each.serial for each in outcomes if isinstance(each, Certificate)}
    assert len(issued) == 1
    assert all(isinstance(each, Certificate | Conflict) for each in outcomes)
    with db.read() as tx:
        assert len(records.of_subscriber(tx, "KH1")) == 1
    assert isinstance(send(0), Certificate)


def test_many_at_once_from_many_threads(
    db: Database, clock: SetClock, issuer: SigningIssuer
) -> None:
    """200 issues in parallel: every signature verifies, every serial is unique and known at once.

    Incidents: one serial twice with a bad signature; certificates that the database lost.
    """

    def issue(number: int) -> Certificate:
        order = authority.order(f"KH{number}", clock.now())
        issued = issuance.issue(db, clock, issuer, order)
        with db.read() as tx:
            known = records.entry(tx, issuer.issuer.id, issued.serial)
        assert known is not None
        assert known.stage is Stage.ISSUED
        return issued

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(issue, range(200)))
    assert len({each.serial for each in made}) == 200
    for each in made:
        certificate = x509.load_der_x509_certificate(each.der or b"")
        certificate.verify_directly_issued_by(issuer.certificate)
        assert certificate.serial_number == each.serial
    _assert_random({each.serial for each in made})


def _assert_random(drawn: set[int]) -> None:
    """Incident: 63-bit serials. Each of the low 120 bits is set in about half of them."""
    assert {serial.bit_length() for serial in drawn} <= set(range(121, 128))
    for bit in range(120):
        share = sum(serial >> bit & 1 for serial in drawn) / len(drawn)
        assert 0.25 < share < 0.75, f"bit {bit} is set in {share:.0%} of the serials"


def test_key_of_the_ca_is_refused(db: Database, clock: SetClock, issuer: SigningIssuer) -> None:
    """Nobody gets a certificate for the public key of the CA itself, nor for the root's."""
    with db.read() as tx:
        ders = [each.der for each in records.issuers(tx)]
    for der in ders:
        key = x509.load_der_x509_certificate(der).public_key()
        order = authority.order("KH1", clock.now(), public_key=key)
        with pytest.raises(Refused, match="another subscriber"):
            issuance.issue(db, clock, issuer, order)


def test_key_kind_of_the_profile(db: Database, clock: SetClock, issuer: SigningIssuer) -> None:
    """Ed25519 is certified only by a profile that says so."""
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    order = authority.order("KH1", clock.now(), public_key=key)
    with pytest.raises(Refused, match="not Ed25519"):
        issuance.issue(db, clock, issuer, order)
    wider = order.profile.model_copy(update={"keys": ("Ed25519",)})
    allowed = authority.order("KH1", clock.now(), public_key=key, profile=wider)
    assert issuance.issue(db, clock, issuer, allowed).der is not None
