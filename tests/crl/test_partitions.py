"""Partitions: critical IDP, nothing missing, and what openssl makes of them."""

from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from ca.model import Certificate
from core.errors import Invalid, Refused
from core.reasons import Reason
from crl import entries, partitions, reading
from crl.model import Kind, Settings
from tests.crl.judges import agree
from tests.crl.stage import URL, Stage, verify

COUNT = 4
SETTINGS = Settings(url=URL, partitions=COUNT, deltas=True)


def _carrying_partition(stage: Stage, certificate: Certificate, partition: int) -> bytes:
    """The certificate as it would be issued under a profile whose CDP names the partition."""
    assert certificate.der
    old = x509.load_der_x509_certificate(certificate.der)
    point = x509.DistributionPoint(
        [x509.UniformResourceIdentifier(f"{URL}/issuing/{partition}.crl")], None, None, None
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(old.public_key())
        .serial_number(old.serial_number)
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(old.not_valid_after_utc)
        .add_extension(x509.CRLDistributionPoints([point]), critical=False)
    )
    return builder.sign(stage.key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_partitions(stage: Stage) -> None:
    """Each certificate is on its own partition and on the plain full CRL, which has no IDP."""
    stage.settings = SETTINGS
    revoked = [stage.issue() for _ in range(12)]
    for each in revoked:
        stage.revoke(each)
    good = stage.issue()
    stage.publish()
    whole = agree(stage)
    assert set(whole) == {each.serial for each in revoked}
    assert reading.outline(stage.path().read_bytes()).heading.distribution_point is None
    listed: dict[int, str] = {}
    for partition in range(1, COUNT + 1):
        name = f"issuing/{partition}.crl"
        found = agree(stage, name)
        assert {partitions.partition_of(serial, COUNT) for serial in found} <= {partition}
        outline = reading.outline(stage.path(name).read_bytes())
        assert outline.heading.distribution_point == f"{URL}/{name}"
        assert outline.critical == {b"\x55\x1d\x1c"}
        listed |= found
    assert listed == whole
    for each in (revoked[0], good):
        own = partitions.partition_of(each.serial, COUNT)
        der = _carrying_partition(stage, each, own)
        said = verify(stage, der, f"issuing/{own}.crl")
        assert ("OK" if each is good else "revoked") in said
        other = own % COUNT + 1
        assert "different CRL scope" in verify(stage, der, f"issuing/{other}.crl")


def test_delta_of_partition(stage: Stage) -> None:
    """The delta of a partition has the scope of its base, octet for octet (5.2.4)."""
    stage.settings = SETTINGS
    certificate = stage.issue()
    stage.publish()
    stage.pass_time()
    stage.suspend(certificate)
    stage.publish(kind=Kind.DELTA)
    own = partitions.partition_of(certificate.serial, COUNT)
    assert agree(stage, f"issuing/{own}-delta.crl") == {certificate.serial: "certificateHold"}
    base, delta = (
        reading.outline(stage.path(f"issuing/{own}{kind}.crl").read_bytes())
        for kind in ("", "-delta")
    )
    assert base.heading.distribution_point == delta.heading.distribution_point
    assert delta.critical == {b"\x55\x1d\x1b", b"\x55\x1d\x1c"}
    der = _carrying_partition(stage, certificate, own)
    options = ("-crl_check", "-extended_crl", "-use_deltas")
    crls = (f"issuing/{own}.crl", f"issuing/{own}-delta.crl")
    assert "revoked" in verify(stage, der, *crls, options=options)


def test_count_is_fixed(stage: Stage) -> None:
    """The count of partitions cannot change once certificates carry it."""
    stage.settings = SETTINGS
    stage.publish()
    stage.pass_time()
    with pytest.raises(Refused, match="4 partitions, not 5"):
        stage.publish(settings=Settings(url=URL, partitions=5, deltas=True))


def test_every_round_covers_all(both: Stage) -> None:
    """Every full publication makes every partition anew, with one number and moment."""
    both.settings = SETTINGS
    both.publish()
    both.pass_time(timedelta(hours=1))
    made = both.publish()
    fulls = [crl for crl in made.crls if crl.kind is Kind.FULL]
    assert [crl.partition for crl in fulls] == list(range(COUNT + 1))
    assert {(crl.number, crl.this_update) for crl in made.crls} == {(2, fulls[0].this_update)}


@given(st.sets(st.integers(min_value=1, max_value=2**159 - 1)), st.integers(1, 50))
def test_split_loses_nothing(serials: set[int], count: int) -> None:
    """Every entry is in exactly one partition, and each partition is sorted."""
    since = datetime(2024, 3, 1, tzinfo=UTC)
    lines = [entries.line(serial, since, Reason.SUPERSEDED) for serial in sorted(serials)]
    parts = partitions.split(lines, count)
    assert sum(part.count for part in parts) == len(lines)
    found = [list(reading.lines(part.content)) for part in parts]
    assert sorted(chain.from_iterable(found), key=reading.serial_order) == lines
    assert all(part == sorted(part, key=reading.serial_order) for part in found)


def test_settings_are_checked() -> None:
    """Partitions without an address, or more than can be, are refused."""
    with pytest.raises(Invalid, match="address"):
        Settings(partitions=2)
    with pytest.raises(Invalid, match="between"):
        Settings(url=URL, partitions=1_000_000)
