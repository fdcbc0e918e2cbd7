"""What the database itself refuses, whatever SQL is sent to it."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from ca import issue, lifecycle, records
from ca.model import Act, Certificate, Succession
from core.clock import SetClock
from core.database import Database
from core.reasons import Reason
from tests.support import authority
from tests.support.acts import Acts


@pytest.fixture
def revoked(db: Database, clock: SetClock) -> Certificate:
    """A certificate that was issued and revoked."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.establish(db, clock, ec.generate_private_key(ec.SECP256R1()), key)
    issued = issue.issue(db, clock, issuer, authority.order("KH1", clock.now()))
    clock.move_to(clock.now() + timedelta(hours=1))
    approval = authority.approval(Act.REVOKE, "KH1", clock.now(), serial=issued.serial)
    with db.begin() as tx:
        return lifecycle.revoke(tx, approval, Reason.KEY_COMPROMISE, clock.now())


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE certificate SET status='good', reason=NULL", "revoked is final"),
        ("UPDATE certificate SET status='hold'", "revoked is final"),
        ("UPDATE certificate SET reason='superseded'", "revoked is final"),
        ("UPDATE certificate SET since='2001-01-01 00:00:00+00'", "revoked is final|back-dated"),
        ("DELETE FROM certificate", "never removed"),
        ("UPDATE certificate SET serial=tbs", "never changes"),
        ("UPDATE certificate SET der=tbs", "never changes"),
        ("UPDATE status_event SET status='good'", "never changed"),
        ("DELETE FROM status_event", "never removed"),
        ("UPDATE audit_entry SET actor='nobody'", "never changed"),
        ("DELETE FROM audit_entry", "never removed"),
        ("UPDATE subject_key SET subscriber='KH2'", "for ever"),
        ("DELETE FROM subject_key", "for ever"),
    ],
)
def test_database_refuses(
    db: Database, revoked: Certificate, statement: str, sentence: str
) -> None:
    """SQL that un-revokes, back-dates, rewrites or removes history fails in the database."""
    where = f" WHERE id = {revoked.id}" if "UPDATE certificate" in statement else ""
    with pytest.raises(DatabaseError, match=sentence), db.begin() as tx:
        tx.execute(text(statement + where))


def test_no_event_after_revocation(db: Database, revoked: Certificate) -> None:
    """A revoked certificate takes no further status event, not even by hand-written SQL."""
    with db.read() as tx:
        last = records.events(tx, revoked.id)[-1]
    values = {
        "certificate_id": revoked.id,
        "at": last.at + timedelta(days=1),
        "act": Act.RESTORE,
        "status": "good",
        "decision": "by-hand",
        "clause": "none",
        "because": "none",
    }
    with pytest.raises(DatabaseError, match="revoked is final"), db.begin() as tx:
        records.add_event(tx, **values)


@pytest.mark.parametrize(("stage", "known"), [("listed", True), ("forgotten", False)])
def test_stages(db: Database, revoked: Certificate, stage: str, *, known: bool) -> None:
    """The database knows the stages that there are, the late ones too, and no other."""
    statement = text(
        "INSERT INTO certificate (issuer_id, serial, subscriber, profile, stage, tbs, spki_sha256,"
        " not_before, not_after, decision, created_at, status)"
        " SELECT issuer_id, tbs, subscriber, profile, :stage, tbs, spki_sha256, not_before,"
        " not_after, 'another', created_at, 'good' FROM certificate WHERE id = :id"
    )
    values = {"stage": stage, "id": revoked.id}
    if known:
        with db.begin() as tx:
            tx.execute(statement, values)
        return
    with pytest.raises(DatabaseError, match="ck_certificate_stage"), db.begin() as tx:
        tx.execute(statement, values)


@pytest.fixture
def acted(db: Database, clock: SetClock) -> None:
    """A certificate that was confirmed, planned for, exposed and replaced; its issuer retired."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.establish(db, clock, ec.generate_private_key(ec.SECP256R1()), key)
    issued = issue.issue(db, clock, issuer, authority.order("KH1", clock.now()))
    acts = Acts(db, clock)
    acts.confirm(issued)
    acts.plan(issued, issued.not_after)
    other = issue.issue(db, clock, issuer, authority.order("KH1", clock.now()))
    acts.revoke(issued, Reason.KEY_COMPROMISE)
    with db.begin() as tx:
        kind, reason = Succession.REKEY, Reason.KEY_COMPROMISE
        records.add_succession(
            tx, successor_id=other.id, predecessor_id=issued.id, kind=kind, reason=reason
        )
        records.retire_issuer(tx, issuer.issuer.id, clock.now())


@pytest.mark.usefixtures("acted")
@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE certificate SET confirmed_at=NULL", "never taken back"),
        ("UPDATE planned_revocation SET closed_at=NULL, outcome=NULL", "closed stays so"),
        ("DELETE FROM planned_revocation", "never removed"),
        ("UPDATE blocked_key SET because='none'", "stays blocked"),
        ("DELETE FROM blocked_key", "stays blocked"),
        ("UPDATE issuer SET retired_at=NULL", "retired stays so"),
        ("UPDATE succession SET kind='renewal'", "never changed"),
        ("DELETE FROM succession", "never removed"),
    ],
)
def test_acts_are_final(db: Database, statement: str, sentence: str) -> None:
    """Confirmations, closed plans, blocked keys, retirements and successions stay, whatever SQL."""
    with pytest.raises(DatabaseError, match=sentence), db.begin() as tx:
        tx.execute(text(statement))
