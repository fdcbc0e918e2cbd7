"""Parsers of what other CAs hand over: whatever comes, an answer or a sentence, never a crash."""

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from ca import foreign, ledgers, takeover
from ca.gathered import Gathered
from ca.ledgers import Line
from core import der
from core.errors import Invalid
from core.reasons import Reason
from tests.support import authority

REAL = sorted((Path(__file__).parents[1] / "data" / "certificates").glob("*.pem"))
KEY = ec.generate_private_key(ec.SECP256R1())
NOW = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("path", REAL, ids=lambda each: each.stem)
def test_real_certificates_are_read(path: Path) -> None:
    """Real certificates of Vietnamese CAs are read as they are, PEM and DER."""
    (block,) = foreign.pem_blocks(path.read_bytes().splitlines(keepends=True))
    read = foreign.read_certificate(block.content)
    own = x509.load_pem_x509_certificate(path.read_bytes())
    assert (read.serial, read.tbs) == (own.serial_number, own.tbs_certificate_bytes)
    (again,) = foreign.der_blocks(block.content)
    assert again.content == block.content


@given(st.binary(max_size=400))
def test_any_octets_are_survived(octets: bytes) -> None:
    """Any octets give blocks or none, and every block a certificate or a sentence."""
    for block in [*foreign.der_blocks(octets), *foreign.pem_blocks(octets.splitlines())]:
        foreign.is_crl(block)
        with contextlib.suppress(Invalid):
            foreign.read_certificate(block.content)
    assert b"".join(each.content for each in foreign.der_blocks(octets)) == octets


@given(st.integers(min_value=0, max_value=2000), st.integers(min_value=0, max_value=255))
def test_damaged_certificates_are_survived(place: int, octet: int) -> None:
    """One changed octet anywhere in a real certificate never crashes the reader."""
    (block,) = foreign.pem_blocks(REAL[0].read_bytes().splitlines())
    damaged = bytearray(block.content)
    damaged[place % len(damaged)] = octet
    with contextlib.suppress(Invalid):
        foreign.read_certificate(bytes(damaged))


@given(st.text(max_size=200))
def test_any_book_is_survived(text: str) -> None:
    """Any text as index.txt or CSV gives lines or sentences."""
    for each in ledgers.index_lines([text]):
        assert isinstance(each, Line | Invalid)
    with contextlib.suppress(Invalid):
        for each in ledgers.csv_rows(["serial,status,since,reason", text.replace("\n", " ")]):
            assert isinstance(each, Line | Invalid)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("R\t260101000000Z\t250101000000Z\t0A\tunknown\t/CN=x", "unspecified"),
        ("R\t260101000000Z\t250101000000Z,CACompromise\t0A\tunknown\t/CN=x", "cACompromise"),
        (
            "R\t20600101000000Z\t250101000000Z,keyTime,20240101000000Z\t0A\tx\t/CN=x",
            "keyCompromise",
        ),
        ("R\t260101000000Z\t250101000000Z,holdInstruction,1.2.3\t0A\tx\t/CN=x", "certificateHold"),
    ],
)
def test_index_lines_of_openssl(line: str, reason: str) -> None:
    """Each form in which openssl writes a revocation is understood."""
    (read,) = ledgers.index_lines([line])
    assert isinstance(read, Line)
    assert read.listed is not None
    assert read.listed.reason is Reason(reason)
    assert (read.listed.invalidity_date is not None) == ("keyTime" in line)


def _crl(builder: x509.CertificateRevocationListBuilder) -> bytes:
    named = builder.issuer_name(authority.name("Former"))
    dated = named.last_update(NOW).next_update(NOW + timedelta(days=1))
    return dated.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def _issuer() -> x509.Certificate:
    builder = x509.CertificateBuilder().serial_number(1).public_key(KEY.public_key())
    named = builder.subject_name(authority.name("Former")).issuer_name(authority.name("Former"))
    dated = named.not_valid_before(NOW).not_valid_after(NOW + timedelta(days=9))
    return dated.sign(KEY, hashes.SHA256())


def test_partial_lists_are_refused(tmp_path: Path) -> None:
    """A delta, one without a number, or another CA's CRL is not taken for the whole list."""
    plain = x509.CertificateRevocationListBuilder()
    numbered = plain.add_extension(x509.CRLNumber(5), critical=False)
    delta = numbered.add_extension(x509.DeltaCRLIndicator(4), critical=True)
    found = Gathered(tmp_path / "gathered.db")
    for number, each in enumerate((_crl(plain), _crl(delta), REAL[0].read_bytes())):
        (tmp_path / f"{number}.crl").write_bytes(each)
    takeover.gather(sorted(tmp_path.glob("*.crl")), _issuer(), found)
    assert found.crl is None
    assert found.kinds() == {"no_crl": 1, "unparsable": 2, "wrong_issuer": 1}
    (tmp_path / "whole.crl").write_bytes(_crl(numbered))
    takeover.gather([tmp_path / "whole.crl"], _issuer(), found)
    assert found.number == 5
    found.close()


def test_entry_that_cannot_be_kept_gives_up_the_list(tmp_path: Path) -> None:
    """A CRL of which one entry cannot be kept is not taken at all: no entry is lost unseen."""
    first = x509.RevokedCertificateBuilder().serial_number(7).revocation_date(NOW).build()
    whole = _crl(
        x509.CertificateRevocationListBuilder()
        .add_extension(x509.CRLNumber(5), critical=False)
        .add_revoked_certificate(first)
    )
    found = Gathered(tmp_path / "gathered.db")
    own = x509.load_der_x509_crl(whole)
    tbs = own.tbs_certlist_bytes.replace(b"\x02\x01\x07\x17", b"\x02\x01\x00\x17")
    signature = KEY.sign(tbs, ec.ECDSA(hashes.SHA256()))
    algorithm = der.sequence(der.oid("1.2.840.10045.4.3.2"))
    (tmp_path / "odd.crl").write_bytes(der.sequence(tbs, algorithm, der.bit_string(signature)))
    takeover.gather([tmp_path / "odd.crl"], _issuer(), found)
    assert found.crl is None
    assert found.kinds() == {"no_crl": 1, "unparsable": 1}
    found.close()
