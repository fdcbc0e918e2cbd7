"""Exposed keys: what a report proves, what is blocked, and which certificates are found."""

import hashlib
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ca import compromise, exposure, records
from ca import issue as issuance
from ca.issuers import SigningIssuer
from core import audit
from core.clock import SetClock
from core.database import Database, Tx
from core.errors import Invalid, Refused
from tests.support import authority
from tests.support.acts import Acts
from tests.support.office import key_request

KEY = ec.generate_private_key(ec.SECP256R1())
SPKI = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
HASH = hashlib.sha256(SPKI).digest()
_FORMATS = {
    "pkcs8": (Encoding.PEM, PrivateFormat.PKCS8),
    "sec1": (Encoding.PEM, PrivateFormat.TraditionalOpenSSL),
    "openssh": (Encoding.PEM, PrivateFormat.OpenSSH),
    "pkcs8 der": (Encoding.DER, PrivateFormat.PKCS8),
    "sec1 der": (Encoding.DER, PrivateFormat.TraditionalOpenSSL),
}


@pytest.mark.parametrize("form", list(_FORMATS))
def test_a_private_key_proves_itself(form: str) -> None:
    """A private key in any usual form is read and is its own proof."""
    content = KEY.private_bytes(*_FORMATS[form], NoEncryption())
    assert exposure.read(content) == exposure.Report(spki_sha256=HASH, proved=True)


def test_an_rsa_key_is_read() -> None:
    """PKCS#1 keys are read too."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    content = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert exposure.read(content).proved


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_public_key_proves_nothing(encoding: Encoding) -> None:
    """A public key says which key is meant, and proves nothing."""
    content = KEY.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    assert exposure.read(content) == exposure.Report(spki_sha256=HASH, proved=False)


def test_a_certificate_proves_nothing(
    sqlite_db: Database, clock: SetClock, rsa_key: rsa.RSAPrivateKey
) -> None:
    """Everybody has the certificate, so it proves nothing."""
    made = authority.establish(sqlite_db, clock, KEY, rsa_key)
    assert not exposure.read(made.issuer.der).proved


def test_a_request_proves_possession() -> None:
    """A request that verifies is a proof; one whose signature was spoiled is refused."""
    content = key_request()
    assert exposure.read(content).proved
    der = bytearray(x509.load_pem_x509_csr(content).public_bytes(Encoding.DER))
    der[-1] ^= 1
    with pytest.raises(Refused, match="does not fit its key"):
        exposure.read(bytes(der))


def test_what_is_no_report() -> None:
    """Encrypted keys, nonsense and what is too large are refused, each with its sentence."""
    sealed = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw"))
    with pytest.raises(Refused, match="is encrypted"):
        exposure.read(sealed)
    for nonsense in (b"", b"hello", b"-----BEGIN NOTHING-----\n"):
        with pytest.raises(Invalid, match="no key that can be read"):
            exposure.read(nonsense)
    with pytest.raises(Invalid, match="65537 bytes"):
        exposure.read(bytes(65537))


def test_all_certificates_are_found(db: Database, clock: SetClock, issuer: SigningIssuer) -> None:
    """A proved report blocks the key and finds the live and the ended certificates of it."""
    orders = [authority.order("KH1", clock.now(), public_key=KEY.public_key()) for _ in range(3)]
    made = [issuance.issue(db, clock, issuer, each) for each in orders]
    clock.move_to(clock.now() + timedelta(hours=1))
    ended = Acts(db, clock).revoke(made[0])
    report = exposure.Report(spki_sha256=HASH, proved=True)
    with db.begin() as tx:
        found = compromise.block(
            tx, report, clock.now(), actor="operator:lan", because="It is on a public site."
        )
    assert found == compromise.Exposure(live=(made[1], made[2]), ended=(ended,))
    with db.read() as tx:
        entry = audit.entries(tx, subject=f"key:{HASH.hex()}")[-1]
    assert entry.act == "key.block"
    order = authority.order("KH1", clock.now(), public_key=KEY.public_key())
    with pytest.raises(Refused, match="blocked: It is on a public site"):
        issuance.issue(db, clock, issuer, order)


def test_an_unproved_report_must_be_believed(sqlite_db: Database, clock: SetClock) -> None:
    """A report that proves nothing blocks nothing until somebody takes it upon themselves."""
    report = exposure.Report(spki_sha256=HASH, proved=False)

    def block(tx: Tx, *, believed: bool) -> None:
        because = "A letter says so."
        now = clock.now()
        compromise.block(tx, report, now, actor="operator:lan", because=because, believed=believed)

    with sqlite_db.begin() as tx, pytest.raises(Refused, match="does not prove"):
        block(tx, believed=False)
    with sqlite_db.begin() as tx:
        block(tx, believed=True)
        assert records.blocked(tx, [HASH]) == {HASH: "A letter says so."}


def test_a_list_of_keys(sqlite_db: Database, clock: SetClock) -> None:
    """A list blocks every hash in it, twice without harm, and nothing when a line is wrong."""
    words = {"actor": "operator:lan", "because": "A published list."}
    lines = ["# weak keys", "", HASH.hex(), f"{'ab' * 32}  # another"]
    for _ in range(2):
        with sqlite_db.begin() as tx:
            assert compromise.block_listed(tx, lines, clock.now(), **words) == 2
    wrong = ["cd" * 32, "cd" * 31]
    with pytest.raises(Invalid, match="Line 2 is not a SHA-256"), sqlite_db.begin() as tx:
        compromise.block_listed(tx, wrong, clock.now(), **words)
    with sqlite_db.read() as tx:
        assert set(records.blocked(tx, [HASH, b"\xab" * 32, b"\xcd" * 32])) == {HASH, b"\xab" * 32}
