"""Drafts: the exact bytes that will be signed, before the issuing key has seen them. Pure.

A draft is signed with a throwaway key of the same kind, so that it can be examined as a certificate
(`lint`) while nothing that anybody would trust exists yet. The issuing key then signs the same
to-be-signed bytes, and `complete` puts the signature under them.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    CertificateIssuerPublicKeyTypes,
)
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID

from ca.csr import PublicKey
from ca.issuers import SigningIssuer, Urls
from ca.profiles import Kind, Profile
from core.errors import Refused

Extensions = tuple[tuple[x509.ExtensionType, bool], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A certificate that is ready to be signed.

    `tbs` is the DER TBSCertificate, `algorithm` the DER AlgorithmIdentifier of the signature,
    `sample` the draft under a throwaway signature.
    """

    tbs: bytes
    algorithm: bytes
    sample: x509.Certificate
    profile: Profile


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
    """Draft a certificate under `issuer`; raises Refused when it would outlive the issuer."""
    if not_after > issuer.issuer.not_after:
        raise Refused(
            f"The certificate would end at {not_after.isoformat()}, after its issuer "
            f"{issuer.issuer.name!r} at {issuer.issuer.not_after.isoformat()}; choose fewer years "
            "or a newer issuer.",
            code="outlives_issuer",
        )
    builder = (
        x509.CertificateBuilder()
        .issuer_name(issuer.certificate.subject)
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
    fixed = _fixed_extensions(profile)
    for extension, critical in (*fixed, *_issuer_extensions(issuer, profile)):
        builder = builder.add_extension(extension, critical=critical)
    return _draft(builder, issuer.key.public_key(), profile)


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
    builder = (
        x509.CertificateBuilder()
        .issuer_name(subject)
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
    for extension, critical in _fixed_extensions(profile):
        builder = builder.add_extension(extension, critical=critical)
    return _draft(builder, public_key, profile)


def sign(draft: Draft, key: CertificateIssuerPrivateKeyTypes) -> bytes:
    """Return the certificate's DER: the draft's bytes under the signature of `key`."""
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(draft.tbs, padding.PKCS1v15(), hashes.SHA256())
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        signature = key.sign(draft.tbs, ec.ECDSA(_curve_hash(key.public_key())))
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        signature = key.sign(draft.tbs)
    else:
        raise TypeError(f"An issuer cannot sign with a {type(key).__name__}.")
    bits = b"\x03" + _length(len(signature) + 1) + b"\x00" + signature
    content = draft.tbs + draft.algorithm + bits
    return b"\x30" + _length(len(content)) + content


def _fixed_extensions(profile: Profile) -> Extensions:
    return _fixed_extensions_cached(profile.model_dump_json(), profile)


@lru_cache(maxsize=64)
def _fixed_extensions_cached(_key: str, profile: Profile) -> Extensions:
    """The extensions that only the profile decides."""
    extensions: list[tuple[x509.ExtensionType, bool]] = []
    if profile.kind is Kind.CA:
        constraints = x509.BasicConstraints(ca=True, path_length=profile.path_length)
        extensions.append((constraints, True))
    extensions.append((profile.key_usage_extension(), True))
    if profile.extended_key_usage:
        usages = [x509.ObjectIdentifier(oid) for oid in profile.extended_key_usage]
        extensions.append((x509.ExtendedKeyUsage(usages), False))
    if profile.policies:
        qualifiers = [profile.cps_uri] if profile.cps_uri else None
        policies = [
            x509.PolicyInformation(x509.ObjectIdentifier(oid), qualifiers)
            for oid in profile.policies
        ]
        extensions.append((x509.CertificatePolicies(policies), False))
    if profile.kind is Kind.OCSP:
        extensions.append((x509.OCSPNoCheck(), False))
    return tuple(extensions)


def _issuer_extensions(issuer: SigningIssuer, profile: Profile) -> Extensions:
    return _issuer_extensions_cached(
        issuer.issuer.der, issuer.issuer.name, issuer.urls, profile.kind
    )


@lru_cache(maxsize=64)
def _issuer_extensions_cached(der: bytes, name: str, urls: Urls, kind: Kind) -> Extensions:
    """The extensions that point at the issuer: AKI, and CDP and AIA but for an OCSP responder."""
    ski = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(
        x509.SubjectKeyIdentifier
    )
    key_id = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski.value)
    if kind is Kind.OCSP:
        return ((key_id, False),)
    point = x509.DistributionPoint([_uri(urls.crl(name))], None, None, None)
    access = [
        x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, _uri(urls.certificate(name))
        )
    ]
    if kind is Kind.SUBSCRIBER:
        ocsp = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, _uri(urls.ocsp()))
        access.insert(0, ocsp)
    return (
        (key_id, False),
        (x509.CRLDistributionPoints([point]), False),
        (x509.AuthorityInformationAccess(access), False),
    )


def _uri(address: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(address)


def _draft(
    builder: x509.CertificateBuilder, signer: CertificateIssuerPublicKeyTypes, profile: Profile
) -> Draft:
    sample = builder.sign(_throwaway(_kind_of(signer)), _hash_for(signer))
    tbs = sample.tbs_certificate_bytes
    der = sample.public_bytes(Encoding.DER)
    start = der.index(tbs) + len(tbs)
    algorithm = der[start : start + 2 + der[start + 1]]
    return Draft(tbs=tbs, algorithm=algorithm, sample=sample, profile=profile)


def _hash_for(key: object) -> hashes.SHA256 | hashes.SHA384 | None:
    if isinstance(key, ed25519.Ed25519PublicKey):
        return None
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _curve_hash(key)
    return hashes.SHA256()


def _curve_hash(key: ec.EllipticCurvePublicKey) -> hashes.SHA256 | hashes.SHA384:
    """The hash as strong as the curve (RFC 5758 3.2)."""
    return hashes.SHA256() if key.curve.key_size <= 256 else hashes.SHA384()  # noqa: PLR2004 - P-256


def _kind_of(key: object) -> str:
    if isinstance(key, rsa.RSAPublicKey):
        return "rsa"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519"
    raise TypeError(f"An issuer cannot sign with a {type(key).__name__}.")


@lru_cache(maxsize=8)
def _throwaway(kind: str) -> CertificateIssuerPrivateKeyTypes:
    """A key in memory that nobody trusts; RSA is short because only its algorithm matters."""
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - throwaway
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP384R1() if kind == "secp384r1" else ec.SECP256R1())


def _length(count: int) -> bytes:
    """Return `count` as a DER length (X.690 8.1.3)."""
    if count < 0x80:  # noqa: PLR2004 - the short form
        return bytes([count])
    octets = count.to_bytes((count.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets
