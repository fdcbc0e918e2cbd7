"""Lint before signing: what the draft must be by RFC 5280 and by its profile. Pure and fast.

Every rule is a small function that yields findings; any finding stops the issuance. The draft is
read with the library's parser, not with the code that wrote it. A second program that shares no
code with this one re-checks what was issued (deploy/recheck.py).
"""

from collections.abc import Iterator
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from ca import keys, lint_extensions, names, signatures
from ca.draft import Draft
from ca.issuers import SigningIssuer
from ca.model import Finding
from ca.profiles import Profile, years_later
from ca.weakness import LEAST_RSA_BITS
from core import der, serials

_LEAST_SERIAL_BITS = 64
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
_ALGORITHM, _ISSUER, _SUBJECT = 2, 3, 5
_DIRECTORY_STRINGS = {der.UTF8_STRING, der.PRINTABLE_STRING}


def examine(draft: Draft, issuer: SigningIssuer | None) -> list[Finding]:
    """Return everything wrong with the draft under `issuer` (None: a self-signed root)."""
    sample, profile = draft.sample, draft.profile
    authority = sample if issuer is None else issuer.certificate
    parts = [part for _, part in der.children(sample.tbs_certificate_bytes)]
    key = sample.public_key()
    kind = keys.kind_of(key)
    return [
        *_form(sample, parts),
        *_validity(sample, authority, profile),
        *_names(parts, issuer),
        *_key(key, kind, profile),
        *lint_extensions.examine(
            draft,
            parts[-1],
            issuer,
            kind=kind,
            identifier=x509.SubjectKeyIdentifier.from_public_key(key).digest,
        ),
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


def _key(key: object, kind: str, profile: Profile) -> Iterator[Finding]:
    if kind not in profile.keys:
        yield Finding("profile", f"The profile does not certify {kind} keys.")
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < LEAST_RSA_BITS:
        yield Finding("BR 6.1.5", f"The RSA key has {key.key_size} bits.")
