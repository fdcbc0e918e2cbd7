"""A CA, a delegated OCSP responder on SoftHSM and many certificates, made for benchmarks.

The certificates are rows without real contents: the responder reads statuses, not certificates.
"""

import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from sqlalchemy import insert

from app import schema
from ca import records
from ca.model import Issuer
from ca.tables import certificate, status_event
from core.clock import SystemClock
from core.database import Database
from hsm import softhsm
from hsm.keyring import Keyring
from hsm.mechanisms import KeyKind
from ocsp.index import Authority, Index
from ocsp.model import Settings
from ocsp.reserve import Keeper
from ocsp.signer import Signer

_BATCH = 10_000
_SPREAD = 0x9E3779B97F4A7C15F39CC0605CEDC835


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """What a benchmark works on: the folder with all files, the database, how many certificates."""

    folder: Path
    url: str
    size: int

    def database(self, *, read_only: bool = False) -> Database:
        """Open the database."""
        return Database(self.url, read_only=read_only)

    def keyring(self) -> Keyring:
        """Return the keys; SoftHSM is activated in this process."""
        softhsm.activate(self.folder / "token")
        return Keyring({"ocsp": [(self.folder / "ocsp.uri").read_text()]})

    def index(self, db: Database, keyring: Keyring | None = None) -> Index:
        """Return the issuer with its delegate, whose key is on the token."""
        key = (keyring or self.keyring()).key("ocsp")
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        with db.read() as tx:
            signer = Signer.load(key, (self.folder / "delegate.der").read_bytes())
            return Index(records.issuers(tx), [signer])

    def authority(self) -> Authority:
        """Return for whom the responder answers; the token is left at rest."""
        keyring = self.keyring()
        (found,) = self.index(self.database(read_only=True), keyring).authorities()
        keyring.close()
        return found

    def presign(self) -> None:
        """Sign the answers of every certificate beforehand, as the worker does."""
        db, keyring = self.database(), self.keyring()
        keeper = Keeper(db, SystemClock(), self.index(db, keyring), Settings())
        while keeper.round(60.0).signed:
            pass
        keyring.close()
        db.dispose()


def serial(number: int) -> int:
    """Return the serial of certificate `number`: 16 octets, evenly spread like drawn ones."""
    spread = number * _SPREAD & ((1 << 128) - 1)
    first = 1 + (spread >> 120) % 0x7F
    return first << 120 | spread & ((1 << 120) - 1)


def make(folder: Path, size: int, url: str | None = None) -> Population:
    """Make a CA with `size` good certificates in `folder`; SQLite unless `url` is given."""
    population = Population(folder=folder, url=url or f"sqlite:///{folder}/antin.db", size=size)
    db = population.database()
    schema.upgrade(db)
    issuer_key = ec.generate_private_key(ec.SECP256R1())
    issuer = _issuer(db, issuer_key)
    token = softhsm.create_token(folder / "token", "bench")
    (folder / "ocsp.uri").write_text(token.uri("ocsp"))
    keyring = population.keyring()
    keyring.generate("ocsp", KeyKind.P_256)
    _delegate(folder, issuer, issuer_key, keyring.key("ocsp").public_key())
    keyring.close()
    _certificates(db, issuer.id, size)
    db.dispose()
    return population


def _issuer(db: Database, key: ec.EllipticCurvePrivateKey) -> Issuer:
    now = datetime.now(UTC).replace(microsecond=0)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Bench CA")])
    built = (
        _builder(name, name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    with db.begin() as tx:
        return records.add_issuer(
            tx,
            name="issuing",
            parent_id=None,
            der=built.public_bytes(Encoding.DER),
            not_before=built.not_valid_before_utc,
            not_after=built.not_valid_after_utc,
        )


def _delegate(
    folder: Path, issuer: Issuer, issuer_key: ec.EllipticCurvePrivateKey, public: object
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    issued_by = x509.load_der_x509_certificate(issuer.der)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Bench OCSP")])
    usage = dict.fromkeys(
        (
            "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
            "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
        ),
        False,
    )  # fmt: skip
    built = (
        _builder(name, issued_by.subject, public, now)
        .add_extension(x509.KeyUsage(digital_signature=True, **usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=False)
        .add_extension(x509.OCSPNoCheck(), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    (folder / "delegate.der").write_bytes(built.public_bytes(Encoding.DER))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(int.from_bytes(os.urandom(15), "big") | 1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
    )


def _certificates(db: Database, issuer_id: int, size: int) -> None:
    now = datetime.now(UTC)
    for start in range(0, size, _BATCH):
        numbers = range(start, min(start + _BATCH, size))
        with db.begin() as tx:
            tx.execute(insert(certificate), [_row(issuer_id, each, now) for each in numbers])
    with db.begin() as tx:
        tx.execute(
            insert(status_event).values(
                certificate_id=1, at=now, act="issue", status="good",
                decision="issue-0", clause="-", because="The benchmark needs it.",
            )
        )  # fmt: skip


def _row(issuer_id: int, number: int, now: datetime) -> dict[str, object]:
    return {
        "issuer_id": issuer_id,
        "serial": serial(number),
        "subscriber": f"KH{number}",
        "profile": "organisation",
        "stage": "issued",
        "tbs": b"-",
        "der": b"-",
        "spki_sha256": number.to_bytes(32, "big"),
        "not_before": now - timedelta(days=1),
        "not_after": now + timedelta(days=365),
        "decision": f"issue-{number}",
        "created_at": now,
        "status": "good",
    }
