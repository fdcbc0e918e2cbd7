"""Publishing full CRLs: what they say, and who agrees."""

from datetime import timedelta
from pathlib import Path

import asn1crypto.crl
import pytest

from core.clock import SetClock
from core.database import Database
from core.reasons import Reason
from tests.crl.judges import agree, lint
from tests.crl.stage import SOFT_KEYS, Stage, raise_stage, verify


@pytest.mark.parametrize("kind", SOFT_KEYS)
def test_judges_agree(sqlite_db: Database, clock: SetClock, tmp_path: Path, kind: str) -> None:
    """Five independent programs accept a CRL of good, held and revoked certificates."""
    stage = raise_stage(sqlite_db, clock, tmp_path, key=SOFT_KEYS[kind]())
    good, held, revoked = stage.issue(), stage.issue(), stage.issue()
    stage.suspend(held)
    stage.revoke(revoked, Reason.KEY_COMPROMISE, invalidity_date=clock.now() - timedelta(days=1))
    stage.publish()
    assert agree(stage) == {held.serial: "certificateHold", revoked.serial: "keyCompromise"}
    assert verify(stage, good.der) == "OK"
    assert "certificate revoked" in verify(stage, held.der)
    assert "certificate revoked" in verify(stage, revoked.der)


def test_empty(both: Stage) -> None:
    """With nothing revoked the list is absent from the CRL, not an empty SEQUENCE (5.1.2.6)."""
    both.issue()
    both.publish()
    parsed = asn1crypto.crl.CertificateList.load(both.path().read_bytes())
    assert parsed["tbs_cert_list"]["revoked_certificates"].native is None
    assert lint(both.path()) == []


def test_hold_leaves(both: Stage) -> None:
    """A released hold leaves the full CRL, a later revocation comes with its final reason."""
    first, second = both.issue(), both.issue()
    both.suspend(first)
    both.suspend(second)
    both.publish()
    both.pass_time()
    both.restore(first)
    both.revoke(second, Reason.PRIVILEGE_WITHDRAWN)
    both.publish()
    assert both.listed() == {second.serial: "privilegeWithdrawn"}
    assert both.read().get_revoked_certificate_by_serial_number(
        second.serial
    ).revocation_date_utc == both.clock.now().replace(microsecond=0)  # type: ignore[union-attr] # it is there


def test_unspecified_is_absent(stage: Stage) -> None:
    """The reason unspecified is never written, and without extensions the field is absent."""
    revoked = stage.issue()
    stage.revoke(revoked, Reason.UNSPECIFIED)
    stage.publish()
    assert stage.listed() == {revoked.serial: "unspecified"}
    assert b"\x55\x1d\x15" not in stage.path().read_bytes()


def test_expired_stays_for_one_more(stage: Stage) -> None:
    """An entry stays until it stood on one CRL made after the certificate's end, and then goes."""
    end = stage.clock.now() + timedelta(days=2)
    revoked = stage.issue(not_after=end)
    stage.revoke(revoked)
    stage.publish()
    stage.clock.move_to(end)
    stage.publish()
    assert revoked.serial in stage.listed(), "the last second is still valid"
    stage.pass_time(timedelta(seconds=1))
    stage.publish()
    assert revoked.serial in stage.listed(), "the one more CRL"
    stage.pass_time()
    stage.publish()
    assert revoked.serial not in stage.listed()


def test_expired_kept_for_ever(stage: Stage) -> None:
    """Where expired entries are kept, the CRL says so with ExpiredCertsOnCRL."""
    stage.settings = type(stage.settings)(keep_expired=True)
    revoked = stage.issue(not_after=stage.clock.now() + timedelta(days=2))
    stage.revoke(revoked)
    for _ in range(3):
        stage.publish()
        stage.pass_time(timedelta(days=2))
    assert revoked.serial in stage.listed()
    assert b"\x55\x1d\x3c" in stage.path().read_bytes()
    assert agree(stage) == {revoked.serial: "superseded"}


def test_numbers_and_times(both: Stage) -> None:
    """Numbers rise, thisUpdate is the moment, nextUpdate follows the settings, all in history."""
    numbers = []
    for _ in range(3):
        made = both.publish()
        (crl,) = made.crls
        numbers.append(made.number)
        assert crl.this_update == both.clock.now().replace(microsecond=0)
        assert crl.next_update == crl.this_update + timedelta(hours=48)
        both.pass_time()
    assert numbers == [1, 2, 3]
    for number in numbers:
        assert both.path(f"issuing/history/{number}.crl").exists()
    assert both.path().read_bytes() == both.path("issuing/history/3.crl").read_bytes()


def test_next_update_never_shrinks(stage: Stage) -> None:
    """A shorter life in the settings does not move nextUpdate back (RFC 5280 5.1.2.5)."""
    first = stage.publish().crls[0]
    stage.settings = type(stage.settings)(overlap=timedelta(0))
    stage.pass_time()
    assert stage.publish().crls[0].next_update == first.next_update
