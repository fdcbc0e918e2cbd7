"""Lint before signing: nothing in a sound draft, and every rule fires on the fault it is for."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from ca import draft, lint, names, signatures
from ca.issuers import SigningIssuer
from ca.keys import spki_sha256
from ca.model import Issuer
from ca.profiles import Profile
from core.errors import Invalid, Refused
from tests.conftest import START
from tests.support.authority import PROFILES, URLS, name
from tests.support.office import ca_key

PROFILE = PROFILES["organisation"].model_copy(update={"cps_uri": "http://pki.example.vn/cps"})
KEY = ec.generate_private_key(ec.SECP256R1())
SUBJECT = names.build(
    names.Subject(common_name="PHÚ QUÝ", province="Hà Nội", identifiers=("MST:9980580384",))
)
YEAR = timedelta(days=365)
SECOND = timedelta(seconds=1)
Change = Callable[[x509.CertificateBuilder], x509.CertificateBuilder]
"""What spoils a draft that was sound."""


def _issuer() -> SigningIssuer:
    """An issuing CA in memory, for ten years from START on."""
    key = ca_key("issuing")
    ends = START + 10 * YEAR
    made = draft.build_root(
        profile=PROFILES["issuing_ca"],
        subject=name("Test Issuing CA"),
        public_key=key.public_key(),
        serial=1 << 100,
        not_before=START - SECOND,
        not_after=ends,
    )
    der = draft.sign(made, key)
    recorded = Issuer(
        id=1, name="issuing", parent_id=None, der=der, not_before=START, not_after=ends
    )
    certificate = x509.load_der_x509_certificate(der)
    own = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return SigningIssuer(
        issuer=recorded,
        certificate=certificate,
        key=key,
        urls=URLS,
        subject=certificate.subject.public_bytes(),
        key_id=own.digest,
    )


ISSUER = _issuer()


def _draft(profile: Profile = PROFILE, issuer: SigningIssuer = ISSUER) -> draft.Draft:
    return draft.build(
        issuer=issuer,
        profile=profile,
        subject=SUBJECT,
        public_key=KEY.public_key(),
        serial=(1 << 120) + 7,
        not_before=START,
        not_after=START + YEAR - SECOND,
    )


def _rules(sample: x509.Certificate, profile: Profile = PROFILE) -> set[str]:
    """The rules that find something in a certificate that stands for a draft."""
    spoiled = draft.Draft(
        tbs=sample.tbs_certificate_bytes,
        sample=sample,
        profile=profile,
        spki_sha256=spki_sha256(sample.public_key()),
    )
    return {each.rule for each in lint.examine(spoiled, ISSUER)}


def _spoil(change: Change, *, without: type[x509.ExtensionType] | None = None) -> set[str]:
    """The rules that fire when the library builds the same certificate with one change."""
    sound = _draft().sample
    builder = (
        x509.CertificateBuilder()
        .subject_name(sound.subject)
        .issuer_name(ISSUER.certificate.subject)
        .public_key(KEY.public_key())
        .serial_number(sound.serial_number)
        .not_valid_before(sound.not_valid_before_utc)
        .not_valid_after(sound.not_valid_after_utc)
    )
    for each in sound.extensions:
        if without is None or not isinstance(each.value, without):
            builder = builder.add_extension(each.value, critical=each.critical)
    return _rules(change(builder).sign(ca_key("issuing"), hashes.SHA256()))


def _again(changes: dict[str, object]) -> Change:
    """A change of what a builder lets be set once only."""

    def change(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
        for field, value in changes.items():
            setattr(builder, field, value)
        return builder

    return change


def _with(value: x509.ExtensionType, *, critical: bool = False) -> Change:
    return lambda builder: builder.add_extension(value, critical=critical)


def _same(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
    return builder


@pytest.mark.parametrize("profile", PROFILES.names())
def test_a_sound_draft(profile: str) -> None:
    """In a draft of any profile nothing is found."""
    chosen = PROFILES[profile]
    assert lint.examine(_draft(chosen), ISSUER) == []


def test_the_librarys_own_certificate() -> None:
    """A certificate that the library built with the same fields is as sound as the draft."""
    assert _spoil(_same) == set()


def _point(address: str) -> x509.CRLDistributionPoints:
    uri = x509.UniformResourceIdentifier(address)
    return x509.CRLDistributionPoints([x509.DistributionPoint([uri], None, None, None)])


def _access(address: str) -> x509.AuthorityInformationAccess:
    uri = x509.UniformResourceIdentifier(address)
    method = AuthorityInformationAccessOID.OCSP
    return x509.AuthorityInformationAccess([x509.AccessDescription(method, uri)])


def _subject(*attributes: x509.NameAttribute) -> Change:
    return _again({"_subject_name": x509.Name(attributes)})


_CN = x509.NameAttribute(NameOID.COMMON_NAME, "PHÚ QUÝ")
_OTHER_ID = x509.AuthorityKeyIdentifier(b"other", None, None)
_POLICY = x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)
_OWN_POLICY = x509.PolicyInformation(x509.ObjectIdentifier(PROFILE.policies[0]), None)


@pytest.mark.parametrize(
    ("rule", "change", "without"),
    [
        ("5280 4.1.2.2", _again({"_serial_number": 1 << 40}), None),
        ("5280 4.1.2.5", _again({"_not_valid_after": datetime(2024, 3, 1)}), None),  # noqa: DTZ001 - as the builder keeps it
        ("5280 6.1", _again({"_not_valid_before": datetime(2024, 2, 1)}), None),  # noqa: DTZ001 - as the builder keeps it
        ("profile", _again({"_not_valid_after": datetime(2030, 3, 1)}), None),  # noqa: DTZ001 - as the builder keeps it
        ("5280 4.1.2.4", _again({"_issuer_name": name("Another CA")}), None),
        ("5280 4.1.2.6", _subject(), None),
        ("BR 7.1.4.1", _subject(_CN, _CN), None),
        ("BR 7.1.4.1", _again({"_subject_name": x509.Name([x509.RelativeDistinguishedName(
            [_CN, x509.NameAttribute(NameOID.TITLE, "Director")])])}), None),
        ("5280 4.1.2.4", _subject(x509.NameAttribute(
            NameOID.SERIAL_NUMBER, "1", _type=x509.name._ASN1Type.UTF8String)), None),
        ("5280 App. A", _subject(x509.NameAttribute(
            NameOID.COMMON_NAME, "C" * 65, _validate=False)), None),
        ("5280 App. A", _subject(x509.NameAttribute(
            NameOID.COUNTRY_NAME, "vn", _validate=False)), None),
        ("profile", _again({"_public_key": ec.generate_private_key(ec.SECP521R1()).public_key()}),
         None),
        ("BR 6.1.5", _again({"_public_key": rsa.generate_private_key(65537, 1024).public_key()}),
         None),
        ("5280 4.2.1.2", _with(x509.SubjectKeyIdentifier(b"other")), x509.SubjectKeyIdentifier),
        ("5280 4.2.1.2", _same, x509.SubjectKeyIdentifier),
        ("profile", _with(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\5\0")),
         None),
        ("5280 4.2", _with(PROFILE.key_usage_extension("P-256")), x509.KeyUsage),
        ("5280 4.2.1.3", _with(PROFILES["root"].key_usage_extension("P-256"), critical=True),
         x509.KeyUsage),
        ("5280 4.2.1.9", _with(x509.BasicConstraints(ca=True, path_length=None), critical=True),
         None),
        ("5280 4.2.1.9", _with(x509.BasicConstraints(ca=True, path_length=3), critical=True), None),
        ("5280 4.2.1.12", _with(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])),
         x509.ExtendedKeyUsage),
        ("6960 4.2.2.2.1", _with(x509.OCSPNoCheck()), None),
        ("5280 4.2.1.4", _with(x509.CertificatePolicies([_POLICY])), x509.CertificatePolicies),
        ("5280 4.2.1.4", _with(x509.CertificatePolicies([_OWN_POLICY])), x509.CertificatePolicies),
        ("5280 4.2.1.1", _with(_OTHER_ID), x509.AuthorityKeyIdentifier),
        ("5280 4.2.1.1", _same, x509.AuthorityKeyIdentifier),
        ("5280 4.2.1.13", _with(_point("http://pki.example.vn/a.crl")), x509.CRLDistributionPoints),
        ("5280 4.2.1.13", _same, x509.CRLDistributionPoints),
        ("5280 4.2.1.15", _with(x509.FreshestCRL(list(_point("http://pki.example.vn/d.crl")))),
         None),
        ("5280 4.2.2.1", _with(_access("https://pki.example.vn/ocsp")),
         x509.AuthorityInformationAccess),
    ],
)  # fmt: skip
def test_every_rule_fires(
    rule: str, change: Change, without: type[x509.ExtensionType] | None
) -> None:
    """A certificate with one planted fault is found by the rule for that fault."""
    assert rule in _spoil(change, without=without)


def test_what_was_right_is_looked_at_again() -> None:
    """After a sound draft, no octet of the next one's extensions may differ from what is right.

    Each octet is changed in turn: the draft is found wrong, or the library cannot read it at all.
    """
    sound = _draft()
    assert lint.examine(sound, ISSUER) == []
    begin = sound.tbs.index(bytes.fromhex("301d0603551d0e04160414"))
    algorithm = signatures.algorithm_in(sound.tbs)
    for at in range(begin, len(sound.tbs)):
        changed = bytearray(sound.tbs)
        changed[at] ^= 0x01
        try:
            sample = x509.load_der_x509_certificate(
                signatures.assemble(bytes(changed), algorithm, bytes(64))
            )
            found = lint.examine(replace(sound, tbs=bytes(changed), sample=sample), ISSUER)
        except (ValueError, x509.DuplicateExtension):
            continue
        assert found != [], f"octet {at - begin} of the extensions"
    assert lint.examine(sound, ISSUER) == []


def test_right_for_one_is_not_right_for_another() -> None:
    """Extensions that were right under one issuer or profile are examined under another."""
    sound = _draft()
    assert lint.examine(sound, ISSUER) == []
    others = (
        replace(ISSUER, key_id=bytes(20)),
        replace(ISSUER, urls=replace(URLS, responder="http://other.example.vn")),
        replace(ISSUER, issuer=replace(ISSUER.issuer, name="other")),
    )
    for other in others:
        assert lint.examine(sound, other) != []
    strict = PROFILE.model_copy(update={"policies": ("1.3.6.1.4.1.32473.9",)})
    assert lint.examine(replace(sound, profile=strict), ISSUER) != []


def test_signature_algorithms() -> None:
    """An algorithm that is none of ours (ECDSA with SHA-512) is found, by name and by octets."""
    sound = _draft().tbs
    other = sound.replace(bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d040304"))
    builder = signatures.assemble(other, bytes.fromhex("300a06082a8648ce3d040304"), bytes(64))
    assert {"5280 4.1.1.2", "4055 5"} <= _rules(x509.load_der_x509_certificate(builder))


def test_drafts_that_are_refused() -> None:
    """What outlives its issuer, has another kind of key, or names CRLs that are not published."""
    urls = replace(URLS, partitions=4, deltas=True)
    split = PROFILE.model_copy(update={"crl": "partition"})
    fresh = PROFILE.model_copy(update={"freshest_crl": True})
    with pytest.raises(Invalid, match="names partitions of the CRL, but none are published"):
        _draft(split)
    with pytest.raises(Invalid, match="names delta CRLs, but none are published"):
        _draft(fresh)
    published = replace(ISSUER, urls=urls)
    for profile in (split, fresh):
        assert lint.examine(_draft(profile, published), published) == []
    with pytest.raises(Refused, match="certifies Ed25519 keys, not P-256"):
        _draft(PROFILE.model_copy(update={"keys": ("Ed25519",)}))
    short = replace(ISSUER, issuer=replace(ISSUER.issuer, not_after=START + YEAR - 2 * SECOND))
    with pytest.raises(Refused, match="after its issuer 'issuing'"):
        _draft(issuer=short)


def test_years_beyond_2049() -> None:
    """From 2050 on instants are GeneralizedTime, before that UTCTime (RFC 5280 4.1.2.5)."""
    made = draft.build_root(
        profile=PROFILES["root"],
        subject=SUBJECT,
        public_key=KEY.public_key(),
        serial=1 << 100,
        not_before=datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC),
        not_after=datetime(2050, 1, 1, tzinfo=UTC),
    )
    assert bytes.fromhex("170d") + b"491231235959Z" in made.tbs
    assert bytes.fromhex("180f") + b"20500101000000Z" in made.tbs
