"""Planned revocations: carried out when their date comes, unless cancelled or overtaken."""

from datetime import timedelta

import pytest

from ca import issue as issuance
from ca import plan, records
from ca.issuers import SigningIssuer
from ca.model import Act, Certificate
from core import audit, serials
from core.clock import SetClock
from core.database import Database
from core.errors import Conflict, NotFound, Refused
from core.reasons import Reason
from tests.support import authority
from tests.support.acts import Acts
from tests.support.crash import Crash, CrashingDatabase

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def acts(db: Database, clock: SetClock) -> Acts:
    """Acts at the clock's instant."""
    return Acts(db, clock)


@pytest.fixture
def good(db: Database, clock: SetClock, issuer: SigningIssuer) -> Certificate:
    """A good certificate."""
    return issuance.issue(db, clock, issuer, authority.order("KH1", clock.now()))


def test_carried_out_when_due(db: Database, clock: SetClock, acts: Acts, good: Certificate) -> None:
    """A plan does nothing before its date; then it is one revocation, at the instant it is done."""
    due_at = clock.now() + DAY
    acts.plan(good, due_at, decision="d1")
    acts.plan(good, due_at, decision="d1")
    assert acts.carry_out_due() == []
    clock.move_to(due_at + SECOND)
    (revoked,) = acts.carry_out_due()
    assert (revoked.standing.reason, revoked.standing.since) == (
        Reason.CESSATION_OF_OPERATION,
        due_at + SECOND,
    )
    assert acts.carry_out_due() == []
    with db.read() as tx:
        assert records.open_plans(tx) == []
        last = records.events(tx, good.id)[-1]
        trail = audit.entries(tx, subject=f"certificate:{serials.to_hex(good.serial)}")
    assert (last.act, last.decision) == (Act.REVOKE, "d1")
    assert [each.act for each in trail][1:] == ["certificate.plan", "certificate.revoke"]


def test_cancelled(db: Database, clock: SetClock, acts: Acts, good: Certificate) -> None:
    """A cancelled plan is not carried out; another may be made, and cancelling once is enough."""
    acts.plan(good, clock.now() + DAY)
    with db.begin() as tx:
        plan.cancel(tx, good.serial, clock.now(), actor="operator:lan", because="It goes on.")
    with db.begin() as tx, pytest.raises(NotFound, match="No revocation of"):
        plan.cancel(tx, good.serial, clock.now(), actor="operator:lan", because="It goes on.")
    clock.move_to(clock.now() + DAY)
    assert acts.carry_out_due() == []
    acts.plan(good, clock.now() + DAY)


def test_overtaken(db: Database, clock: SetClock, acts: Acts, good: Certificate) -> None:
    """A revocation that comes first closes the plan, and stays what it is."""
    acts.plan(good, clock.now() + DAY)
    acts.revoke(good, Reason.PRIVILEGE_WITHDRAWN)
    with db.read() as tx:
        assert records.open_plans(tx) == []
    clock.move_to(clock.now() + DAY)
    assert acts.carry_out_due() == []
    with db.read() as tx:
        assert records.by_id(tx, good.id).standing.reason is Reason.PRIVILEGE_WITHDRAWN


def test_overtaken_by_expiry(db: Database, clock: SetClock, acts: Acts, good: Certificate) -> None:
    """A plan whose date was missed until the certificate expired is closed without an act."""
    acts.plan(good, good.not_after)
    clock.move_to(good.not_after + SECOND)
    assert acts.carry_out_due() == []
    with db.read() as tx:
        assert records.open_plans(tx) == []
        assert not records.by_id(tx, good.id).revoked


def test_refused(clock: SetClock, acts: Acts, good: Certificate) -> None:
    """Dates outside of the validity, hold reasons, second plans and revoked ones are refused."""
    now = clock.now()
    for due_at in (now, now - DAY, good.not_after + SECOND):
        with pytest.raises(Refused, match="between now and the certificate's end"):
            acts.plan(good, due_at)
    with pytest.raises(Refused, match="is not a reason for a revocation"):
        acts.plan(good, now + DAY, Reason.CERTIFICATE_HOLD)
    acts.plan(good, now + DAY)
    with pytest.raises(Conflict, match="cancel that one first"):
        acts.plan(good, now + 2 * DAY)
    acts.revoke(good)
    with pytest.raises(Refused, match="revoked is final"):
        acts.plan(good, now + DAY)


@pytest.mark.parametrize("persisted", [False, True])
def test_crash_when_carried_out(
    db: Database, clock: SetClock, acts: Acts, good: Certificate, *, persisted: bool
) -> None:
    """Plan and revocation end in one commit: after a crash the next round makes it one act."""
    acts.plan(good, clock.now() + DAY)
    clock.move_to(clock.now() + DAY)
    with pytest.raises(Crash):
        Acts(CrashingDatabase(db, 1, persisted=persisted), clock).carry_out_due()
    with db.read() as tx:
        assert records.by_id(tx, good.id).revoked is persisted
        assert len(records.open_plans(tx)) == int(not persisted)
    assert len(acts.carry_out_due()) == int(not persisted)
