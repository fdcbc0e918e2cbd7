"""What another CA hands over, read leniently: PEM and DER, certificates and CRLs. Pure.

Certificates that we would never issue are read all the same: short keys, old hashes, odd names.
What cannot be read at all is Invalid, with a sentence.
"""

import base64
import binascii
import hashlib
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from ca import holders, keys
from core import der, serials
from core.errors import Invalid
from core.reasons import Reason

_BEGIN, _END, _DASHES = b"-----BEGIN ", b"-----END ", b"-----"
_MOST_SUBSCRIBER = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One piece of a file: its PEM label (empty for bare DER), its DER, and where it begins."""

    label: str
    content: bytes
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A certificate that another CA issued; `key` is the SHA-256 of its SPKI."""

    serial: int
    content: bytes
    tbs: bytes
    key: bytes
    subscriber: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What a CRL or a ledger says of a serial that is not good."""

    since: datetime
    reason: Reason
    invalidity_date: datetime | None = None


def pem_blocks(lines: Iterable[bytes]) -> Iterator[Block]:
    """Yield the PEM blocks of a text, whatever stands between them; one at a time in memory.

    A block whose base64 is damaged, or that never ends, comes with empty content.
    """
    label, begun, parts = "", 0, [b""]
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text.startswith(_BEGIN):
            if label:
                yield Block(label=label, content=b"", where=f"line {begun}")
            label = text.removeprefix(_BEGIN).removesuffix(_DASHES).decode("ascii", "replace")
            begun, parts = number, []
        elif text.startswith(_END) and label:
            yield Block(label=label, content=_decoded(parts), where=f"line {begun}")
            label = ""
        elif label:
            parts.append(text)
    if label:
        yield Block(label=label, content=b"", where=f"line {begun}")


def der_blocks(content: bytes | memoryview) -> Iterator[Block]:
    """Yield the DER elements that stand behind one another; the last one may be damaged."""
    at = 0
    while at < len(content):
        end = _end(content, at)
        yield Block(label="", content=bytes(content[at:end]), where=f"octet {at}")
        at = end


def is_crl(block: Block) -> bool:
    """Whether a block is a CRL: a certificate's first part begins with a version or a serial."""
    if block.label:
        return block.label == "X509 CRL"
    try:
        x509.load_der_x509_crl(block.content)
    except ValueError:
        return False
    return True


def read_certificate(content: bytes) -> Foreign:
    """Return the certificate in `content`; raises Invalid when it cannot be kept."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # oddities are why this module exists
            found = x509.load_der_x509_certificate(content)
            serial = found.serial_number
            made = Foreign(
                serial=serial,
                content=content,
                tbs=found.tbs_certificate_bytes,
                key=_key(found),
                subscriber=_subscriber(found),
                not_before=found.not_valid_before_utc,
                not_after=found.not_valid_after_utc,
            )
    except (ValueError, TypeError, OverflowError, x509.InvalidVersion) as error:
        raise Invalid(f"The certificate cannot be read: {error}.") from error
    if serial <= 0 or len(serials.to_bytes(serial)) > serials.MOST_BYTES:
        raise Invalid(
            f"The serial {serial:X} is not a positive number of at most {serials.MOST_BYTES} "
            "octets."
        )
    return made


def is_issued_by(content: bytes, issuer: x509.Certificate) -> bool:
    """Whether the certificate names `issuer` and is signed by its key."""
    try:
        x509.load_der_x509_certificate(content).verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def read_crl(
    content: bytes, issuer: x509.Certificate
) -> tuple[int, x509.CertificateRevocationList]:
    """Return a whole CRL of `issuer` with its number; raises Invalid for any other."""
    try:
        crl = x509.load_der_x509_crl(content)
        names = {each.oid for each in crl.extensions}
        signed = crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type] # CA keys only
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Invalid(f"The CRL cannot be read: {error}.") from error
    if crl.issuer != issuer.subject or not signed:
        raise Invalid("The CRL is not signed by the issuer that is taken over.")
    if {x509.DeltaCRLIndicator.oid, x509.IssuingDistributionPoint.oid} & names:
        raise Invalid("The CRL is a delta or tells of a part only; give the whole one.")
    if x509.CRLNumber.oid not in names:
        raise Invalid("The CRL has no number (RFC 5280 5.2.3), so that none can follow it.")
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number, crl


def listed(crl: x509.CertificateRevocationList) -> Iterator[tuple[int, Listed]]:
    """Yield the entries of a CRL: serial and what is said of it."""
    for each in crl:
        reason, invalidity = Reason.UNSPECIFIED, None
        for extension in each.extensions:
            if isinstance(extension.value, x509.CRLReason):
                reason = _reason(extension.value)
            elif isinstance(extension.value, x509.InvalidityDate):
                invalidity = extension.value.invalidity_date_utc
        yield (
            each.serial_number,
            Listed(since=each.revocation_date_utc, reason=reason, invalidity_date=invalidity),
        )


def _reason(said: x509.CRLReason) -> Reason:
    """Return the reason; removeFromCRL has no place in a whole CRL, and what is listed is bad."""
    reason = Reason(said.reason.value)
    return Reason.UNSPECIFIED if reason is Reason.REMOVE_FROM_CRL else reason


def _decoded(parts: list[bytes]) -> bytes:
    """Return the octets of a block; headers of old PEM forms (RFC 1421) make it damaged."""
    try:
        return base64.b64decode(b"".join(parts), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _end(content: bytes | memoryview, at: int) -> int:
    """Return where the SEQUENCE at `at` ends; what is none, or has no length, is all the rest."""
    head = bytes(content[at : at + 6])
    short, most = 0x80, 0x84
    if len(head) < 2 or head[0] != der.SEQUENCE or head[1] == short or head[1] > most:  # noqa: PLR2004 - identifier, length
        return len(content)
    length, size = head[1], 2
    if length > short:
        octets = length - short
        length, size = int.from_bytes(head[2 : 2 + octets], "big"), 2 + octets
    return min(len(content), at + size + length)


def _key(found: x509.Certificate) -> bytes:
    """Return the key's hash; of a key that the library does not know, that of its octets."""
    try:
        return keys.spki_sha256(found.public_key())
    except (ValueError, UnsupportedAlgorithm):
        *_, spki = (
            part for tag, part in der.children(found.tbs_certificate_bytes) if tag == der.SEQUENCE
        )
        return hashlib.sha256(spki).digest()


def _subscriber(found: x509.Certificate) -> str:
    """Return under which name the holder is kept: the tax code, else a hash of the subject."""
    try:
        code = holders.read(found.subject).tax_code
        octets = found.subject.public_bytes()
    except ValueError:
        code, octets = None, found.tbs_certificate_bytes
    name = f"MST:{code}" if code else f"taken-{hashlib.sha256(octets).hexdigest()[:32]}"
    return name[:_MOST_SUBSCRIBER]
