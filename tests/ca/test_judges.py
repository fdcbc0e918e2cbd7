"""Every profile under every kind of issuer, before judges that share no code with the engine."""

import asyncio
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkilint import loader, report
from pkilint.pkix import certificate as lint
from pkilint.pkix import extension, name
from pkilint.validation import ValidationFindingSeverity
from pyhanko_certvalidator import CertificateValidator, ValidationContext

from ca import establish, names
from ca import issue as issuance
from ca.issuers import SigningIssuer
from ca.model import Act
from ca.profiles import Kind
from core.clock import SetClock
from core.database import Database
from tests.conftest import START
from tests.support import authority
from tests.support.office import ca_key

ISSUERS = ["pkcs1v15", "pss", "P-256"]
LEAVES = [
    each for each in authority.PROFILES.names() if authority.PROFILES[each].kind is not Kind.CA
]
YEAR = timedelta(days=365)


class Bench:
    """A root, an issuing CA and one certificate of each other profile, all under one algorithm."""

    def __init__(self, db: Database, folder: Path, kind: str, key: rsa.RSAPrivateKey) -> None:
        """Establish the CA and issue; the certificates lie in `folder` as PEM, by profile."""
        self._db, self._clock = db, SetClock(START)
        self._pss = kind == "pss"
        self.folder = folder
        root_key: CertificateIssuerPrivateKeyTypes = ca_key("root") if kind == "P-256" else key
        own = ca_key("issuing") if kind == "P-256" else rsa.generate_private_key(65537, 2048)
        now = self._clock.now()
        root = establish.establish_root(
            db,
            self._clock,
            root_key,
            name="root",
            subject=authority.name("Test Root"),
            profile=authority.PROFILES["root"].model_copy(update=self._signature),
            not_after=now + 20 * YEAR,
            urls=authority.URLS,
            actor="ceremony:test",
        )
        issuing = establish.establish_subordinate(
            db,
            self._clock,
            root,
            own,
            name="issuing",
            subject=authority.name("Test Issuing CA"),
            profile=authority.PROFILES["issuing_ca"].model_copy(update=self._signature),
            not_after=now + 10 * YEAR,
            approval=authority.approval(Act.ISSUE, "antin", now),
            urls=authority.URLS,
        )
        self.ders = {"root": root.issuer.der, "issuing_ca": issuing.issuer.der}
        self.ders |= {each: self._issue(issuing, each) for each in LEAVES}
        for each, der in self.ders.items():
            pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
            (folder / f"{each}.pem").write_bytes(pem)

    @property
    def _signature(self) -> dict[str, str]:
        return {"signature": "pss"} if self._pss else {}

    def _issue(self, issuing: SigningIssuer, profile: str) -> bytes:
        person = names.Subject(
            common_name="NGUYỄN THỊ HOA",
            organisation="CÔNG TY CỔ PHẦN VẬN TẢI PHÚ QUÝ" if profile == "staff" else None,
            province="Hà Nội",
            identifiers=("MST:9980580384", "CCCD:079123456789")[profile == "individual" :],
        )
        order = authority.order(
            "KH1",
            self._clock.now(),
            profile=authority.PROFILES[profile].model_copy(update=self._signature),
            subject=authority.name(profile) if _of_the_ca(profile) else names.build(person),
            public_key=ec.generate_private_key(ec.SECP256R1()).public_key(),
        )
        return issuance.issue(self._db, self._clock, issuing, order).der or b""


def _of_the_ca(profile: str) -> bool:
    return authority.PROFILES[profile].kind is not Kind.SUBSCRIBER


@pytest.fixture(scope="module", params=ISSUERS)
def bench(
    request: pytest.FixtureRequest,
    sqlite_template: Path,
    tmp_path_factory: pytest.TempPathFactory,
    rsa_key: rsa.RSAPrivateKey,
) -> Iterator[Bench]:
    """One certificate of each profile under one kind of issuer."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "antin.db").write_bytes(sqlite_template.read_bytes())
    db = Database(f"sqlite:///{folder / 'antin.db'}")
    yield Bench(db, folder, request.param, rsa_key)
    db.dispose()


def test_every_profile_is_judged(bench: Bench) -> None:
    """No profile escapes the judges."""
    assert sorted(bench.ders) == authority.PROFILES.names()


@pytest.mark.parametrize("profile", authority.PROFILES.names())
def test_cryptography(bench: Bench, profile: str) -> None:
    """The parser reads every field, and its own encoding of the parts is the one signed."""
    der = bench.ders[profile]
    read = x509.load_der_x509_certificate(der)
    assert read.public_bytes(Encoding.DER) == der
    assert read.signature_algorithm_parameters
    tbs = read.tbs_certificate_bytes
    for part in (
        read.subject.public_bytes(),
        read.issuer.public_bytes(),
        read.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        *(each.value.public_bytes() for each in read.extensions),
    ):
        assert part in tbs


@pytest.mark.parametrize("profile", authority.PROFILES.names())
def test_asn1crypto(bench: Bench, profile: str) -> None:
    """What asn1crypto decodes, it encodes again octet for octet."""
    read = asn1_x509.Certificate.load(bench.ders[profile], strict=True)
    assert read.native["tbs_certificate"]["version"] == "v3"
    assert read.dump(force=True) == bench.ders[profile]


@pytest.mark.parametrize("profile", authority.PROFILES.names())
def test_openssl(bench: Bench, profile: str) -> None:
    """Openssl parses the octets, prints the certificate, and verifies its path strictly."""
    file = bench.folder / f"{profile}.pem"
    assert "error" not in _openssl("asn1parse", "-in", file).lower()
    assert "Version: 3 (0x2)" in _openssl("x509", "-in", file, "-noout", "-text")
    said = _openssl(
        *("verify", "-x509_strict", "-check_ss_sig", "-attime", int(START.timestamp()) + 60),
        *("-CAfile", bench.folder / "root.pem"),
        *("-untrusted", bench.folder / "issuing_ca.pem", file),
    )
    assert said == f"{file}: OK\n"


@pytest.mark.parametrize("profile", authority.PROFILES.names())
def test_pkilint(bench: Bench, profile: str) -> None:
    """Pkilint, in the form of RFC 5280, has no finding of an error or worse."""
    validator = lint.create_pkix_certificate_validator_container(
        lint.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            lint.create_issuer_validator_container([]),
            lint.create_validity_validator_container(),
            lint.create_subject_validator_container([]),
            lint.create_extensions_validator_container([]),
        ],
    )
    document = loader.load_certificate(bench.ders[profile], profile)
    results = validator.validate(document.root)
    found = report.get_findings_count(results, ValidationFindingSeverity.ERROR)
    assert found == 0, report.ReportGeneratorPlaintext(
        results, ValidationFindingSeverity.ERROR
    ).generate()


@pytest.mark.parametrize("profile", ["issuing_ca", *LEAVES])
def test_pyhanko(bench: Bench, profile: str) -> None:
    """The validator of pyHanko builds and validates the path to the root."""
    context = ValidationContext(
        trust_roots=[asn1_x509.Certificate.load(bench.ders["root"])],
        other_certs=[asn1_x509.Certificate.load(bench.ders["issuing_ca"])],
        moment=START + timedelta(minutes=1),
        allow_fetching=False,
        revocation_mode="soft-fail",
    )
    validator = CertificateValidator(
        asn1_x509.Certificate.load(bench.ders[profile]), validation_context=context
    )
    usage = "key_cert_sign" if profile == "issuing_ca" else "digital_signature"
    path = asyncio.run(validator.async_validate_usage({usage}))
    assert len(path) == (2 if profile == "issuing_ca" else 3)


def _openssl(*words: object) -> str:
    done = subprocess.run(
        ["openssl", *map(str, words)], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr
