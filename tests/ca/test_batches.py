"""Many orders that share their commits: each has its own outcome, and no other's."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import SignatureAlgorithmOID

from ca import issue as issuance
from ca import keys, records
from ca.issuers import SigningIssuer
from ca.model import Act, Certificate
from core.clock import SetClock
from core.database import Database
from core.errors import Refused, SigningUnavailable
from tests.support import authority, watched


def test_a_batch_gives_each_order_its_outcome(
    db: Database, clock: SetClock, issuer: SigningIssuer
) -> None:
    """One refused order among many stops no other, and leaves nothing behind."""
    now = clock.now()
    first = authority.order("KH1", now)
    issuance.issue(db, clock, issuer, first)
    blocked = authority.order("KH5", now)
    with db.begin() as tx:
        key = keys.spki_sha256(blocked.public_key)
        records.block_keys(tx, [key], at=now, actor="operator:lan", because="It was exposed.")
    orders = [
        authority.order("KH2", now),
        authority.order("KH3", now, public_key=first.public_key),
        authority.order("KH4", now, not_after=now + timedelta(days=365 * 6)),
        blocked,
        authority.order("KH6", now, approval=authority.approval(Act.REVOKE, "KH6", now)),
        first,
        authority.order("KH7", now, on_hold=True),
    ]
    outcomes = issuance.issue_all(db, clock, issuer, orders)
    codes = [each.code if isinstance(each, Refused) else type(each).__name__ for each in outcomes]
    assert codes == [
        "Certificate", "key_of_another_subscriber", "lint", "key_blocked", "approval_of_other_act",
        "Certificate", "Certificate",
    ]  # fmt: skip
    last = outcomes[-1]
    assert isinstance(last, Certificate)
    with db.read() as tx:
        assert [records.of_subscriber(tx, f"KH{n}") for n in (3, 4, 5, 6)] == [[]] * 4
        assert records.owners_of(tx, [key]) == {}
        assert records.of_subscriber(tx, "KH7") == [last]


def test_two_orders_for_one_key_in_a_batch(
    db: Database, clock: SetClock, issuer: SigningIssuer
) -> None:
    """Of two subscribers who bring one key in the same batch the first has it."""
    one = authority.order("KH1", clock.now())
    two = authority.order("KH2", clock.now(), public_key=one.public_key)
    first, second = issuance.issue_all(db, clock, issuer, [one, two])
    assert isinstance(first, Certificate)
    assert isinstance(second, Refused)


def test_one_decision_twice_in_a_batch(
    db: Database, clock: SetClock, issuer: SigningIssuer
) -> None:
    """One decision that stands twice in a batch makes one certificate; the rest is issued too."""
    one = authority.order("KH1", clock.now())
    orders = [one, authority.order("KH2", clock.now()), one]
    outcomes = issuance.issue_all(db, clock, issuer, orders)
    assert isinstance(outcomes[1], Certificate)
    with db.read() as tx:
        assert len(records.of_subscriber(tx, "KH1")) == 1


@pytest.mark.parametrize("kind", [watched.RsaKey, watched.ManyRsaKey])
def test_the_token_goes_away_in_a_batch(
    db: Database, clock: SetClock, issuer: SigningIssuer, kind: type[watched.RsaKey]
) -> None:
    """What was signed before the token went away is issued; the rest is ended by asking again."""
    left = iter([True, True])

    def fail_after_two() -> None:
        if not next(left, False):
            raise SigningUnavailable("The token is away.")

    failing = replace(issuer, key=kind(issuer.key, fail_after_two))
    orders = [authority.order(f"KH{number}", clock.now()) for number in range(4)]
    outcomes = issuance.issue_all(db, clock, failing, orders)
    kinds = [type(each) for each in outcomes]
    assert kinds == [Certificate, Certificate, SigningUnavailable, SigningUnavailable]
    again = issuance.issue_all(db, clock, issuer, orders)
    assert all(isinstance(each, Certificate) for each in again)
    assert again[:2] == outcomes[:2]


def test_one_signature_fails_in_a_batch(
    db: Database, clock: SetClock, issuer: SigningIssuer
) -> None:
    """A token that fails once leaves one order unfinished; those behind it are signed."""
    works = iter([True, False, True, True])

    def fail_second() -> None:
        if not next(works):
            raise SigningUnavailable("The token is away.")

    failing = replace(issuer, key=watched.ManyRsaKey(issuer.key, fail_second))
    orders = [authority.order(f"KH{number}", clock.now()) for number in range(4)]
    kinds = [type(each) for each in issuance.issue_all(db, clock, failing, orders)]
    assert kinds == [Certificate, SigningUnavailable, Certificate, Certificate]


def test_algorithms_mixed_in_a_batch(db: Database, clock: SetClock, issuer: SigningIssuer) -> None:
    """Orders whose profiles sign differently share a batch; each is signed as its profile says."""
    together = replace(issuer, key=watched.ManyRsaKey(issuer.key, lambda: None))
    orders = [authority.order(f"KH{number}", clock.now()) for number in range(5)]
    pss = orders[0].profile.model_copy(update={"signature": "pss"})
    mixed = [replace(each, profile=pss) if n % 2 else each for n, each in enumerate(orders)]
    for number, made in enumerate(issuance.issue_all(db, clock, together, mixed)):
        assert isinstance(made, Certificate)
        read = x509.load_der_x509_certificate(made.der or b"")
        read.verify_directly_issued_by(issuer.certificate)
        wanted = (
            SignatureAlgorithmOID.RSASSA_PSS
            if number % 2
            else SignatureAlgorithmOID.RSA_WITH_SHA256
        )
        assert read.signature_algorithm_oid == wanted
