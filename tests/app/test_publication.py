"""Publication by configuration: partitions, deltas, the instance's own profiles, a bucket."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app import create, worker
from app.ceremony import Conductor
from app.instance import CRL_FOLDER
from app.wiring import PROFILES_FILE, Works
from ca import records
from ca.issuers import partition_of
from ca.model import Certificate
from core.clock import SetClock
from core.errors import Invalid
from crl.bucket import Bucket
from hsm.mechanisms import KeyKind
from policy import enrol, orders
from policy.model import Party, Request, SubscriberKind, Wanted
from policy.register import Subscriber
from tests.support.dossiers import TEXT
from tests.support.office import key_request, person

PLAN = create.Plan(
    root_kind=KeyKind.P_256, issuing_kind=KeyKind.P_256, rulebooks={"lcs-2024.toml": TEXT}
)
PARTITIONS = 4
TABLE = f"""
[crl]
partitions = {PARTITIONS}
deltas = true
settle_seconds = 0
"""
# The shipped profile, with the partition and the delta in place of the full CRL.
OWN_PROFILE = """
[organisation]
kind = "subscriber"
most_years = 5
key_usage = ["digital_signature", "content_commitment"]
extended_key_usage = ["1.3.6.1.5.5.7.3.4"]
policies = ["1.3.6.1.4.1.32473.1.1"]
suspendable = true
crl = "partition"
freshest_crl = true
"""


@pytest.fixture
def works(tmp_path: Path, clock: SetClock, sqlite_template: Path) -> Iterator[Works]:
    """An instance whose ceremony was held under its own configuration and profiles."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(sqlite_template, home / "antin.db")
    prepared = create.prepare(home, PLAN, clock=clock)
    prepared.db.dispose()
    prepared.instance.keyring.close()
    with (home / "antin.toml").open("a") as configuration:
        configuration.write(TABLE)
    (home / PROFILES_FILE).write_text(OWN_PROFILE)
    made = Works(home, clock=clock)
    Conductor(made, create.script(PLAN), lambda _sentence: None).run()
    yield made
    made.instance.keyring.close()
    made.db.dispose()


def issue(works: Works) -> Certificate:
    """Issue to a new organisation."""
    new = Subscriber(
        id="KH00001", kind=SubscriberKind.ORGANISATION, tax_code="9900000001",
        organisation="CÔNG TY PHÚ QUÝ", short_name="", province="Hà Nội", reseller="",
        personal=person("KH00001"), registered_at=works.clock.now(),
    )  # fmt: skip
    enrol.enter(works.office("operator:lan"), new)
    return enrol.enrol(works.desk("operator:lan"), "KH00001", key_request(), years=1)


def addresses(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> list[str]:
    """Return the addresses of an extension that points at CRLs."""
    points = certificate.extensions.get_extension_for_class(kind).value
    return [point.full_name[0].value for point in points]  # type: ignore[attr-defined] # both have points


def test_certificate_points_at_what_is_published(
    works: Works, clock: SetClock, tmp_path: Path
) -> None:
    """The certificate names its partition and delta; openssl finds the hold by that CRL."""
    issued = issue(works)
    certificate = x509.load_der_x509_certificate(issued.der or b"")
    number = partition_of(issued.serial, PARTITIONS)
    base = f"http://127.0.0.1:8080/crl/issuing/{number}"
    assert addresses(certificate, x509.CRLDistributionPoints) == [f"{base}.crl"]
    assert addresses(certificate, x509.FreshestCRL) == [f"{base}-delta.crl"]
    request = Request(by=Party.AUTHORITY, ground="authority_order", reference="QĐ-1")
    orders.ask(works.office("operator:lan"), issued.serial, Wanted.SUSPEND, request)
    clock.move_to(clock.now().replace(hour=23))
    assert worker.once(works) == []
    folder = works.instance.home / CRL_FOLDER
    shown = folder / "issuing" / f"{number}.crl"
    listed = x509.load_der_x509_crl(shown.read_bytes())
    assert listed.get_revoked_certificate_by_serial_number(issued.serial) is not None
    others = {n for n in range(1, PARTITIONS + 1) if n != number}
    for other in others:
        foreign = x509.load_der_x509_crl((folder / "issuing" / f"{other}.crl").read_bytes())
        assert foreign.get_revoked_certificate_by_serial_number(issued.serial) is None
    assert "revoked" in _judged(works, certificate, shown, tmp_path)


def _judged(works: Works, certificate: x509.Certificate, crl: Path, folder: Path) -> str:
    """What openssl says of the certificate with that CRL alone."""
    with works.db.read() as tx:
        root, issuing = (x509.load_der_x509_certificate(e.der) for e in records.issuers(tx))
    for name, each in (("root", root), ("issuing", issuing), ("leaf", certificate)):
        (folder / f"{name}.pem").write_bytes(each.public_bytes(Encoding.PEM))
    at = str(int(works.clock.now().timestamp()))
    list_ = folder / "crl.pem"
    list_.write_bytes(x509.load_der_x509_crl(crl.read_bytes()).public_bytes(Encoding.PEM))
    done = subprocess.run(
        ["openssl", "verify", "-attime", at, "-CAfile", folder / "root.pem", "-untrusted",
         folder / "issuing.pem", "-crl_check", "-extended_crl", "-CRLfile", list_,
         folder / "leaf.pem"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_profile_beyond_what_is_published(works: Works, clock: SetClock) -> None:
    """A profile that names partitions where none are published issues nothing."""
    path = works.instance.home / "antin.toml"
    path.write_text(path.read_text().replace(f"partitions = {PARTITIONS}", "partitions = 0"))
    again = Works(works.instance.home, clock=clock)
    with pytest.raises(Invalid, match="none are published"):
        issue(again)
    again.instance.keyring.close()
    again.db.dispose()


def test_wrong_profile_is_refused(works: Works, clock: SetClock) -> None:
    """An instance's profile that contradicts itself is refused with its name."""
    (works.instance.home / PROFILES_FILE).write_text(OWN_PROFILE.replace("digital_s", "crl_s"))
    again = Works(works.instance.home, clock=clock)
    with pytest.raises(Invalid, match="'organisation' is refused"):
        _ = again.profiles


def test_bucket_beside_the_folder(works: Works, clock: SetClock) -> None:
    """A bucket in the configuration is one more target; nothing is sent before there is a CRL."""
    path = works.instance.home / "antin.toml"
    path.write_text(path.read_text() + 'bucket = { name = "crls", endpoint = "http://[::1]:1" }\n')
    folder, bucket = Works(works.instance.home, clock=clock).instance.crl_targets
    assert folder.name == "directory"
    assert isinstance(bucket, Bucket)
