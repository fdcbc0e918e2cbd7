"""Remedy cases after a crash, at every commit point, and under two hands at once."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import text

from ca import reconcile
from ca import records as engine
from ca.model import Stage, Status
from core.clock import SetClock
from core.database import Database
from policy import remedy
from policy.model import Action, CaseState
from policy.records import cases
from policy.tokens import TokenState
from tests.support.crash import Crash, CrashingDatabase
from tests.support.dossiers import PAPERS
from tests.support.office import ORGANISATION, Bureau, key_request


@pytest.fixture
def paid(bureau: Bureau) -> Bureau:
    """KH00001's case KH00001-1 is paid."""
    bureau.enter("KH00001")
    bureau.paid_case("KH00001")
    return bureau


@pytest.mark.parametrize(
    ("commit", "persisted", "lost"),
    [
        (1, False, 0),  # the decision
        (1, True, 0),
        (2, False, 0),  # the pending certificate
        (2, True, 1),
        (3, False, 1),  # the issued certificate
        (3, True, 0),
        (4, False, 0),  # case and token
        (4, True, 0),
    ],
)
def test_shipping_again_after_a_crash(
    paid: Bureau, commit: int, *, persisted: bool, lost: int
) -> None:
    """Shipping again after a crash at any commit makes one certificate that anybody can use."""
    request = key_request()
    crashing = paid.on(CrashingDatabase(paid.db, commit, persisted=persisted))
    with pytest.raises(Crash):
        remedy.ship(crashing, "KH00001-1", "LCS1", request)
    shipped = commit == 4 and persisted
    assert (paid.case("KH00001-1").state is CaseState.TOKEN_SHIPPED) == shipped
    assert (paid.token("LCS1") == TokenState.SHIPPED) == shipped
    if not shipped:
        remedy.ship(paid.desk, "KH00001-1", "LCS1", request)
    paid.tick(minutes=11)
    assert len(reconcile.reconcile(paid.db, paid.clock)) == lost
    stages = sorted(each.stage for each in paid.all_of("KH00001"))
    assert stages == [Stage.ISSUED] + [Stage.LOST] * lost
    case = paid.case("KH00001-1")
    (usable,) = (each for each in paid.all_of("KH00001") if each.stage is Stage.ISSUED)
    assert case.certificate_id == usable.id
    assert usable.standing.status is Status.HOLD


@pytest.mark.parametrize("persisted", [False, True])
def test_crash_while_the_token_arrives(paid: Bureau, *, persisted: bool) -> None:
    """Arrival, deadline and token are one commit; said again, the arrival counts once."""
    remedy.ship(paid.desk, "KH00001-1", "LCS1", key_request())
    crashing = paid.on(CrashingDatabase(paid.db, 1, persisted=persisted)).office
    with pytest.raises(Crash):
        remedy.deliver(crashing, "KH00001-1")
    case = paid.case("KH00001-1")
    arrived = (case.state is CaseState.TOKEN_RECEIVED, case.due_at is not None)
    assert (*arrived, paid.token("LCS1") == TokenState.DELIVERED) == (persisted,) * 3


@pytest.mark.parametrize("persisted", [False, True])
def test_crash_while_the_deadline_forfeits(paid: Bureau, *, persisted: bool) -> None:
    """Revocation, case and ordered lock are one commit; the next round finishes what is left."""
    certificate = remedy.ship(paid.desk, "KH00001-1", "LCS1", key_request())
    remedy.deliver(paid.office, "KH00001-1")
    paid.tick(days=10)
    crashing = paid.on(CrashingDatabase(paid.db, 1, persisted=persisted)).office
    with pytest.raises(Crash):
        remedy.settle_due(crashing)
    assert paid.now(certificate).revoked == persisted
    assert (paid.token("LCS1") == TokenState.LOCK_PENDING) == persisted
    remedy.settle_due(paid.office)
    assert paid.now(certificate).revoked
    assert paid.actions("KH00001").count(Action.FORFEIT) == 1


@pytest.mark.parametrize("persisted", [False, True])
def test_crash_while_the_lock_is_confirmed(paid: Bureau, *, persisted: bool) -> None:
    """The lock's confirmation is one commit with the case's end; the list says what to retry."""
    remedy.ship(paid.desk, "KH00001-1", "LCS1", key_request())
    remedy.deliver(paid.office, "KH00001-1")
    paid.tick(days=10)
    remedy.settle_due(paid.office)
    crashing = paid.on(CrashingDatabase(paid.db, 1, persisted=persisted)).office
    with pytest.raises(Crash):
        remedy.confirm_lock(crashing, "LCS1")
    with paid.db.read() as tx:
        waiting = remedy.tokens_to_lock(tx)
    for token in waiting:
        remedy.confirm_lock(paid.office, token)
    assert waiting == ([] if persisted else ["LCS1"])
    assert paid.case("KH00001-1").state is CaseState.FORFEITED


def test_case_and_certificate_are_locked_in_one_order(
    migrated_postgres_url: str, clock: SetClock
) -> None:
    """Who holds the certificate gets the case too: a delivery that waits never blocks it."""
    db = Database(migrated_postgres_url)
    bureau = Bureau(db, clock)
    bureau.enter("KH00001")
    case, certificate = bureau.shipped_case("KH00001")
    bureau.bring("KH00001", *PAPERS[ORGANISATION])
    delivery = threading.Thread(target=remedy.deliver, args=(bureau.office, case.id))
    with db.begin() as tx:
        engine.lock(tx, certificate.id)
        delivery.start()
        _wait_until_someone_waits(db)
        cases.case_named(tx, case.id, lock=True)
    delivery.join(timedelta(seconds=20).total_seconds())
    assert bureau.case(case.id).state is CaseState.ACTIVATED
    db.dispose()


def _wait_until_someone_waits(db: Database) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    for _ in range(100_000):
        with db.read() as tx:
            if tx.execute(waiting).scalar_one():
                return
    raise AssertionError("Nobody waited for the lock.")
