"""Lint before signing: what the draft must be by RFC 5280 and by its profile. Pure and fast.

Every rule is a small function that yields findings; any finding stops the issuance. A second
program that shares no code with this one re-checks what was issued.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from ca.draft import Draft
from ca.issuers import SigningIssuer
from ca.names import MOST_CHARACTERS
from ca.profiles import Kind, Profile
from core import serials

_T = TypeVar("_T", bound=x509.ExtensionType)
_LEAST_SERIAL_BITS = 64
_KNOWN = {
    ExtensionOID.SUBJECT_KEY_IDENTIFIER, ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE, ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.CERTIFICATE_POLICIES, ExtensionOID.CRL_DISTRIBUTION_POINTS,
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS, ExtensionOID.OCSP_NO_CHECK,
}  # fmt: skip
_CRITICAL = {ExtensionOID.KEY_USAGE, ExtensionOID.BASIC_CONSTRAINTS}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong: the rule's id in standards' words, and a full sentence."""

    rule: str
    sentence: str


def examine(draft: Draft, issuer: SigningIssuer | None) -> list[Finding]:
    """Return everything wrong with the draft under `issuer` (None: a self-signed root)."""
    sample = draft.sample
    authority = sample if issuer is None else issuer.certificate
    return [
        *_form(sample),
        *_validity(sample, authority, draft.profile),
        *_names(sample, authority),
        *_extensions(sample),
        *_usage(sample, draft.profile),
        *_pointers(sample, issuer, draft.profile),
    ]


def _form(sample: x509.Certificate) -> Iterator[Finding]:
    if sample.version is not x509.Version.v3:
        yield Finding("5280 4.1.2.1", "The version is not v3.")
    bits = sample.serial_number.bit_length()
    if not _LEAST_SERIAL_BITS <= bits <= 8 * serials.MOST_BYTES - 1:
        yield Finding("5280 4.1.2.2", f"The serial has {bits} bits; 64 to 159 are allowed.")
    if sample.signature_algorithm_oid.dotted_string not in _SIGNATURES:
        yield Finding("5280 4.1.1.2", f"{sample.signature_algorithm_oid} is no accepted signature.")


_SIGNATURES = {
    "1.2.840.113549.1.1.11", "1.2.840.113549.1.1.12", "1.2.840.113549.1.1.13",
    "1.2.840.113549.1.1.10", "1.2.840.10045.4.3.2", "1.2.840.10045.4.3.3", "1.3.101.112",
}  # fmt: skip


def _validity(
    sample: x509.Certificate, authority: x509.Certificate, profile: Profile
) -> Iterator[Finding]:
    start, end = sample.not_valid_before_utc, sample.not_valid_after_utc
    if end <= start:
        yield Finding("5280 4.1.2.5", f"The validity ends at {end} before it starts at {start}.")
    if end > authority.not_valid_after_utc or start < authority.not_valid_before_utc:
        yield Finding("5280 6.1", "The validity is not within that of the issuer.")
    if (end.year - profile.most_years, end.month, end.day) > (start.year, start.month, start.day):
        yield Finding("profile", f"The validity exceeds the profile's {profile.most_years} years.")


def _names(sample: x509.Certificate, authority: x509.Certificate) -> Iterator[Finding]:
    if sample.issuer.public_bytes() != authority.subject.public_bytes():
        yield Finding("5280 4.1.2.4", "The issuer name is not byte for byte the CA's subject.")
    if not list(sample.subject):
        yield Finding("5280 4.1.2.6", "The subject is empty.")
    for rdn in sample.subject.rdns:
        if len(rdn) != 1:
            yield Finding("BR 7.1.4.1", "An RDN holds more than one attribute.")
        for attribute in rdn:
            yield from _attribute(attribute)


def _attribute(attribute: x509.NameAttribute[str | bytes]) -> Iterator[Finding]:
    value = attribute.value
    most = MOST_CHARACTERS.get(attribute.oid)
    if isinstance(value, str) and most is not None and len(value) > most:
        yield Finding(
            "5280 App. A", f"{attribute.oid.dotted_string} has {len(value)} characters of {most}."
        )
    if attribute.oid == x509.NameOID.COUNTRY_NAME and not (
        isinstance(value, str) and value.isascii() and value.isupper() and len(value) == 2  # noqa: PLR2004 - ISO 3166 alpha-2
    ):
        yield Finding("5280 App. A", f"The country {value!r} is not two capital letters.")


def _extensions(sample: x509.Certificate) -> Iterator[Finding]:
    for extension in sample.extensions:
        if extension.oid not in _KNOWN:
            yield Finding(
                "profile", f"The extension {extension.oid.dotted_string} is not expected."
            )
        if extension.critical != (extension.oid in _CRITICAL):
            yield Finding(
                "5280 4.2",
                f"The extension {extension.oid.dotted_string} has the wrong criticality.",
            )


def _usage(sample: x509.Certificate, profile: Profile) -> Iterator[Finding]:
    usage = _value(sample, x509.KeyUsage)
    if usage is None or usage != profile.key_usage_extension():
        yield Finding("5280 4.2.1.3", "The key usage is not the profile's.")
    constraints = _value(sample, x509.BasicConstraints)
    if (constraints is not None and constraints.ca) != (profile.kind is Kind.CA):
        yield Finding("5280 4.2.1.9", "The basic constraints do not fit the profile.")
    purposes = _value(sample, x509.ExtendedKeyUsage)
    found = {oid.dotted_string for oid in purposes or ()}
    if found != set(profile.extended_key_usage):
        yield Finding("5280 4.2.1.12", "The extended key usage is not the profile's.")
    if (ExtendedKeyUsageOID.OCSP_SIGNING.dotted_string in found) != (
        _value(sample, x509.OCSPNoCheck) is not None
    ):
        yield Finding("6960 4.2.2.2.1", "OCSPSigning and ocsp-nocheck must come together.")


def _pointers(
    sample: x509.Certificate, issuer: SigningIssuer | None, profile: Profile
) -> Iterator[Finding]:
    if _value(sample, x509.SubjectKeyIdentifier) is None:
        yield Finding("5280 4.2.1.2", "The subject key identifier is missing.")
    if issuer is None:
        return
    theirs = _value(issuer.certificate, x509.SubjectKeyIdentifier)
    ours = _value(sample, x509.AuthorityKeyIdentifier)
    if ours is None or theirs is None or ours.key_identifier != theirs.digest:
        yield Finding("5280 4.2.1.1", "The authority key identifier is not the issuer's.")
    points = _value(sample, x509.CRLDistributionPoints)
    if (points is None) != (profile.kind is Kind.OCSP):
        yield Finding("5280 4.2.1.13", "The CRL distribution point does not fit the profile.")
    for point in points or ():
        for name in point.full_name or ():
            if not str(name.value).startswith("http://"):
                yield Finding("5280 4.2.1.13", f"The CRL address {name.value!r} is not plain http.")


def _value(sample: x509.Certificate, kind: type[_T]) -> _T | None:
    try:
        return sample.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
