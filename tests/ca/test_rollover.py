"""Generations of issuers: the next one issues, the old one goes on telling status."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ca import establish, history, records, rollover
from ca import issue as issuance
from ca.issuers import SigningIssuer
from ca.model import Act, Status
from core import audit
from core.clock import SetClock
from core.database import Database
from core.errors import Conflict, NotFound, Refused
from tests.support import authority
from tests.support.acts import Acts
from tests.support.crash import Crash, CrashingDatabase

YEAR = timedelta(days=365)


@pytest.fixture
def generations(db: Database, clock: SetClock) -> tuple[SigningIssuer, SigningIssuer]:
    """Two generations of the issuing CA under one root: `issuing` and `issuing-2`."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(3)]
    now = clock.now()
    root = establish.establish_root(
        db,
        clock,
        keys[0],
        name="root",
        subject=authority.name("Test Root"),
        profile=authority.PROFILES["root"],
        not_after=now + 20 * YEAR,
        urls=authority.URLS,
        actor="ceremony:test",
    )
    made = [
        establish.establish_subordinate(
            db,
            clock,
            root,
            key,
            name=name,
            subject=authority.name("Test Issuing CA"),
            profile=authority.PROFILES["issuing_ca"],
            not_after=now + years * YEAR,
            approval=authority.approval(Act.ISSUE, "antin", now),
            urls=authority.URLS,
        )
        for name, key, years in (("issuing", keys[1], 5), ("issuing-2", keys[2], 10))
    ]
    return made[0], made[1]


def test_retired(
    db: Database, clock: SetClock, generations: tuple[SigningIssuer, SigningIssuer]
) -> None:
    """A retired issuer certifies its responder alone; its certificates are revoked as before."""
    old, new = generations
    made = issuance.issue(db, clock, old, authority.order("KH1", clock.now()))
    retired = rollover.retire(db, clock, "issuing", successor="issuing-2", actor="operator:lan")
    assert retired.retired_at == clock.now()
    with pytest.raises(Refused, match="name its successor"):
        issuance.issue(db, clock, old, authority.order("KH2", clock.now()))
    assert issuance.issue(db, clock, new, authority.order("KH2", clock.now())).der
    responder = authority.order("antin", clock.now(), profile=authority.PROFILES["ocsp_responder"])
    assert issuance.issue(db, clock, old, responder).der
    Acts(db, clock).revoke(made)
    with db.read() as tx:
        entry = records.entry(tx, old.issuer.id, made.serial)
        trail = audit.entries(tx, subject="issuer:issuing")
    assert entry is not None
    assert entry.status is Status.REVOKED
    assert [each.act for each in trail] == ["issuer.establish", "issuer.retire"]


def test_both_issue_until_then(
    db: Database, clock: SetClock, generations: tuple[SigningIssuer, SigningIssuer]
) -> None:
    """Several issuers issue at once, each under its own name; a serial belongs to one of them."""
    made = [
        issuance.issue(db, clock, each, authority.order(f"KH{number}", clock.now()))
        for number, each in enumerate(generations)
    ]
    assert [each.issuer_id for each in made] == [each.issuer.id for each in generations]
    with db.read() as tx:
        assert records.entry(tx, generations[1].issuer.id, made[0].serial) is None


@pytest.mark.usefixtures("generations")
def test_refused(db: Database, clock: SetClock) -> None:
    """Retiring twice, into an older or the same or an unknown issuer is refused."""
    words = {"actor": "operator:lan"}
    for name, successor in (("issuing", "issuing"), ("issuing-2", "issuing")):
        with pytest.raises(Conflict, match="it is no successor"):
            rollover.retire(db, clock, name, successor=successor, **words)
    with pytest.raises(NotFound, match="no issuer named 'issuing-3'"):
        rollover.retire(db, clock, "issuing", successor="issuing-3", **words)
    rollover.retire(db, clock, "issuing", successor="issuing-2", **words)
    with pytest.raises(Conflict, match="was retired at"):
        rollover.retire(db, clock, "issuing", successor="issuing-2", **words)


def test_begun_under_another_issuer(
    db: Database, clock: SetClock, generations: tuple[SigningIssuer, SigningIssuer]
) -> None:
    """What was recorded under one generation is never signed by the next, whose name is the same.

    The issuer it was recorded under ends it.
    """
    old, new = generations
    order = authority.order("KH1", clock.now())
    with pytest.raises(Crash):
        issuance.issue(CrashingDatabase(db, 1, persisted=True), clock, old, order)
    with pytest.raises(Conflict, match="under another issuer than 'issuing-2'"):
        issuance.issue(db, clock, new, order)
    assert issuance.issue(db, clock, old, order).issuer_id == old.issuer.id


def test_one_serial_of_two_issuers(
    db: Database,
    clock: SetClock,
    generations: tuple[SigningIssuer, SigningIssuer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A serial that two issuers gave is told of when the issuer is named; else both are named."""
    monkeypatch.setattr("core.serials.draw", lambda: 0xA5 << 100)
    made = [
        issuance.issue(db, clock, each, authority.order(f"KH{number}", clock.now()))
        for number, each in enumerate(generations)
    ]
    with db.read() as tx:
        with pytest.raises(Conflict, match="several issuers, issuing and issuing-2: name"):
            history.status_at(tx, made[0].serial, clock.now())
        for each, issuer in zip(made, generations, strict=True):
            name = issuer.issuer.name
            answer = history.status_at(tx, each.serial, clock.now(), issuer=name)
            assert answer.certificate == each
