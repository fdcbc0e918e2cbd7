"""What the extensions of a draft must be: the profile's, and the issuer's. Pure.

The certificates of one profile share their extensions octet for octet, but for the identifier of
their key. So what was examined and found right is remembered, and the same octets, for the same
profile, issuer, partition and kind of key, are right again; what was found wrong never is.
"""

from collections.abc import Hashable, Iterator, Mapping
from typing import TypeVar

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID

from ca.draft import Draft
from ca.issuers import SigningIssuer, partition_of
from ca.model import Finding
from ca.profiles import Kind, Profile

_CRITICAL = frozenset({ExtensionOID.KEY_USAGE, ExtensionOID.BASIC_CONSTRAINTS})
_KNOWN = _CRITICAL | {
    ExtensionOID.SUBJECT_KEY_IDENTIFIER, ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    ExtensionOID.EXTENDED_KEY_USAGE, ExtensionOID.CERTIFICATE_POLICIES,
    ExtensionOID.CRL_DISTRIBUTION_POINTS, ExtensionOID.FRESHEST_CRL,
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS, ExtensionOID.OCSP_NO_CHECK,
}  # fmt: skip
# The head of a SubjectKeyIdentifier of 20 octets: what stands before them.
_IDENTIFIER = bytes.fromhex("301d0603551d0e04160414")
# Before the first extension stand two headers of at most four octets each: [3] and SEQUENCE.
_MOST_HEADS = 8
_MOST_REMEMBERED = 4096

_T = TypeVar("_T", bound=x509.ExtensionType)
Extensions = Mapping[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]]


def examine(
    draft: Draft, octets: bytes, issuer: SigningIssuer | None, *, kind: str, identifier: bytes
) -> list[Finding]:
    """Return everything wrong with a draft's extensions.

    `octets` are the last part of the TBSCertificate, where extensions stand if there are any.
    `kind` is that of the draft's key, `identifier` the SHA-1 of its bits (RFC 5280 4.2.1.2).
    """
    known = None if issuer is None else _known(draft, octets, issuer, kind, identifier)
    if known in _right:
        return []
    findings = list(_examine(draft, issuer, kind, identifier))
    if known is not None and not findings:
        if len(_right) >= _MOST_REMEMBERED:
            _right.clear()
        _right.add(known)
    return findings


_right: set[Hashable] = set()


def _known(
    draft: Draft, octets: bytes, issuer: SigningIssuer, kind: str, identifier: bytes
) -> Hashable:
    """Return all that the findings depend on; None where the key's identifier is not the first.

    The identifier itself is looked at here and left out.
    """
    first = octets.find(_IDENTIFIER, 0, _MOST_HEADS + len(_IDENTIFIER))
    begin = first + len(_IDENTIFIER)
    end = begin + len(identifier)
    if first < 0 or octets[begin:end] != identifier:
        return None
    profile, urls = draft.profile, issuer.urls
    rest = (octets[:begin], octets[end:])
    partition = _partition(draft, issuer)
    return rest, kind, profile, partition, issuer.issuer.name, issuer.key_id, urls


def _partition(draft: Draft, issuer: SigningIssuer) -> int:
    """Return the partition that the draft must name, 0 when it is to name the full CRL."""
    if draft.profile.crl != "partition":
        return 0
    return partition_of(draft.sample.serial_number, issuer.urls.partitions)


def _examine(
    draft: Draft, issuer: SigningIssuer | None, kind: str, identifier: bytes
) -> Iterator[Finding]:
    profile = draft.profile
    found = {each.oid: each for each in draft.sample.extensions}
    yield from _extensions(found)
    yield from _identifier(found, identifier)
    yield from _usage(found, profile, kind)
    yield from _policies(found, profile)
    yield from _authority(found, issuer)
    yield from _crl(draft, found, issuer)
    yield from _access(found, issuer, profile)


def _identifier(found: Extensions, identifier: bytes) -> Iterator[Finding]:
    own = _value(found, x509.SubjectKeyIdentifier)
    if own is None or own.digest != identifier:
        yield Finding("5280 4.2.1.2", "The subject key identifier is not that of the key.")


def _extensions(found: Extensions) -> Iterator[Finding]:
    for oid, extension in found.items():
        if oid not in _KNOWN:
            yield Finding("profile", f"The extension {oid.dotted_string} is not expected.")
        if extension.critical != (oid in _CRITICAL):
            yield Finding("5280 4.2", f"{oid.dotted_string} has the wrong criticality.")


def _usage(found: Extensions, profile: Profile, kind: str) -> Iterator[Finding]:
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


def _crl(draft: Draft, found: Extensions, issuer: SigningIssuer | None) -> Iterator[Finding]:
    profile = draft.profile
    points = _value(found, x509.CRLDistributionPoints)
    addresses = [address for each in points or () for address in _addresses(each)]
    if issuer is None or profile.kind is Kind.OCSP:
        expected = []
    elif profile.crl == "partition":
        expected = [issuer.urls.partition(issuer.issuer.name, _partition(draft, issuer))]
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
