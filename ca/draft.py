"""Drafts: the exact bytes that will be signed, before the issuing key has seen them. Pure.

A draft stands under a void signature, all zeros, so that it can be examined as a certificate
(`lint`) while nothing that anybody would trust exists. The issuing key then signs the same
to-be-signed bytes.

What does not change from certificate to certificate is encoded once, by the library, and kept;
the rest is put between (RFC 5280 4.1). The examination reads the draft with the library's parser.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID

from ca import signatures
from ca.issuers import SigningIssuer, Urls, partition_of
from ca.keys import PublicKey, kind_of, spki
from ca.profiles import Kind, Profile
from core import der
from core.errors import Invalid, Refused

_VERSION_3 = bytes.fromhex("a003020102")
_EXTENSIONS = 0xA3
_VOID = bytes(64)
_SUBJECT_KEY_IDENTIFIER = der.oid(ExtensionOID.SUBJECT_KEY_IDENTIFIER.dotted_string)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A certificate that is ready to be signed: `tbs` is the DER TBSCertificate.

    `sample` is the draft under a void signature, `spki_sha256` the hash of its key (32 octets).
    """

    tbs: bytes
    sample: x509.Certificate
    profile: Profile
    spki_sha256: bytes


def build(
    *,
    issuer: SigningIssuer,
    profile: Profile,
    subject: x509.Name,
    public_key: PublicKey,
    serial: int,
    not_before: datetime,
    not_after: datetime,
) -> Draft:
    """Draft a certificate under `issuer`.

    Raises Refused when it would outlive the issuer or its kind of key is not the profile's,
    Invalid when the profile names CRLs that the instance does not publish.
    """
    if not_after > issuer.issuer.not_after:
        raise Refused(
            f"The certificate would end at {not_after.isoformat()}, after its issuer "
            f"{issuer.issuer.name!r} at {issuer.issuer.not_after.isoformat()}; choose fewer years "
            "or a newer issuer.",
            code="outlives_issuer",
        )
    _check_key(public_key, profile)
    partition = _partition(serial, profile, issuer.urls)
    shape = _shape_under(issuer, profile, partition, kind_of(public_key))
    return _assemble(
        shape,
        profile,
        subject=subject,
        public_key=public_key,
        serial=serial,
        validity=_validity(not_before, not_after),
    )


def build_root(
    *,
    profile: Profile,
    subject: x509.Name,
    public_key: PublicKey,
    serial: int,
    not_before: datetime,
    not_after: datetime,
) -> Draft:
    """Draft a self-signed root certificate."""
    _check_key(public_key, profile)
    shape = _Shape(
        algorithm=signatures.algorithm_for(public_key, pss=profile.signature == "pss"),
        issuer=subject.public_bytes(),
        extensions=b"".join(_fixed(profile, kind_of(public_key))),
    )
    return _assemble(
        shape,
        profile,
        subject=subject,
        public_key=public_key,
        serial=serial,
        validity=_validity(not_before, not_after),
    )


def sign(draft: Draft, key: CertificateIssuerPrivateKeyTypes) -> bytes:
    """Return the certificate's DER: the draft's bytes under the signature of `key`."""
    return signatures.sign(key, draft.tbs)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """What certificates of one profile, issuer, partition and kind of key share, in DER."""

    algorithm: bytes
    issuer: bytes
    extensions: bytes


def _assemble(
    shape: _Shape,
    profile: Profile,
    *,
    subject: x509.Name,
    public_key: PublicKey,
    serial: int,
    validity: bytes,
) -> Draft:
    key = spki(public_key)
    tbs = der.sequence(
        _VERSION_3,
        der.integer(serial),
        shape.algorithm,
        shape.issuer,
        validity,
        subject.public_bytes(),
        key,
        der.element(_EXTENSIONS, der.sequence(_key_identifier(key), shape.extensions)),
    )
    sample = x509.load_der_x509_certificate(signatures.assemble(tbs, shape.algorithm, _VOID))
    digest = hashlib.sha256(key).digest()
    return Draft(tbs=tbs, sample=sample, profile=profile, spki_sha256=digest)


def _check_key(public_key: PublicKey, profile: Profile) -> None:
    kind = kind_of(public_key)
    if kind not in profile.keys:
        raise Refused(
            f"The profile {profile.name!r} certifies {', '.join(profile.keys)} keys, not {kind}.",
            code="key_kind",
        )


def _validity(not_before: datetime, not_after: datetime) -> bytes:
    return der.sequence(der.time(not_before), der.time(not_after))


def _partition(serial: int, profile: Profile, urls: Urls) -> int:
    """Return the partition that the certificate names, 0 when it names the full CRL."""
    if profile.crl == "full":
        return 0
    if urls.partitions < 1:
        raise Invalid(
            f"The profile {profile.name!r} names partitions of the CRL, but none are published; "
            "set their number, or crl = 'full'."
        )
    return partition_of(serial, urls.partitions)


def _key_identifier(key: bytes) -> bytes:
    """Return the extension for a SubjectPublicKeyInfo: SHA-1 of its bits (RFC 5280 4.2.1.2)."""
    *_, (_, bits) = der.children(key)
    digest = hashlib.sha1(der.content(bits)[1:], usedforsecurity=False).digest()
    octets = der.element(der.OCTET_STRING, der.element(der.OCTET_STRING, digest))
    return der.sequence(_SUBJECT_KEY_IDENTIFIER, octets)


def _shape_under(issuer: SigningIssuer, profile: Profile, partition: int, key: str) -> _Shape:
    kind = (profile, partition, key)
    return _kept_shape(issuer.issuer.der, issuer.key_id, issuer.issuer.name, issuer.urls, kind)


@lru_cache(maxsize=4096)
def _kept_shape(
    der_of: bytes, key_id: bytes, name: str, urls: Urls, kind: tuple[Profile, int, str]
) -> _Shape:
    profile, partition, key = kind
    certificate = x509.load_der_x509_certificate(der_of)
    own = x509.AuthorityKeyIdentifier(key_id, None, None)
    pointers = [
        _extension(each, critical=False) for each in _pointers(name, urls, profile, partition)
    ]
    return _Shape(
        algorithm=signatures.algorithm_for(
            certificate.public_key(), pss=profile.signature == "pss"
        ),
        # Byte for byte the CA's own subject (RFC 5280 4.1.2.4).
        issuer=certificate.subject.public_bytes(),
        extensions=b"".join([*_fixed(profile, key), _extension(own, critical=False), *pointers]),
    )


def _fixed(profile: Profile, key: str) -> list[bytes]:
    """The extensions that only the profile and the kind of key decide."""
    extensions = []
    if profile.kind is Kind.CA:
        constraints = x509.BasicConstraints(ca=True, path_length=profile.path_length)
        extensions.append(_extension(constraints, critical=True))
    extensions.append(_extension(profile.key_usage_extension(key), critical=True))
    if profile.extended_key_usage:
        usages = [x509.ObjectIdentifier(oid) for oid in profile.extended_key_usage]
        extensions.append(_extension(x509.ExtendedKeyUsage(usages), critical=False))
    if profile.policies:
        qualifiers = [profile.cps_uri] if profile.cps_uri else None
        policies = [
            x509.PolicyInformation(x509.ObjectIdentifier(oid), qualifiers)
            for oid in profile.policies
        ]
        extensions.append(_extension(x509.CertificatePolicies(policies), critical=False))
    if profile.kind is Kind.OCSP:
        extensions.append(_extension(x509.OCSPNoCheck(), critical=False))
    return extensions


def _pointers(name: str, urls: Urls, profile: Profile, partition: int) -> list[x509.ExtensionType]:
    """The extensions that point at CRL, OCSP and issuer; a responder's certificate has none."""
    if profile.kind is Kind.OCSP:
        return []
    crl = (
        urls.partition(name, partition)
        if partition
        else _or_own(profile.crl_url, name, urls.crl(name))
    )
    pointers: list[x509.ExtensionType] = [x509.CRLDistributionPoints([_point(crl)])]
    if profile.freshest_crl:
        if not urls.deltas:
            raise Invalid(
                f"The profile {profile.name!r} names delta CRLs, but none are published; publish "
                "them, or set freshest_crl = false."
            )
        pointers.append(x509.FreshestCRL([_point(urls.delta(crl))]))
    issuer = _or_own(profile.issuer_url, name, urls.certificate(name))
    access = [_access(AuthorityInformationAccessOID.CA_ISSUERS, issuer)]
    if profile.kind is not Kind.CA:
        ocsp = _or_own(profile.ocsp_url, name, urls.ocsp())
        access.insert(0, _access(AuthorityInformationAccessOID.OCSP, ocsp))
    return [*pointers, x509.AuthorityInformationAccess(access)]


def _or_own(own: str | None, name: str, common: str) -> str:
    return common if own is None else own.replace("{issuer}", name)


def _point(address: str) -> x509.DistributionPoint:
    return x509.DistributionPoint([x509.UniformResourceIdentifier(address)], None, None, None)


def _access(method: x509.ObjectIdentifier, address: str) -> x509.AccessDescription:
    return x509.AccessDescription(method, x509.UniformResourceIdentifier(address))


def _extension(value: x509.ExtensionType, *, critical: bool) -> bytes:
    """Return one Extension in DER (RFC 5280 4.1.2.9); critical FALSE is the default, left out."""
    flag = der.TRUE if critical else b""
    octets = der.element(der.OCTET_STRING, value.public_bytes())
    return der.sequence(der.oid(value.oid.dotted_string), flag, octets)
