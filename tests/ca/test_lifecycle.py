"""Acts on certificates: what each does, when it is refused, and what a crash leaves behind."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ca import history, lifecycle, records
from ca import issue as issuance
from ca.history import Validity
from ca.issuers import SigningIssuer
from ca.model import Act, Certificate, HoldSource, Status
from core import audit, serials
from core.clock import SetClock
from core.database import Database
from core.errors import Refused
from core.reasons import Reason
from tests.support import authority
from tests.support.acts import Acts
from tests.support.crash import Crash, CrashingDatabase

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def acts(sqlite_db: Database, clock: SetClock) -> Acts:
    """Acts at the clock's instant."""
    return Acts(sqlite_db, clock)


@pytest.fixture
def issuing(sqlite_db: Database, clock: SetClock) -> SigningIssuer:
    """An issuing CA with P-256 keys."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    return authority.establish(sqlite_db, clock, keys[0], keys[1])


@pytest.fixture
def good(sqlite_db: Database, clock: SetClock, issuing: SigningIssuer) -> Certificate:
    """A good certificate, issued an hour ago."""
    made = issuance.issue(sqlite_db, clock, issuing, authority.order("KH1", clock.now()))
    clock.move_to(clock.now() + HOUR)
    return made


def _history(db: Database, certificate: Certificate) -> list[Act]:
    with db.read() as tx:
        return [each.act for each in records.events(tx, certificate.id)]


def test_confirm(sqlite_db: Database, clock: SetClock, acts: Acts, good: Certificate) -> None:
    """A confirmation is recorded once, with event and audit entry, and changes no status."""
    with sqlite_db.read() as tx:
        assert records.unconfirmed(tx, ["organisation"], clock.now()) == [good]
    confirmed = acts.confirm(good, decision="d1")
    assert confirmed.confirmed_at == clock.now()
    assert confirmed.standing == good.standing
    assert acts.confirm(good, decision="d1") == confirmed
    with pytest.raises(Refused, match="was confirmed at 2024-03-01T02:00:00"):
        acts.confirm(good)
    with sqlite_db.read() as tx:
        assert records.unconfirmed(tx, ["organisation"], clock.now()) == []
        trail = audit.entries(tx, subject=f"certificate:{serials.to_hex(good.serial)}")
        answer = history.status_at(tx, good.serial, clock.now())
    assert [each.act for each in trail] == ["certificate.issue", "certificate.confirm"]
    assert answer.validity is Validity.GOOD
    assert answer.event is not None
    assert answer.event.act is Act.ISSUE


def test_revoked_is_not_confirmed(acts: Acts, good: Certificate) -> None:
    """Nobody confirms what is revoked, so it is never published."""
    acts.revoke(good)
    with pytest.raises(Refused, match="is revoked and is not confirmed"):
        acts.confirm(good)


def test_held_is_confirmed(acts: Acts, good: Certificate) -> None:
    """A certificate on hold is confirmed as any other: it stays on hold."""
    acts.suspend(good)
    assert acts.confirm(good).standing.status is Status.HOLD


def test_extend(clock: SetClock, acts: Acts, good: Certificate) -> None:
    """A hold gets a later end, or none, and stays the hold that it was."""
    end = clock.now() + DAY
    held = acts.suspend(good, HoldSource.SUBSCRIBER, end)
    clock.move_to(clock.now() + HOUR)
    longer = acts.extend(good, HoldSource.SUBSCRIBER, end + DAY, decision="d1")
    (hold,) = longer.standing.holds
    assert (hold.ends_at, hold.placed_at) == (end + DAY, held.standing.since)
    assert longer.standing.since == held.standing.since
    assert acts.extend(good, HoldSource.SUBSCRIBER, end + DAY, decision="d1") == longer
    (hold,) = acts.extend(good, HoldSource.SUBSCRIBER, None).standing.holds
    assert hold.ends_at is None
    with pytest.raises(Refused, match="has no end yet"):
        acts.extend(good, HoldSource.SUBSCRIBER, end + 9 * DAY)


def test_a_hold_is_not_shortened(clock: SetClock, acts: Acts, good: Certificate) -> None:
    """An earlier end, the same end and the end of a hold that there is not are refused."""
    end = clock.now() + 2 * DAY
    acts.suspend(good, HoldSource.SUBSCRIBER, end)
    for earlier in (end, end - DAY):
        with pytest.raises(Refused, match="to end it sooner, lift it"):
            acts.extend(good, HoldSource.SUBSCRIBER, earlier)
    with pytest.raises(Refused, match="No hold from loss is open"):
        acts.extend(good, HoldSource.LOSS, end + DAY)


def test_holds_that_ended(
    sqlite_db: Database, clock: SetClock, acts: Acts, good: Certificate
) -> None:
    """Holds are found when their end comes, unless they were extended, lifted or overtaken."""
    end = clock.now() + DAY
    acts.suspend(good, HoldSource.SUBSCRIBER, end)
    acts.suspend(good, HoldSource.LOSS)

    def ended() -> list[tuple[int, HoldSource]]:
        with sqlite_db.read() as tx:
            return records.holds_ended(tx, clock.now())

    assert ended() == []
    clock.move_to(end)
    assert ended() == [(good.id, HoldSource.SUBSCRIBER)]
    acts.extend(good, HoldSource.SUBSCRIBER, end + DAY)
    assert ended() == []
    clock.move_to(end + DAY)
    assert ended() == [(good.id, HoldSource.SUBSCRIBER)]
    assert acts.restore(good, HoldSource.SUBSCRIBER).standing.sources == {HoldSource.LOSS}
    assert ended() == []


def test_expired_takes_no_act(
    sqlite_db: Database, clock: SetClock, acts: Acts, good: Certificate
) -> None:
    """After the last second of validity no act is taken, and a hold that ends then is left."""
    acts.suspend(good, HoldSource.SUBSCRIBER, good.not_after + SECOND)
    clock.move_to(good.not_after + SECOND)
    for act in (acts.confirm, acts.suspend, acts.restore, acts.revoke):
        with pytest.raises(Refused, match="takes no further act"):
            act(good)
    with sqlite_db.read() as tx:
        assert records.holds_ended(tx, clock.now()) == []


def test_the_last_second_counts(clock: SetClock, acts: Acts, good: Certificate) -> None:
    """At the last second of its validity a certificate is still revoked (notAfter is inclusive)."""
    clock.move_to(good.not_after)
    assert acts.revoke(good).revoked


def test_never_back_dated(
    sqlite_db: Database, clock: SetClock, acts: Acts, good: Certificate
) -> None:
    """An act before an earlier one is refused, also when that one changed no status."""
    acts.suspend(good)
    acts.suspend(good, HoldSource.LOSS)
    now = clock.now()
    clock.move_to(now + HOUR)
    acts.restore(good, HoldSource.LOSS)
    behind = Acts(sqlite_db, SetClock(now + HOUR - SECOND))
    for act in (behind.confirm, behind.restore, behind.revoke):
        with pytest.raises(Refused, match="nothing is back-dated"):
            act(good)
    assert acts.revoke(good).standing.since == now + HOUR


def test_pending_takes_no_act(
    sqlite_db: Database, clock: SetClock, acts: Acts, issuing: SigningIssuer
) -> None:
    """A certificate that is being issued takes no act until it is."""
    order = authority.order("KH1", clock.now())
    with pytest.raises(Crash):
        issuance.issue(CrashingDatabase(sqlite_db, 1, persisted=True), clock, issuing, order)
    with sqlite_db.read() as tx:
        (pending,) = records.of_subscriber(tx, "KH1")
    for act in (acts.confirm, acts.suspend, acts.revoke):
        with pytest.raises(Refused, match="is being issued"):
            act(pending)


def test_only_some_profiles_are_suspendable(
    sqlite_db: Database, clock: SetClock, acts: Acts, issuing: SigningIssuer
) -> None:
    """The certificate of a responder is never on hold, neither from birth nor later."""
    profile = authority.PROFILES["ocsp_responder"]
    order = authority.order(
        "antin", clock.now(), profile=profile, subject=authority.name("OCSP"), on_hold=True
    )
    with pytest.raises(Refused, match="'ocsp_responder' are never on hold"):
        issuance.issue(sqlite_db, clock, issuing, order)
    order = authority.order("antin", clock.now(), profile=profile, subject=authority.name("OCSP"))
    made = issuance.issue(sqlite_db, clock, issuing, order)
    assert not made.suspendable
    with pytest.raises(Refused, match="never put on hold"):
        acts.suspend(made)


def test_a_compromised_key_is_blocked(
    sqlite_db: Database, clock: SetClock, acts: Acts, issuing: SigningIssuer
) -> None:
    """A revocation for keyCompromise blocks the key; other reasons do not."""
    order = authority.order("KH1", clock.now())
    one = issuance.issue(sqlite_db, clock, issuing, order)
    acts.revoke(one, Reason.SUPERSEDED)
    again = authority.order("KH1", clock.now(), public_key=order.public_key)
    two = issuance.issue(sqlite_db, clock, issuing, again)
    acts.revoke(two, Reason.KEY_COMPROMISE)
    third = authority.order("KH1", clock.now(), public_key=order.public_key)
    with pytest.raises(Refused, match="blocked: A certificate of it was revoked"):
        issuance.issue(sqlite_db, clock, issuing, third)


def test_approval_of_another(sqlite_db: Database, clock: SetClock, good: Certificate) -> None:
    """An approval for another act or another subscriber allows nothing."""
    now = clock.now()
    wrong = authority.approval(Act.SUSPEND, "KH1", now, serial=good.serial)
    with sqlite_db.begin() as tx, pytest.raises(Refused, match="allows suspend, not revoke"):
        lifecycle.revoke(tx, wrong, Reason.SUPERSEDED, now)
    wrong = authority.approval(Act.REVOKE, "KH2", now, serial=good.serial)
    with sqlite_db.begin() as tx, pytest.raises(Refused, match="is not one of 'KH2'"):
        lifecycle.revoke(tx, wrong, Reason.SUPERSEDED, now)
    with sqlite_db.read() as tx:
        assert records.by_id(tx, good.id) == good


_ACTS: dict[str, Callable[[Acts, Certificate], Certificate]] = {
    "confirm": lambda acts, each: acts.confirm(each, decision="d1"),
    "suspend": lambda acts, each: acts.suspend(each, HoldSource.LOSS, decision="d1"),
    "extend": lambda acts, each: acts.extend(each, HoldSource.DOSSIER, None, decision="d1"),
    "restore": lambda acts, each: acts.restore(each, decision="d1"),
    "revoke": lambda acts, each: acts.revoke(each, Reason.KEY_COMPROMISE, decision="d1"),
}


@pytest.mark.parametrize("persisted", [False, True])
@pytest.mark.parametrize("act", list(_ACTS))
def test_the_same_command_after_a_crash(
    sqlite_db: Database, clock: SetClock, good: Certificate, act: str, *, persisted: bool
) -> None:
    """Whether the commit happened or not, the same command again makes it one act."""
    acts = Acts(sqlite_db, clock)
    acts.suspend(good, ends_at=clock.now() + DAY)
    before = _history(sqlite_db, good)
    crashing = Acts(CrashingDatabase(sqlite_db, 1, persisted=persisted), clock)
    with pytest.raises(Crash):
        _ACTS[act](crashing, good)
    assert _history(sqlite_db, good) == [*before, *([Act(act)] if persisted else [])]
    _ACTS[act](acts, good)
    assert _history(sqlite_db, good) == [*before, Act(act)]
