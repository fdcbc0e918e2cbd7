"""Renewal, re-key, re-issue: when each is allowed, and what becomes of the older certificate."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ca import issue as issuance
from ca import lifecycle, records, succession
from ca.issuers import SigningIssuer
from ca.model import Act, Certificate, HoldSource, Status, Succession
from ca.order import Order, Replacement
from core.clock import SetClock
from core.database import Database
from core.errors import Refused
from core.reasons import Reason
from tests.support import authority
from tests.support.acts import Acts
from tests.support.crash import Crash, CrashingDatabase
from tests.support.office import ca_key

KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
WINDOW = timedelta(days=30)
SECOND = timedelta(seconds=1)


@pytest.fixture
def issuing(sqlite_db: Database, clock: SetClock) -> SigningIssuer:
    """An issuing CA with P-256 keys."""
    return authority.establish(sqlite_db, clock, ca_key("root"), ca_key("issuing"))


@pytest.fixture
def old(sqlite_db: Database, clock: SetClock, issuing: SigningIssuer) -> Certificate:
    """A good certificate of KH1, for a year, 30 days before its end."""
    order = authority.order("KH1", clock.now(), public_key=KEY)
    made = issuance.issue(sqlite_db, clock, issuing, order)
    clock.move_to(made.not_after - WINDOW)
    return made


def _following(
    old: Certificate, kind: Succession, now: datetime, *, ends: bool = False, **changes: object
) -> Order:
    """An order that follows `old`, with its key and subject unless others are given."""
    retire = authority.approval(Act.REVOKE, old.subscriber, now, serial=old.serial)
    replaces = Replacement(serial=old.serial, kind=kind, retire=retire if ends else None)
    reason = changes.pop("reason", None)
    if isinstance(reason, Reason):
        replaces = replace(replaces, reason=reason)
    values: dict[str, object] = {
        "public_key": KEY,
        "subject": x509.load_der_x509_certificate(old.der or b"").subject,
        "replaces": replaces,
    }
    return authority.order("KH1", now, **(values | changes))


def _other_key() -> ec.EllipticCurvePublicKey:
    return ec.generate_private_key(ec.SECP256R1()).public_key()


def test_renewal(
    sqlite_db: Database, clock: SetClock, issuing: SigningIssuer, old: Certificate
) -> None:
    """A renewal keeps key and name, has a serial of its own, and leaves the older one to end."""
    order = _following(old, Succession.RENEWAL, clock.now())
    made = issuance.issue(sqlite_db, clock, issuing, order)
    one, two = (x509.load_der_x509_certificate(each.der or b"") for each in (old, made))
    assert made.serial != old.serial
    assert (one.subject, one.public_key()) == (two.subject, two.public_key())
    with sqlite_db.read() as tx:
        assert records.by_id(tx, old.id).standing.status is Status.GOOD
        assert records.predecessor(tx, made.id) == old.id


def test_renewal_begins_thirty_days_before_the_end(
    sqlite_db: Database, clock: SetClock, issuing: SigningIssuer, old: Certificate
) -> None:
    """A second before the window a renewal is refused with its instant; a re-key is not."""
    early = SetClock(clock.now() - SECOND)
    order = _following(old, Succession.RENEWAL, early.now())
    with pytest.raises(Refused, match="30 days before its end") as refused:
        issuance.issue(sqlite_db, early, issuing, order)
    assert refused.value.code == "renewal_too_early"
    order = _following(old, Succession.REKEY, early.now(), public_key=_other_key())
    assert issuance.issue(sqlite_db, early, issuing, order).der


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Succession.RENEWAL, Reason.SUPERSEDED),
        (Succession.REKEY, Reason.SUPERSEDED),
        (Succession.REKEY, Reason.KEY_COMPROMISE),
        (Succession.REISSUE, Reason.SUPERSEDED),
        (Succession.REISSUE, Reason.AFFILIATION_CHANGED),
    ],
)
def test_the_older_one_ends_with_the_issue(
    sqlite_db: Database,
    clock: SetClock,
    issuing: SigningIssuer,
    old: Certificate,
    *,
    kind: Succession,
    reason: Reason,
) -> None:
    """Where that was approved, the older one is revoked in the commit that issues the new one."""
    changes: dict[str, object] = {"reason": reason}
    if kind is Succession.REKEY:
        changes["public_key"] = _other_key()
    if kind is Succession.REISSUE:
        changes["subject"] = authority.name("CÔNG TY ĐỔI TÊN")
    order = _following(old, kind, clock.now(), ends=True, **changes)
    made = issuance.issue(sqlite_db, clock, issuing, order)
    with sqlite_db.read() as tx:
        ended = records.by_id(tx, old.id)
        assert records.blocked(tx, [records.key_of(tx, old.id)]).keys() == (
            {records.key_of(tx, old.id)} if reason is Reason.KEY_COMPROMISE else set()
        )
    assert (ended.standing.reason, ended.standing.since) == (reason, clock.now())
    assert made.standing.status is Status.GOOD


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Succession.RENEWAL, Reason.AFFILIATION_CHANGED),
        (Succession.REKEY, Reason.AFFILIATION_CHANGED),
        (Succession.REISSUE, Reason.KEY_COMPROMISE),
        (Succession.RENEWAL, Reason.CERTIFICATE_HOLD),
    ],
)
def test_reason_of_another_act(
    sqlite_db: Database,
    clock: SetClock,
    issuing: SigningIssuer,
    old: Certificate,
    *,
    kind: Succession,
    reason: Reason,
) -> None:
    """A reason that does not belong to the kind of succession is refused."""
    order = _following(old, kind, clock.now(), reason=reason)
    with pytest.raises(Refused, match="is no reason to revoke what"):
        issuance.issue(sqlite_db, clock, issuing, order)


def test_each_kind_is_what_it_says(
    sqlite_db: Database, clock: SetClock, issuing: SigningIssuer, old: Certificate
) -> None:
    """A re-key has another key, a re-issue another name, and the others have the same name."""
    now, changed = clock.now(), authority.name("CÔNG TY ĐỔI TÊN")
    wrong = {
        "rekey_same_key": _following(old, Succession.REKEY, now),
        "reissue_same_subject": _following(old, Succession.REISSUE, now),
        "subject_changed": _following(old, Succession.RENEWAL, now, subject=changed),
    }
    for code, order in wrong.items():
        with pytest.raises(Refused) as refused:
            issuance.issue(sqlite_db, clock, issuing, order)
        assert refused.value.code == code
    order = _following(old, Succession.REKEY, now, subject=changed, public_key=_other_key())
    with pytest.raises(Refused, match="re-issue with changed data"):
        issuance.issue(sqlite_db, clock, issuing, order)


def test_predecessors_that_cannot_be(
    sqlite_db: Database, clock: SetClock, issuing: SigningIssuer, old: Certificate
) -> None:
    """What is another's, on hold, replaced already, revoked or expired is not followed."""
    acts = Acts(sqlite_db, clock)

    def code(**changes: object) -> str:
        order = _following(old, Succession.RENEWAL, clock.now(), ends=False, **changes)
        with pytest.raises(Refused) as refused:
            issuance.issue(sqlite_db, clock, issuing, order)
        return refused.value.code

    other = authority.approval(Act.ISSUE, "KH2", clock.now())
    assert code(approval=other, public_key=_other_key()) == "predecessor_of_another"
    acts.suspend(old, HoldSource.AUTHORITY)
    assert code() == "predecessor_on_hold"
    acts.restore(old, HoldSource.AUTHORITY)
    renewed = issuance.issue(
        sqlite_db, clock, issuing, _following(old, Succession.RENEWAL, clock.now())
    )
    assert code() == "replaced_already"
    acts.revoke(renewed)
    acts.revoke(old)
    assert code() == "predecessor_revoked"


def test_expired_is_not_renewed(
    sqlite_db: Database, clock: SetClock, issuing: SigningIssuer, old: Certificate
) -> None:
    """After its last second a certificate is not renewed."""
    clock.move_to(old.not_after + SECOND)
    order = _following(old, Succession.RENEWAL, clock.now())
    with pytest.raises(Refused, match="has expired and is not renewed"):
        issuance.issue(sqlite_db, clock, issuing, order)


def test_retired_later(
    sqlite_db: Database, clock: SetClock, issuing: SigningIssuer, old: Certificate
) -> None:
    """The older one may end later, for the reason given at the order; without a successor not."""
    allowed = authority.approval(Act.REVOKE, "KH1", clock.now(), serial=old.serial)
    with sqlite_db.begin() as tx, pytest.raises(Refused, match="has no issued successor"):
        succession.retire(tx, allowed, clock.now())
    order = _following(old, Succession.REKEY, clock.now(), public_key=_other_key())
    issuance.issue(sqlite_db, clock, issuing, order)
    with sqlite_db.begin() as tx:
        ended = succession.retire(tx, allowed, clock.now())
    assert ended.standing.reason is Reason.SUPERSEDED


def test_approval_to_end_another(
    sqlite_db: Database, clock: SetClock, issuing: SigningIssuer, old: Certificate
) -> None:
    """An approval to revoke another certificate does not end this one."""
    order = _following(old, Succession.RENEWAL, clock.now(), ends=True)
    wrong = authority.approval(Act.REVOKE, "KH1", clock.now(), serial=old.serial + 1)
    assert order.replaces is not None
    order = replace(order, replaces=replace(order.replaces, retire=wrong))
    with pytest.raises(Refused, match="does not allow to revoke"):
        issuance.issue(sqlite_db, clock, issuing, order)


@pytest.mark.parametrize(("at", "persisted"), [(1, True), (2, False), (2, True)])
def test_crash_amid_a_renewal(
    sqlite_db: Database,
    clock: SetClock,
    issuing: SigningIssuer,
    old: Certificate,
    at: int,
    *,
    persisted: bool,
) -> None:
    """The older one ends exactly when the new one is issued; the same command ends a crash."""
    order = _following(old, Succession.RENEWAL, clock.now(), ends=True)
    with pytest.raises(Crash):
        issuance.issue(CrashingDatabase(sqlite_db, at, persisted=persisted), clock, issuing, order)
    with sqlite_db.read() as tx:
        assert records.by_id(tx, old.id).revoked is (at == 2 and persisted)
    made = issuance.issue(sqlite_db, clock, issuing, order)
    with sqlite_db.read() as tx:
        assert records.by_id(tx, old.id).revoked
        assert [each.id for each in records.of_subscriber(tx, "KH1")] == [old.id, made.id]


def test_what_cannot_be_retired_is_not_replaced(
    sqlite_db: Database, clock: SetClock, issuing: SigningIssuer, old: Certificate
) -> None:
    """When the older one takes no act now, as after a clock that went back, nothing is recorded."""
    approval = authority.approval(Act.SUSPEND, "KH1", clock.now(), serial=old.serial)
    acted = SetClock(clock.now())
    acted.move_to(clock.now() + SECOND)
    with sqlite_db.begin() as tx:
        lifecycle.suspend(tx, approval, HoldSource.DOSSIER, acted.now())
        lifted = authority.approval(Act.RESTORE, "KH1", acted.now(), serial=old.serial)
        lifecycle.restore(tx, lifted, HoldSource.DOSSIER, acted.now())
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    order = _following(old, Succession.REKEY, clock.now(), ends=True, public_key=key)
    with pytest.raises(Refused, match="nothing is back-dated"):
        issuance.issue(sqlite_db, clock, issuing, order)
    with sqlite_db.read() as tx:
        assert [each.serial for each in records.of_subscriber(tx, "KH1")] == [old.serial]
