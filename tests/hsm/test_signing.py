"""The contract: whatever the vendor, a key on a token signs as any other does, and no more."""

import copy
import itertools
import os
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from core.errors import Conflict, Invalid, NotFound, Refused, SigningUnavailable
from hsm.codes import Mechanism
from hsm.keyring import Keyring
from hsm.keys import Ed25519Key, RsaKey
from hsm.mechanisms import KeyKind
from tests.hsm.conftest import KINDS, kinds_of, mechanisms_of
from tests.hsm.load import sign, sign_many

HASHES = (hashes.SHA256(), hashes.SHA384(), hashes.SHA512())
SHA256 = HASHES[0]
PKCS1 = padding.PKCS1v15()
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Contract")])
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def _pss(hash_, salt):
    return padding.PSS(padding.MGF1(hash_), salt)


def _sign_and_verify(keyring, role, data, hash_=SHA256):
    key = keyring.key(role)
    if role == "rsa":
        key.public_key().verify(key.sign(data, PKCS1, hash_), data, PKCS1, hash_)
    else:
        key.public_key().verify(key.sign(data, ec.ECDSA(hash_)), data, ec.ECDSA(hash_))


def test_builders(keyring):
    """Certificates, CRLs and OCSP responses are signed as with any other key."""
    for role in kinds_of(keyring):
        key = keyring.key(role)
        certificate = x509.CertificateBuilder(NAME, NAME, key.public_key(), 1, NOW, NOW + DAY).sign(
            key, SHA256
        )
        certificate.verify_directly_issued_by(certificate)
        crl = x509.CertificateRevocationListBuilder(NAME, NOW, NOW + DAY).sign(key, SHA256)
        assert crl.is_signature_valid(key.public_key())
        good = ocsp.OCSPCertStatus.GOOD
        response = (
            ocsp.OCSPResponseBuilder()
            .add_response(certificate, certificate, SHA256, good, NOW, NOW + DAY, None, None)
            .responder_id(ocsp.OCSPResponderEncoding.HASH, certificate)
            .sign(key, SHA256)
        )
        encoded = response.public_bytes(serialization.Encoding.DER)
        read = ocsp.load_der_ocsp_response(encoded)
        signed = (read.signature, read.tbs_response_bytes)
        if role == "rsa":
            key.public_key().verify(*signed, PKCS1, SHA256)
        else:
            key.public_key().verify(*signed, ec.ECDSA(SHA256))


def test_many_together(keyring):
    """Many messages are signed in their order, each as if it came alone; none is no question."""
    messages = [f"message {number}".encode() for number in range(500)]
    for role in kinds_of(keyring):
        sign_many(keyring.key(role), messages)
        sign_many(keyring.key(role), [])
    with pytest.raises(Refused, match="sha1"):
        keyring.key("rsa").sign_all(messages, PKCS1, hashes.SHA1())


def test_many_together_leave_others_their_turn(vendor):
    """Who signs one message waits a moment for who signs thousands, with one session for both."""
    keyring = Keyring({"rsa": [vendor.uri("rsa")]}, sessions=1, time_limit_seconds=20.0)
    key = keyring.key("rsa")
    assert isinstance(key, RsaKey)
    signed: list[bytes] = []
    messages = (str(number).encode() for number in range(1_000_000))
    done = threading.Event()

    def work():
        while not done.is_set():
            some = list(itertools.islice(messages, 2000))
            for each in key.sign_all(some, PKCS1, SHA256):
                signed.append(each)
                if done.is_set():
                    return

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(5):
            begin = len(signed)
            sign(key)
            assert len(signed) - begin < 1500
    finally:
        done.set()
        thread.join()
        keyring.close()


def test_hashes(keyring):
    """Every hash of the table is signed with, for messages of any length, also as a digest."""
    for role in kinds_of(keyring):
        for hash_ in HASHES:
            for length in (0, 1, 1000):
                _sign_and_verify(keyring, role, b"x" * length, hash_)
    digest = hashes.Hash(SHA256)
    digest.update(b"message")
    key = keyring.key("rsa")
    try:
        signature = key.sign(digest.finalize(), PKCS1, Prehashed(SHA256))
    except SigningUnavailable:
        return  # a token whose keys sign messages only
    key.public_key().verify(signature, b"message", PKCS1, SHA256)


def test_pss(keyring):
    """RSA-PSS is made with every hash and salt length of the table, where the token has it."""
    key = keyring.key("rsa")
    if not {Mechanism.RSA_PKCS_PSS, Mechanism.SHA256_RSA_PKCS_PSS} & mechanisms_of(keyring):
        with pytest.raises(Refused, match="has no mechanism for RSA-PSS"):
            key.sign(b"x", _pss(SHA256, 32), SHA256)
        return
    for hash_ in HASHES:
        for salt in (0, 20, padding.PSS.DIGEST_LENGTH, padding.PSS.MAX_LENGTH):
            pad = _pss(hash_, salt)
            try:
                signature = key.sign(b"x", pad, hash_)
            except SigningUnavailable as refusal:
                if salt == padding.PSS.DIGEST_LENGTH or "MECHANISM_PARAM" not in str(refusal):
                    raise
                continue  # a TPM has one length of salt
            key.public_key().verify(signature, b"x", pad, hash_)


def test_ed25519(vendor):
    """Ed25519 is made where the token has it, and refused by name where it has not."""
    keyring = Keyring({"ed25519": [vendor.uri(f"ed-{time.monotonic_ns()}")]})
    try:
        public = keyring.generate("ed25519", KeyKind.ED25519)
        key = keyring.key("ed25519")
        assert isinstance(public, ed25519.Ed25519PublicKey)
        assert isinstance(key, Ed25519Key)
        public.verify(key.sign(b"x"), b"x")
        for message, signature in zip((b"y", b"z"), key.sign_all([b"y", b"z"]), strict=True):
            public.verify(signature, message)
    except Refused as refusal:
        assert "Ed25519" in str(refusal)  # noqa: PT017 - either outcome is right
    finally:
        keyring.close()


@pytest.mark.parametrize(
    ("pad", "hash_", "named"),
    [
        (PKCS1, hashes.SHA1(), "sha1"),
        (PKCS1, hashes.MD5(), "md5"),
        (PKCS1, hashes.SHA3_256(), "sha3-256"),
        (_pss(hashes.SHA1(), 20), SHA256, "sha1"),
        (_pss(SHA256, 10_000), SHA256, "salt of 10000 bytes"),
        (_pss(SHA256, padding.PSS.AUTO), SHA256, "salt"),
        (padding.OAEP(padding.MGF1(SHA256), SHA256, None), SHA256, "OAEP"),
    ],
)
def test_unknown_scheme(keyring, pad, hash_, named):
    """A scheme that is not in the table is refused, and the refusal names it."""
    with pytest.raises(Refused, match=named) as refusal:
        keyring.key("rsa").sign(b"x", pad, hash_)
    assert refusal.value.code == "mechanism_not_allowed"


def test_no_export(keyring):
    """The private half is not given out, in whatever form it is asked for."""
    for role in kinds_of(keyring):
        key = keyring.key(role)
        for ask in (
            key.private_numbers,
            lambda key=key: key.private_bytes(
                serialization.Encoding.DER,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
            lambda key=key: pickle.dumps(key),
        ):
            with pytest.raises(Refused, match="does not leave its token"):
                ask()
        assert copy.copy(key) is key
        assert copy.deepcopy(key) is key


def test_attributes(vendor):
    """A key that may leave its token is refused, unless the configuration names it as imported."""
    label = f"open-{time.monotonic_ns()}"
    plain = Keyring({"open": [vendor.uri(label)]})
    named = Keyring({"open": [vendor.uri(label, imported=True)]})
    try:
        plain.generate("open", KeyKind.RSA_2048, wrappable=True)
    except (Refused, SigningUnavailable):
        pytest.skip("The token makes no such keys.")
    else:
        with pytest.raises(Refused, match="CKA_EXTRACTABLE is true") as refusal:
            plain.key("open")
        assert refusal.value.code == "key_attributes"
        sign(named.key("open"))
    finally:
        plain.close()
        named.close()


def test_signs_only(keyring):
    """A key neither decrypts nor agrees on secrets."""
    with pytest.raises(Refused, match="signs only"):
        keyring.key("rsa").decrypt(b"x" * 256, PKCS1)


def test_missing_key(vendor):
    """A role without a key on the token, and a role that is not configured, are named."""
    keyring = Keyring({"root": [vendor.uri("no such key")]})
    try:
        with pytest.raises(NotFound, match="no such key"):
            keyring.key("root")
        with pytest.raises(NotFound, match=r"'audit'"):
            keyring.key("audit")
    finally:
        keyring.close()


def test_no_overwriting(keyring):
    """A key of that name is never replaced, and neither is a vault key."""
    before = keyring.key("rsa").public_key()
    with pytest.raises(Conflict, match="not replaced"):
        keyring.generate("rsa", KINDS["rsa"])
    with pytest.raises((Conflict, Refused), match=r"not replaced|cannot generate AES"):
        keyring.generate_secret("vault")
    assert keyring.key("rsa").public_key() == before


def test_expected_key(keyring):
    """A key that is not the one of the certificate is refused when it is loaded."""
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(Refused) as refusal:
        keyring.key("rsa", expected=other)
    assert refusal.value.code == "key_unlike"


def test_vault_key(keyring):
    """A wrapped key opens with its own additional data and with no other, nor when changed."""
    secret = keyring.secret("vault")
    try:
        envelope = secret.wrap(b"k" * 32, b"dossier 1")
    except NotFound:
        pytest.skip("The token has no AES keys.")
    assert secret.unwrap(envelope, b"dossier 1") == b"k" * 32
    assert secret.wrap(b"k" * 32, b"dossier 1") != envelope
    with pytest.raises(Invalid):
        secret.unwrap(envelope, b"dossier 2")
    for place in (0, 5, len(envelope) - 1):
        changed = bytearray(envelope)
        changed[place] ^= 0x40
        with pytest.raises(Invalid):
            secret.unwrap(bytes(changed), b"dossier 1")
    _sign_and_verify(keyring, "rsa", b"the token was not blamed for it")


def test_threads(keyring):
    """Four threads make 2,000 signatures, and every one of them is right."""
    roles = kinds_of(keyring)[:2]

    def work(number):
        _sign_and_verify(keyring, roles[number % len(roles)], number.to_bytes(4))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(2000)))


@pytest.mark.parametrize("when", ["before", "after", "amid"])
def test_fork(vendor, when):
    """A child signs with its own sessions and its parent goes on, forked whenever it may be."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hsm.forking", when, vendor.uri("rsa")],
        cwd=Path(__file__).parents[2],
        env=os.environ | vendor.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_nothing_before_use(vendor):
    """A keyring opens nothing, not even its module, before it is used."""
    keyring = Keyring({"root": [vendor.uri("rsa").replace(".so", ".gone.so")]})
    with pytest.raises(Invalid, match="cannot be loaded"):
        keyring.key("root")
