"""DER written and read, entries split and compared: promises that hold for every input."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from core import der
from core.errors import Invalid
from core.reasons import FINAL_REASONS, Reason
from crl import build, compressed, diff, elements, entries, reading
from crl.authority import subject_of
from crl.model import Heading
from tests.crl.stage import Stage

AT = datetime(2024, 3, 1, 2, 3, 4, tzinfo=UTC)
SERIALS = st.integers(min_value=1, max_value=2**159 - 1)
INSTANTS = st.datetimes(
    min_value=datetime(1950, 1, 1),  # noqa: DTZ001 - the zone is the next argument
    max_value=datetime(2150, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda instant: instant.replace(microsecond=0))
REASONS = st.sampled_from(sorted(FINAL_REASONS | {Reason.CERTIFICATE_HOLD}))
LINES = st.lists(
    st.tuples(SERIALS, INSTANTS, REASONS, st.none() | INSTANTS), unique_by=lambda t: t[0]
)


def _sorted_lines(values: list[tuple[int, datetime, Reason, datetime | None]]) -> list[bytes]:
    return [entries.line(*each) for each in sorted(values)]


@given(LINES)
def test_cryptography_reads_what_we_write(
    values: list[tuple[int, datetime, Reason, datetime | None]],
) -> None:
    """Whatever entries are written, `cryptography` reads the same serials, dates and reasons."""
    heading = Heading(
        issuer=x509.Name([]).public_bytes(), key_id=b"\1" * 20, number=1,
        this_update=AT, next_update=AT + timedelta(1),
    )  # fmt: skip
    algorithm = der.sequence(bytes.fromhex("06082a8648ce3d040302"))
    region = b"".join(_sorted_lines(values))
    data = build.assemble(build.to_be_signed(heading, algorithm, region), algorithm, b"\0")
    read = x509.load_der_x509_crl(data)
    told = [(each.serial_number, each.revocation_date_utc) for each in read]
    assert told == [(serial, since) for serial, since, _reason, _date in sorted(values)]
    for each, (_serial, _since, reason, invalidity) in zip(read, sorted(values), strict=True):
        said = {type(one.value): one.value for one in each.extensions}
        code = said.get(x509.CRLReason)
        assert (code.reason if code else x509.ReasonFlags.unspecified) == reason.flag
        date = said.get(x509.InvalidityDate)
        assert (date.invalidity_date_utc if date else None) == invalidity
    outline = reading.outline(data)
    assert outline.heading == heading
    assert list(reading.lines(data[outline.entries])) == _sorted_lines(values)


@given(LINES, LINES)
def test_compare_and_combine(
    first: list[tuple[int, datetime, Reason, datetime | None]],
    second: list[tuple[int, datetime, Reason, datetime | None]],
) -> None:
    """The difference of two lists, written as a delta, turns the first into the second."""
    before, after = _sorted_lines(first), _sorted_lines(second)
    found = diff.compare(before, after)
    old, new = ({reading.serial_octets(line): line for line in each} for each in (before, after))
    assert set(found.removed.values()) == {old[key] for key in old.keys() - new.keys()}
    assert set(found.added.values()) == {new[key] for key in new.keys() - old.keys()}
    assert len(found.changed) == sum(old[key] != new[key] for key in old.keys() & new.keys())
    assert not found.disorder
    delta = [
        *(entries.line(serial, AT, Reason.REMOVE_FROM_CRL) for serial in found.removed),
        *found.added.values(),
        *(line for _old, line in found.changed.values()),
    ]
    assert list(diff.combine(before, sorted(delta, key=reading.serial_order))) == after


@given(st.binary(max_size=300))
def test_hostile_bytes(data: bytes) -> None:
    """Whatever is read as a CRL is one, or is refused in a sentence."""
    for read in (reading.outline, reading.times, lambda given: list(reading.lines(given))):
        try:
            read(data)
        except Invalid as error:
            assert str(error).endswith(".")  # noqa: PT017 - either outcome will do


@given(st.data())
def test_flipped_octets(made: tuple[bytes, bytes], data: st.DataObject) -> None:
    """A CRL with one octet changed is refused, or still has an outline: never another error."""
    whole = bytearray(made[0])
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    try:
        outline = reading.outline(bytes(whole))
        list(reading.lines(bytes(whole)[outline.entries]))
    except Invalid as error:
        assert str(error).endswith(".")  # noqa: PT017 - either outcome will do


@pytest.fixture(scope="module")
def made() -> tuple[bytes, bytes]:
    """A small CRL with every extension, and its entries."""
    heading = Heading(
        issuer=x509.Name([]).public_bytes(), key_id=b"\1" * 20, number=7, base_number=5,
        this_update=AT, next_update=AT + timedelta(1), expired_since=AT,
        distribution_point="http://a/b.crl", freshest="http://a/c.crl",
    )  # fmt: skip
    region = b"".join(entries.line(n, AT, Reason.SUPERSEDED, AT) for n in range(1, 5))
    algorithm = der.sequence(bytes.fromhex("06082a8648ce3d040302"))
    return build.assemble(build.to_be_signed(heading, algorithm, region), algorithm, b"1"), region


def test_cut_short(made: tuple[bytes, bytes]) -> None:
    """Every front part of a CRL is refused."""
    data, region = made
    for length in range(len(data)):
        with pytest.raises(Invalid):
            reading.outline(data[:length])
    with pytest.raises(Invalid):
        list(reading.lines(region[:-1]))
    assert reading.outline(memoryview(data)).heading.number == 7


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (datetime(2049, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "170d3439313233313233353935395a"),
        (datetime(2050, 1, 1, tzinfo=UTC), "180f32303530303130313030303030305a"),
        (datetime(1950, 1, 1, tzinfo=UTC), "170d3530303130313030303030305a"),
    ],
)
def test_times(instant: datetime, text: str) -> None:
    """UTCTime through 2049, GeneralizedTime from 2050, no fractions (RFC 5280 4.1.2.5)."""
    assert der.time(instant).hex() == text
    element = elements.read(der.time(instant))
    assert elements.read_time(der.time(instant), element) == instant.replace(microsecond=0)


@given(st.integers(min_value=0, max_value=2**160))
def test_integers(value: int) -> None:
    """An INTEGER is written in as few octets as can be, and read back."""
    raw = der.integer(value)
    assert elements.read_integer(raw, elements.read(raw)) == value
    assert len(raw) == 2 + value.bit_length() // 8 + 1


@pytest.mark.parametrize(
    "raw",
    ["", "30", "3080", "308100", "30817f", "30820001", "3085000000000001", "30ff", "3084ffffff"],
)
def test_lengths(raw: str) -> None:
    """Indefinite, padded, oversized and cut lengths are refused."""
    with pytest.raises(Invalid):
        elements.read(bytes.fromhex(raw))


def test_subject_octets(stage: Stage) -> None:
    """The CRL's issuer is the certificate's subject, octet for octet (RFC 5280 5.1.2.3)."""
    certificate = stage.issuer.issuer.der
    subject = subject_of(certificate)
    assert subject == x509.load_der_x509_certificate(certificate).subject.public_bytes()
    assert subject in certificate


def test_packed_tells_its_crl(made: tuple[bytes, bytes]) -> None:
    """A compressed copy names the CRL that it was made of in its first octets."""
    copy = compressed.pack(made[0])
    tag = reading.tag(made[0], made[0])
    assert compressed.tag_of(copy[: compressed.FRONT]) == tag
    assert compressed.tag_of(copy[: compressed.FRONT - 1]) is None
    assert compressed.tag_of(b"\x1f\x8b" + copy[2:].upper()) != tag
