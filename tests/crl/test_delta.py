"""Deltas: what they list, and that base and delta together are the full list."""

from datetime import timedelta

import pytest

from core.reasons import Reason
from crl import diff, reading
from crl.model import Kind, Settings
from tests.crl.judges import agree
from tests.crl.stage import URL, WITH_DELTAS, Stage, verify

DELTA, FULL = "issuing-delta.crl", "issuing.crl"
USE_DELTAS = ("-crl_check", "-extended_crl", "-use_deltas")


@pytest.fixture
def deltas(stage: Stage) -> Stage:
    """A CA that publishes deltas."""
    stage.settings = WITH_DELTAS
    return stage


def _lines(stage: Stage, name: str) -> list[bytes]:
    data = stage.path(name).read_bytes()
    return list(reading.lines(data[reading.outline(data).entries]))


def _fits(stage: Stage, base: int) -> bool:
    """Whether the published delta turns that base into the published full CRL."""
    given = diff.combine(_lines(stage, f"issuing/history/{base}.crl"), _lines(stage, DELTA))
    return list(given) == _lines(stage, FULL)


def test_hold_and_release(deltas: Stage) -> None:
    """Base, hold, delta, restore, delta with removeFromCRL, next base: everybody agrees on each."""
    stage = deltas
    wanted, old = stage.issue(), stage.issue()
    stage.revoke(old)
    stage.publish()
    assert agree(stage) == {old.serial: "superseded"}
    assert not stage.path(DELTA).exists(), "a first CRL has no base"

    stage.pass_time()
    stage.suspend(wanted)
    stage.publish(kind=Kind.DELTA)
    assert agree(stage, DELTA) == {wanted.serial: "certificateHold"}
    assert stage.listed() == {old.serial: "superseded"}
    assert verify(stage, wanted.der, FULL) == "OK", "who uses no deltas does not see it yet"
    assert "revoked" in verify(stage, wanted.der, FULL, DELTA, options=USE_DELTAS)

    stage.pass_time()
    stage.restore(wanted)
    stage.publish(kind=Kind.DELTA)
    assert agree(stage, DELTA) == {wanted.serial: "removeFromCRL"}
    assert verify(stage, wanted.der, FULL, DELTA, options=USE_DELTAS) == "OK"

    stage.pass_time(timedelta(hours=13))
    stage.publish()
    assert agree(stage) == {old.serial: "superseded"}
    assert agree(stage, DELTA) == {wanted.serial: "removeFromCRL"}
    assert verify(stage, wanted.der, FULL, DELTA, options=USE_DELTAS) == "OK"


def test_openssl_sees_revocation_in_delta(deltas: Stage) -> None:
    """A revocation told by a delta alone counts for openssl; other certificates stay good."""
    first, second = deltas.issue(), deltas.issue()
    deltas.publish()
    deltas.pass_time()
    deltas.revoke(first, Reason.KEY_COMPROMISE)
    deltas.publish(kind=Kind.DELTA)
    assert "revoked" in verify(deltas, first.der, FULL, DELTA, options=USE_DELTAS)
    assert verify(deltas, second.der, FULL, DELTA, options=USE_DELTAS) == "OK"


def test_release_of_held_in_base(deltas: Stage) -> None:
    """A hold that the base lists and that was lifted since is removed by the delta."""
    held = deltas.issue()
    deltas.suspend(held)
    deltas.publish()
    deltas.pass_time()
    deltas.restore(held)
    deltas.publish(kind=Kind.DELTA)
    assert agree(deltas, DELTA) == {held.serial: "removeFromCRL"}
    assert verify(deltas, held.der, FULL, DELTA, options=USE_DELTAS) == "OK"
    assert "revoked" in verify(deltas, held.der, FULL)


def test_hold_and_release_between(both: Stage) -> None:
    """A hold that came and went after the base, told by no CRL, is removed all the same (5.2.4)."""
    both.settings = WITH_DELTAS
    certificate = both.issue()
    both.publish()
    both.pass_time()
    both.suspend(certificate)
    both.pass_time()
    both.restore(certificate)
    both.publish(kind=Kind.DELTA)
    assert both.listed(DELTA) == {certificate.serial: "removeFromCRL"}


def test_hold_becomes_revocation(deltas: Stage) -> None:
    """A change of reason is a change: the delta lists the certificate with its new reason."""
    held = deltas.issue()
    deltas.suspend(held)
    deltas.publish()
    deltas.pass_time()
    deltas.revoke(held, Reason.PRIVILEGE_WITHDRAWN)
    deltas.publish(kind=Kind.DELTA)
    assert agree(deltas, DELTA) == {held.serial: "privilegeWithdrawn"}


def test_issued_together(deltas: Stage) -> None:
    """Full and delta of one moment share number and thisUpdate, and base + delta = full (5.2.4)."""
    certificates = [deltas.issue() for _ in range(4)]
    deltas.suspend(certificates[0])
    deltas.publish()
    deltas.pass_time()
    deltas.restore(certificates[0])
    deltas.revoke(certificates[1])
    deltas.suspend(certificates[2])
    made = deltas.publish()
    full, delta = made.crls
    assert (full.kind, delta.kind) == (Kind.FULL, Kind.DELTA)
    assert (
        (full.number, full.this_update)
        == (delta.number, delta.this_update)
        == (2, full.this_update)
    )
    assert delta.base_number == 1
    assert _fits(deltas, 1)


def test_base_lasts_one_interval(deltas: Stage) -> None:
    """Deltas keep their base for one interval, then the newest full CRL is the next base."""
    bases = []
    for _ in range(5):
        bases.append([crl.base_number for crl in deltas.publish().crls if crl.kind is Kind.DELTA])
        deltas.pass_time(timedelta(hours=5))
    assert bases == [[], [1], [1], [3], [3]]


def test_freshest(deltas: Stage) -> None:
    """The full CRL points to its delta, not critical; the delta points nowhere (5.2.6)."""
    deltas.publish()
    deltas.pass_time()
    deltas.publish()
    full = reading.outline(deltas.path(FULL).read_bytes())
    delta = reading.outline(deltas.path(DELTA).read_bytes())
    assert full.heading.freshest == f"{URL}/{DELTA}"
    assert full.critical == frozenset()
    assert (delta.heading.freshest, delta.heading.base_number) == (None, 1)
    assert delta.critical == {b"\x55\x1d\x1b"}


def test_expired_in_delta_until_full(deltas: Stage) -> None:
    """A revocation told by a delta stays in deltas until a full CRL listed it (5.2.4)."""
    end = deltas.clock.now() + timedelta(hours=2)
    ending = deltas.issue(not_after=end)
    deltas.publish()
    deltas.pass_time()
    deltas.revoke(ending)
    for _ in range(3):
        deltas.publish(kind=Kind.DELTA)
        assert ending.serial in deltas.listed(DELTA)
        deltas.pass_time(timedelta(hours=2))
    deltas.publish()
    assert ending.serial in deltas.listed(FULL)
    deltas.pass_time()
    deltas.publish()
    assert ending.serial not in deltas.listed(FULL)
    assert ending.serial not in deltas.listed(DELTA)


def test_delta_without_base(deltas: Stage) -> None:
    """A delta asked for before any full CRL exists becomes a full one."""
    made = deltas.publish(kind=Kind.DELTA)
    assert [crl.kind for crl in made.crls] == [Kind.FULL]


def test_settings_name_the_address() -> None:
    """Deltas without an address, or as the answer to changes while off, are refused."""
    with pytest.raises(Exception, match="address"):
        Settings(deltas=True)
    with pytest.raises(Exception, match="off"):
        Settings(on_change=Kind.DELTA)
