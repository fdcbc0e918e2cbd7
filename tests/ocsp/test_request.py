"""The parser of OCSP requests: what clients send is read, everything else is refused."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.ocsp import OCSPRequestBuilder

from core import der
from ocsp import reader
from ocsp.request import Malformed, parse
from tests.support.hostile import GOOD, HOSTILE, KEY, NAME, UNKNOWN, cert_id, raw, raw_id
from tests.support.relying import nonce_extension, request


def test_reads_what_asn1crypto_writes() -> None:
    """A request with one CertID is read field by field, and its CertID is kept as sent."""
    asked = cert_id(0x00FF1234)
    (found,) = parse(request(asked)).cert_ids
    assert (found.der, found.serial) == (asked.dump(), 0xFF1234)
    assert (found.name_hash, found.key_hash) == (NAME, KEY)
    assert found.hash_oid == der.oid("1.3.14.3.2.26")[2:]


@pytest.mark.parametrize(
    "algorithm", [hashes.SHA1(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()]
)
def test_reads_what_cryptography_writes(algorithm: hashes.HashAlgorithm) -> None:
    """A request made by `cryptography` is read, for every hash that it offers, with its nonce."""
    size = algorithm.digest_size
    builder = OCSPRequestBuilder().add_certificate_by_hash(b"n" * size, b"k" * size, 7, algorithm)
    builder = builder.add_extension(x509.OCSPNonce(b"0123456789abcdef"), critical=False)
    found = parse(builder.build().public_bytes(Encoding.DER))
    assert found.cert_ids[0].serial == 7
    assert found.nonce == b"\x04\x100123456789abcdef"


def test_reads_several_cert_ids() -> None:
    """Every CertID of a request is read, in order."""
    found = parse(request(cert_id(1), cert_id(2), cert_id(3)))
    assert [each.serial for each in found.cert_ids] == [1, 2, 3]


def test_default_version_may_be_written_out() -> None:
    """The DEFAULT version, which Botan writes out against DER, is accepted."""
    version = der.element(0xA0, der.element(der.INTEGER, b"\x00"))
    assert parse(raw(before=version)).cert_ids


def test_hash_parameters_may_be_absent() -> None:
    """Hash parameters may be NULL or absent."""
    absent = der.element(der.SEQUENCE, der.oid("1.3.14.3.2.26"))
    assert parse(raw(about=raw_id(b"\x01", absent))).cert_ids[0].serial == 1


def test_unsigned_request_may_name_its_requestor() -> None:
    """An unsigned request with a requestorName is handled as one without (RFC 6960 4.1.2)."""
    name = der.element(0xA1, der.element(0x82, b"example.vn"))
    assert parse(raw(before=name)).signature is None


def test_signed_request_is_read() -> None:
    """A signed request gives its signature, algorithm, certificates and what was signed."""
    name = der.element(0xA1, der.element(0x82, b"example.vn"))
    unsigned = raw(before=name)
    tbs = reader.Reader(unsigned).contents(der.SEQUENCE)
    algorithm = der.element(der.SEQUENCE, der.oid("1.2.840.10045.4.3.2"))
    certificate = der.element(der.SEQUENCE, b"\x05\x00")
    signature = der.element(
        der.SEQUENCE,
        algorithm,
        der.element(der.BIT_STRING, b"\x00abc"),
        der.element(0xA0, der.element(der.SEQUENCE, certificate)),
    )
    found = parse(der.element(der.SEQUENCE, tbs, der.element(0xA0, signature))).signature
    assert found is not None
    assert (found.tbs, found.algorithm, found.value) == (tbs, algorithm, b"abc")
    assert found.certificates == (certificate,)


def test_signed_request_names_its_requestor() -> None:
    """A signature without a requestorName is refused (RFC 6960 4.1.2)."""
    tbs = reader.Reader(raw()).contents(der.SEQUENCE)
    algorithm = der.element(der.SEQUENCE, der.oid("1.2.840.10045.4.3.2"))
    signature = der.element(der.SEQUENCE, algorithm, der.element(der.BIT_STRING, b"\x00abc"))
    with pytest.raises(Malformed, match="requestor"):
        parse(der.element(der.SEQUENCE, tbs, der.element(0xA0, signature)))


@pytest.mark.parametrize("length", [1, 15, 16, 32, 33, 127, 128])
def test_nonce_lengths(length: int) -> None:
    """A nonce of 1 to 128 octets is kept as it was sent (RFC 9654 2.1)."""
    extension = nonce_extension(b"\x5a" * length)
    assert parse(request(cert_id(), extensions=[extension])).nonce == extension[2]


@pytest.mark.parametrize("length", [0, 129, 1000])
def test_nonce_of_wrong_length(length: int) -> None:
    """An empty nonce and one of more than 128 octets are refused (RFC 9654 2.1)."""
    with pytest.raises(Malformed, match=f"nonce has {length} octets"):
        parse(request(cert_id(), extensions=[nonce_extension(b"\x5a" * length)]))


def test_raw_nonce_is_kept() -> None:
    """A nonce without its inner OCTET STRING, as old clients send it, is kept as sent."""
    value = der.element(der.OCTET_STRING, b"\x99" * 16)
    extension = der.element(der.SEQUENCE, der.oid("1.3.6.1.5.5.7.48.1.2"), value)
    after = der.element(0xA2, der.element(der.SEQUENCE, extension))
    assert parse(raw(after=after)).nonce == b"\x99" * 16


def test_nonce_twice() -> None:
    """One extension twice is refused."""
    with pytest.raises(Malformed, match="twice"):
        parse(
            request(cert_id(), extensions=[nonce_extension(b"a" * 16), nonce_extension(b"b" * 16)])
        )


def test_unknown_extensions() -> None:
    """An unknown extension is ignored, unless it is critical."""
    assert parse(request(cert_id(), extensions=[(UNKNOWN, False, b"\x05\x00")])).nonce is None
    with pytest.raises(Malformed, match="critical"):
        parse(request(cert_id(), extensions=[(UNKNOWN, True, b"\x05\x00")]))


@pytest.mark.parametrize(
    ("number", "value"), [(2, b"\x04\x01x"), (4, b"\x30\x00"), (7, b"\x30\x00"), (8, b"\x30\x00")]
)
def test_understood_extensions_may_be_critical(number: int, value: bytes) -> None:
    """The extensions of RFC 6960 4.4 are understood even when they are marked critical."""
    extension = (f"1.3.6.1.5.5.7.48.1.{number}", True, value)
    assert parse(request(cert_id(), extensions=[extension])).cert_ids


@pytest.mark.parametrize("serial", [b"\x00", b"\xff", b"\x80" + b"\x01" * 19, b"\x7f" * 20])
def test_odd_serials_are_questions(serial: bytes) -> None:
    """Zero, negative and very large serials are read: they are legal questions about nothing."""
    found = parse(raw(about=raw_id(serial))).cert_ids[0]
    assert found.serial == int.from_bytes(serial, "big", signed=True)


@pytest.mark.parametrize(
    "serial", [b"", b"\x00\x01", b"\xff\x80", b"\x01" * 21, b"\x01" * 4000], ids=len
)
def test_bad_serials(serial: bytes) -> None:
    """Empty, padded and overlong serials are refused."""
    with pytest.raises(Malformed, match="serial"):
        parse(raw(about=raw_id(serial)))


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile(data: bytes) -> None:
    """What is no OCSP request is refused with a sentence."""
    with pytest.raises(Malformed, match=r"^The OCSP request is not well-formed: .*\.$"):
        parse(data)


def test_every_truncation_is_refused() -> None:
    """A request cut off anywhere is refused."""
    for length in range(len(GOOD)):
        with pytest.raises(Malformed):
            parse(GOOD[:length])
