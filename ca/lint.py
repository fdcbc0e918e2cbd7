"""Lint before signing: what the draft must be by RFC 5280 and by its profile. Pure and fast.

Every rule is a small function that yields findings; any finding stops the issuance. The draft is
read with the library's parser, not with the code that wrote it. A second program that shares no
code with this one re-checks what was issued (deploy/recheck.py).
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID, NameOID

from ca import keys, names, signatures
from ca.draft import Draft
from ca.issuers import SigningIssuer, partition_of
from ca.profiles import Kind, Profile, years_later
from ca.weakness import LEAST_RSA_BITS
from core import der, serials

_LEAST_SERIAL_BITS = 64
_CRITICAL = frozenset({ExtensionOID.KEY_USAGE, ExtensionOID.BASIC_CONSTRAINTS})
_KNOWN = _CRITICAL | {
    ExtensionOID.SUBJECT_KEY_IDENTIFIER, ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    ExtensionOID.EXTENDED_KEY_USAGE, ExtensionOID.CERTIFICATE_POLICIES,
    ExtensionOID.CRL_DISTRIBUTION_POINTS, ExtensionOID.FRESHEST_CRL,
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS, ExtensionOID.OCSP_NO_CHECK,
}  # fmt: skip
# The staff profile bears two identifiers; nothing else stands twice (BR 7.1.4.1).
_REPEATABLE = frozenset({der.oid(NameOID.USER_ID.dotted_string)})
_COUNTRY = der.oid(NameOID.COUNTRY_NAME.dotted_string)
# RFC 5280 4.1.2.4 and Appendix A: the string types of these attributes, by tag.
_STRINGS = {
    _COUNTRY: {der.PRINTABLE_STRING},
    der.oid(NameOID.SERIAL_NUMBER.dotted_string): {der.PRINTABLE_STRING},
    der.oid(NameOID.EMAIL_ADDRESS.dotted_string): {der.IA5_STRING},
}
_MOST_CHARACTERS = {der.oid(oid.dotted_string): most for oid, most in names.MOST_CHARACTERS.items()}
# Where the parts of a TBSCertificate stand (RFC 5280 4.1).
_ALGORITHM, _ISSUER, _SUBJECT, _KEY = 2, 3, 5, 6
_DIRECTORY_STRINGS = {der.UTF8_STRING, der.PRINTABLE_STRING}

_T = TypeVar("_T", bound=x509.ExtensionType)
Extensions = Mapping[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong: the rule's id in standards' words, and a full sentence."""

    rule: str
    sentence: str


def examine(draft: Draft, issuer: SigningIssuer | None) -> list[Finding]:
    """Return everything wrong with the draft under `issuer` (None: a self-signed root)."""
    sample, profile = draft.sample, draft.profile
    authority = sample if issuer is None else issuer.certificate
    parts = [part for _, part in der.children(sample.tbs_certificate_bytes)]
    found = {each.oid: each for each in sample.extensions}
    return [
        *_form(sample, parts),
        *_validity(sample, authority, profile),
        *_names(parts, issuer),
        *_key(sample, parts, found, profile),
        *_extensions(found),
        *_usage(sample, found, profile),
        *_policies(found, profile),
        *_authority(found, issuer),
        *_crl(sample, found, issuer, profile),
        *_access(found, issuer, profile),
    ]


def _form(sample: x509.Certificate, parts: list[bytes]) -> Iterator[Finding]:
    if sample.version is not x509.Version.v3:
        yield Finding("5280 4.1.2.1", "The version is not v3.")
    bits = sample.serial_number.bit_length()
    if sample.serial_number <= 0 or not _LEAST_SERIAL_BITS <= bits <= 8 * serials.MOST_BYTES - 1:
        yield Finding("5280 4.1.2.2", f"The serial has {bits} bits; 64 to 159 are allowed.")
    if sample.signature_algorithm_oid.dotted_string not in signatures.OIDS:
        yield Finding("5280 4.1.1.2", f"{sample.signature_algorithm_oid} is no accepted signature.")
    if parts[_ALGORITHM] not in signatures.IDENTIFIERS:
        yield Finding("4055 5", "The signature algorithm's parameters are not the ones it has.")


def _validity(
    sample: x509.Certificate, authority: x509.Certificate, profile: Profile
) -> Iterator[Finding]:
    start, end = sample.not_valid_before_utc, sample.not_valid_after_utc
    if end <= start:
        yield Finding("5280 4.1.2.5", f"The validity ends at {end} before it starts at {start}.")
    if end > authority.not_valid_after_utc or start < authority.not_valid_before_utc:
        yield Finding("5280 6.1", "The validity is not within that of the issuer.")
    years = profile.years_at(start)
    if end + timedelta(seconds=1) > years_later(start, years):
        yield Finding("profile", f"The validity exceeds the profile's {years} years.")


def _names(parts: list[bytes], issuer: SigningIssuer | None) -> Iterator[Finding]:
    """Look at the names as they are encoded: characters, string types, one attribute each."""
    stated, subject = parts[_ISSUER], parts[_SUBJECT]
    if stated != (subject if issuer is None else issuer.subject):
        yield Finding("5280 4.1.2.4", "The issuer name is not byte for byte the CA's subject.")
    rdns = [list(der.children(rdn)) for _, rdn in der.children(subject)]
    if not rdns:
        yield Finding("5280 4.1.2.6", "The subject is empty.")
    seen = set()
    for rdn in rdns:
        if len(rdn) != 1:
            yield Finding("BR 7.1.4.1", "An RDN holds more than one attribute.")
        for _, pair in rdn:
            (_, oid), (tag, value) = der.children(pair)
            yield from _attribute(oid, tag, der.content(value))
            if oid in seen and oid not in _REPEATABLE:
                yield Finding("BR 7.1.4.1", f"The attribute {oid.hex()} stands twice.")
            seen.add(oid)


def _attribute(oid: bytes, tag: int, octets: bytes) -> Iterator[Finding]:
    if tag not in _STRINGS.get(oid, _DIRECTORY_STRINGS):
        yield Finding("5280 4.1.2.4", f"{oid.hex()} has a string type that it may not have.")
        return
    value = octets.decode("utf-8" if tag == der.UTF8_STRING else "ascii")
    most = _MOST_CHARACTERS.get(oid)
    if most is not None and not 0 < len(value) <= most:
        yield Finding("5280 App. A", f"{oid.hex()} has {len(value)} characters of {most}.")
    if oid == _COUNTRY and not names.is_country(value):
        yield Finding("5280 App. A", f"The country {value!r} is not two capital letters.")


def _key(
    sample: x509.Certificate, parts: list[bytes], found: Extensions, profile: Profile
) -> Iterator[Finding]:
    key = sample.public_key()
    if keys.kind_of(key) not in profile.keys:
        yield Finding("profile", f"The profile does not certify {keys.kind_of(key)} keys.")
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < LEAST_RSA_BITS:
        yield Finding("BR 6.1.5", f"The RSA key has {key.key_size} bits.")
    *_, (_, bits) = der.children(parts[_KEY])
    identifier = hashlib.sha1(der.content(bits)[1:], usedforsecurity=False).digest()
    own = _value(found, x509.SubjectKeyIdentifier)
    if own is None or own.digest != identifier:
        yield Finding("5280 4.2.1.2", "The subject key identifier is not that of the key.")


def _extensions(found: Extensions) -> Iterator[Finding]:
    for oid, extension in found.items():
        if oid not in _KNOWN:
            yield Finding("profile", f"The extension {oid.dotted_string} is not expected.")
        if extension.critical != (oid in _CRITICAL):
            yield Finding("5280 4.2", f"{oid.dotted_string} has the wrong criticality.")


def _usage(sample: x509.Certificate, found: Extensions, profile: Profile) -> Iterator[Finding]:
    kind = keys.kind_of(sample.public_key())
    if _value(found, x509.KeyUsage) != profile.key_usage_extension(kind):
        yield Finding("5280 4.2.1.3", "The key usage is not the profile's for such a key.")
    constraints = _value(found, x509.BasicConstraints)
    if (constraints is not None and constraints.ca) != (profile.kind is Kind.CA):
        yield Finding("5280 4.2.1.9", "The basic constraints do not fit the profile.")
    if constraints is not None and constraints.path_length != profile.path_length:
        yield Finding("5280 4.2.1.9", "The path length is not the profile's.")
    purposes = _value(found, x509.ExtendedKeyUsage)
    if [oid.dotted_string for oid in purposes or ()] != list(profile.extended_key_usage):
        yield Finding("5280 4.2.1.12", "The extended key usage is not the profile's.")
    if (ExtensionOID.OCSP_NO_CHECK in found) != (profile.kind is Kind.OCSP):
        yield Finding("6960 4.2.2.2.1", "OCSPSigning and ocsp-nocheck must come together.")


def _policies(found: Extensions, profile: Profile) -> Iterator[Finding]:
    policies = _value(found, x509.CertificatePolicies)
    if [each.policy_identifier.dotted_string for each in policies or ()] != list(profile.policies):
        yield Finding("5280 4.2.1.4", "The policies are not the profile's.")
    for each in policies or ():
        if (each.policy_qualifiers or None) != ([profile.cps_uri] if profile.cps_uri else None):
            yield Finding("5280 4.2.1.4", "The CPS address is not the profile's.")


def _authority(found: Extensions, issuer: SigningIssuer | None) -> Iterator[Finding]:
    if issuer is None:
        return
    own = _value(found, x509.AuthorityKeyIdentifier)
    if own is None or own.key_identifier != issuer.key_id:
        yield Finding("5280 4.2.1.1", "The authority key identifier is not the issuer's.")


def _crl(
    sample: x509.Certificate, found: Extensions, issuer: SigningIssuer | None, profile: Profile
) -> Iterator[Finding]:
    points = _value(found, x509.CRLDistributionPoints)
    addresses = [address for each in points or () for address in _addresses(each)]
    if issuer is None or profile.kind is Kind.OCSP:
        expected = []
    elif profile.crl == "partition":
        number = partition_of(sample.serial_number, issuer.urls.partitions)
        expected = [issuer.urls.partition(issuer.issuer.name, number)]
    else:
        own = profile.crl_url or issuer.urls.crl("{issuer}")
        expected = [own.replace("{issuer}", issuer.issuer.name)]
    if addresses != expected or any(not each.startswith("http://") for each in addresses):
        yield Finding("5280 4.2.1.13", f"The CRL addresses {addresses} do not fit the profile.")
    deltas = _value(found, x509.FreshestCRL)
    addresses = [address for each in deltas or () for address in _addresses(each)]
    wanted = [issuer.urls.delta(each) for each in expected] if issuer else []
    if addresses != (wanted if profile.freshest_crl else []):
        yield Finding("5280 4.2.1.15", f"The delta addresses {addresses} do not fit the profile.")


def _addresses(point: x509.DistributionPoint) -> list[str]:
    """Return the addresses of a point; one that says more than that gives a wrong one."""
    if point.reasons or point.crl_issuer or point.relative_name or len(point.full_name or ()) != 1:
        return ["(more than one full name)"]
    return [str(name.value) for name in point.full_name or ()]


def _access(found: Extensions, issuer: SigningIssuer | None, profile: Profile) -> Iterator[Finding]:
    access = _value(found, x509.AuthorityInformationAccess)
    stated = [(each.access_method, str(each.access_location.value)) for each in access or ()]
    if stated != _expected_access(issuer, profile):
        yield Finding("5280 4.2.2.1", "The authority information access does not fit the profile.")
    for _, address in stated:
        if not address.startswith("http://"):
            yield Finding("5280 4.2.2.1", f"The address {address!r} is not plain http.")


def _expected_access(
    issuer: SigningIssuer | None, profile: Profile
) -> list[tuple[x509.ObjectIdentifier, str]]:
    if issuer is None or profile.kind is Kind.OCSP:
        return []
    name = issuer.issuer.name
    certificate = (profile.issuer_url or issuer.urls.certificate("{issuer}")).replace(
        "{issuer}", name
    )
    expected = [(AuthorityInformationAccessOID.CA_ISSUERS, certificate)]
    if profile.kind is not Kind.CA:
        ocsp = (profile.ocsp_url or issuer.urls.ocsp()).replace("{issuer}", name)
        expected.insert(0, (AuthorityInformationAccessOID.OCSP, ocsp))
    return expected


def _value(found: Extensions, kind: type[_T]) -> _T | None:
    extension = found.get(kind.oid)
    return extension.value if extension is not None and isinstance(extension.value, kind) else None
