"""A former CA, run by openssl, goes on here: every entry, the numbers, and nothing twice."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from app import takeover as taking
from ca import history, issuers, records, takeover
from ca.gathered import Gathered
from ca.history import Validity
from ca.inheriting import PROFILE, Outcome
from ca.issue import issue
from ca.model import HoldSource, Stage, Status
from core.clock import SetClock, SystemClock
from core.database import Database
from core.errors import NotFound, Refused
from core.reasons import Reason
from crl.model import Settings
from crl.publish import publish
from crl.takeover import continue_after
from crl.targets import Directory
from tests.support import authority
from tests.support.acts import Acts
from tests.support.crash import Crash, CrashingDatabase
from tests.support.former import Former, entries, text

DATA = Path(__file__).parents[1] / "data" / "certificates"
REAL = sorted(DATA.glob("*.pem"))


@pytest.fixture
def later() -> SetClock:
    """A clock a minute ahead of the machine's, behind all that the former CA did."""
    return SetClock(SystemClock().now() + timedelta(minutes=1))


@pytest.fixture
def found(tmp_path: Path) -> Iterator[Gathered]:
    """An empty scratch file."""
    opened = Gathered(tmp_path / "gathered.db")
    yield opened
    opened.close()


def _gather(former: Former, found: Gathered, *more: Path) -> Gathered:
    takeover.gather([*taking.files([former.folder]), *more], former.certificate, found)
    return found


def _apply(db: Database, clock: SetClock, former: Former, found: Gathered) -> Outcome:
    """Apply as `app.takeover` does."""
    with db.read() as tx:
        known = [each for each in records.issuers(tx) if each.name == "former"]
    if not known:
        with db.begin() as tx:
            records.add_issuer(
                tx,
                name="former",
                parent_id=None,
                der=former.certificate.public_bytes(Encoding.DER),
                not_before=former.certificate.not_valid_before_utc,
                not_after=former.certificate.not_valid_after_utc,
            )
    with db.read() as tx:
        issuer = records.issuer_named(tx, "former")
    continue_after(db, clock.now(), issuer="former", last=found.crl or b"", actor="operator:lan")
    return takeover.apply(db, clock.now(), issuer, found, actor="operator:lan")


def _publish(db: Database, clock: SetClock, former: Former, folder: Path) -> Path:
    publish(
        db,
        clock.now(),
        issuer="former",
        key=former.key,
        settings=Settings(),
        targets=[Directory(folder)],
    )
    return folder / "former.crl"


def test_our_crl_goes_on(
    db: Database, later: SetClock, former: Former, found: Gathered, tmp_path: Path
) -> None:
    """Our CRL has every entry of the former one, the same to the letter, and the next number."""
    outcome = _apply(db, later, former, _gather(former, found))
    assert (outcome.certificates, outcome.bare_serials) == (6, 0)
    assert set(found.kinds()) == {"ignored"}
    ours = text(_publish(db, later, former, tmp_path / "crl"), "DER")
    theirs = text(former.folder / "crl.pem", "PEM")
    assert len(entries(theirs)) == 3
    assert entries(ours) == entries(theirs)
    crl = x509.load_der_x509_crl((tmp_path / "crl" / "former.crl").read_bytes())
    number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    assert number == (found.number or 0) + 1 == 0x1235
    assert crl.is_signature_valid(former.key.public_key())


def test_history_is_taken_over(
    sqlite_db: Database, later: SetClock, former: Former, found: Gathered
) -> None:
    """Each certificate has its issue and its revocation or hold, at the instants that were told."""
    _apply(sqlite_db, later, former, _gather(former, found))
    crl = x509.load_pem_x509_crl((former.folder / "crl.pem").read_bytes())
    with sqlite_db.read() as tx:
        for each in crl:
            answer = history.status_at(tx, each.serial_number, later.now())
            assert answer.event is not None
            assert answer.event.at == each.revocation_date_utc
            before = each.revocation_date_utc - timedelta(seconds=1)
            assert history.status_at(tx, each.serial_number, before).validity in (
                Validity.GOOD,
                Validity.NOT_YET_VALID,
            )
        held = [each for each in records.of_profiles(tx, ["taken_over"]) if each.standing.holds]
    assert [each.standing.sources for each in held] == [{HoldSource.AUTHORITY}]


def test_life_goes_on_here(
    sqlite_db: Database, later: SetClock, former: Former, found: Gathered, tmp_path: Path
) -> None:
    """What was taken over is revoked and restored here like any other; our next CRL tells it."""
    _apply(sqlite_db, later, former, _gather(former, found))
    _publish(sqlite_db, later, former, tmp_path / "crl")
    later.move_to(later.now() + timedelta(minutes=1))
    with sqlite_db.read() as tx:
        taken = records.of_profiles(tx, [PROFILE])
    good = next(each for each in taken if each.standing.status is Status.GOOD)
    held = next(each for each in taken if each.standing.status is Status.HOLD)
    acts = Acts(sqlite_db, later)
    acts.revoke(good, Reason.CESSATION_OF_OPERATION)
    acts.restore(held, HoldSource.AUTHORITY)
    crl = x509.load_der_x509_crl(_publish(sqlite_db, later, former, tmp_path / "crl").read_bytes())
    listed = {each.serial_number for each in crl}
    assert good.serial in listed
    assert held.serial not in listed
    assert len(listed) == 3


def test_same_files_again_change_nothing(
    db: Database, later: SetClock, former: Former, found: Gathered, tmp_path: Path
) -> None:
    """What was interrupted goes on where it ended; what is whole is left as it is."""
    _gather(former, found)
    with pytest.raises(Crash):
        _apply(CrashingDatabase(db, 3, persisted=False), later, former, found)
    outcome = _apply(db, later, former, found)
    assert outcome.certificates == 6
    with db.read() as tx:
        events = len(records.all_events(tx))
    again = _apply(db, later, former, found)
    assert (again.certificates, again.changed, again.known) == (0, 0, 6)
    with db.read() as tx:
        assert len(records.all_events(tx)) == events
    _publish(db, later, former, tmp_path / "crl")
    with pytest.raises(Refused, match="published a CRL here already"):
        _apply(db, later, former, found)


def test_rehearsal_then_the_last_crl(
    db: Database, later: SetClock, former: Former, found: Gathered, tmp_path: Path
) -> None:
    """After a rehearsal the former CA went on; the last files bring what it did since."""
    _apply(db, later, former, _gather(former, found))
    (new,) = former.issue(1)
    held = next(each for each in x509.load_pem_x509_crl((former.crl()).read_bytes()))
    good = [path.stem for path in sorted((former.folder / "newcerts").glob("*.pem"))][4]
    former.revoke(new, "cessationOfOperation")
    former.revoke(good, "certificateHold")
    former.crl()
    second = Gathered(tmp_path / "second.db")
    later.move_to(later.now() + timedelta(hours=1))
    outcome = _apply(db, later, former, _gather(former, second))
    second.close()
    assert (outcome.certificates, outcome.changed) == (1, 1)
    ours = text(_publish(db, later, former, tmp_path / "crl"), "DER")
    assert entries(ours) == entries(text(former.folder / "crl.pem", "PEM"))
    assert f"{held.serial_number:04X}" in ours


def test_reconciliation_names_what_differs(
    sqlite_db: Database, later: SetClock, former: Former, found: Gathered, tmp_path: Path
) -> None:
    """Unknown, missing, duplicate, foreign and damaged: each is found, and no entry is lost."""
    certificates = sorted((former.folder / "newcerts").glob("*.pem"))
    certificates[0].unlink()  # revoked: its certificate is lost
    certificates[5].unlink()  # good: its certificate is lost
    index = former.folder / "index.txt"
    lines = index.read_text().splitlines()
    lines[3] = lines[3].replace("V\t", "R\t", 1).replace("Z\t\t", "Z\t240101000000Z,superseded\t")
    index.write_text("\n".join([*(line for line in lines if "\t0A01\t" not in line), "broken"]))
    certificates[1].unlink()  # 0A01: on the CRL alone
    (tmp_path / "bundle.pem").write_bytes(
        REAL[0].read_bytes() + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    )
    other = former.adopt(REAL[1].read_bytes())
    (tmp_path / "one.pem").write_bytes(other)
    (tmp_path / "two.der").write_bytes(_with_other_signature(former, other))
    more = [tmp_path / name for name in ("bundle.pem", "one.pem", "two.der")]
    outcome = _apply(sqlite_db, later, former, _gather(former, found, *more))
    kinds = {each.kind: each.serial for each in found.findings()}
    assert kinds["unknown"] == "0A01"
    assert kinds["missing"] == "0A03"
    assert kinds["no_certificate"] == "0A05"
    assert found.kinds()["no_certificate"] == 2
    assert found.kinds()["unparsable"] == 2
    assert found.kinds()["wrong_issuer"] == 1
    assert found.kinds()["duplicate"] == 1
    assert (outcome.certificates, outcome.bare_serials) == (4, 2)
    crl = x509.load_der_x509_crl(_publish(sqlite_db, later, former, tmp_path / "crl").read_bytes())
    assert {each.serial_number for each in crl} == {0xA00, 0xA01, 0xA02, 0xA03}
    with sqlite_db.read() as tx:
        bare = records.by_serial(tx, 0xA01)
        before = former.certificate.not_valid_before_utc - timedelta(seconds=1)
        early = history.status_at(tx, 0xA01, before)
    assert (bare.stage, bare.der, bare.standing.status) == (Stage.LISTED, None, Status.REVOKED)
    assert early.validity is Validity.UNKNOWN


def _with_other_signature(former: Former, pem: bytes) -> bytes:
    """The same serial under another validity, signed by the same CA."""
    own = x509.load_pem_x509_certificate(pem)
    builder = x509.CertificateBuilder().serial_number(own.serial_number)
    made = (
        builder.subject_name(former.certificate.subject)
        .issuer_name(former.certificate.subject)
        .public_key(former.key.public_key())
        .not_valid_before(own.not_valid_before_utc)
        .not_valid_after(own.not_valid_after_utc)
        .sign(former.key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.DER)


def test_real_certificates_are_taken_over(
    sqlite_db: Database, later: SetClock, former: Former, found: Gathered, tmp_path: Path
) -> None:
    """Real names, keys of 1,024 bits and odd encodings come in octet for octet."""
    adopted = [former.adopt(real.read_bytes()) for real in REAL]
    (tmp_path / "real.pem").write_bytes(b"Bag Attributes\n  x: y\n".join([b"", *adopted]))
    _apply(sqlite_db, later, former, _gather(former, found, tmp_path / "real.pem"))
    owns = [x509.load_pem_x509_certificate(each) for each in adopted]
    assert 1024 in [own.public_key().key_size for own in owns]  # type: ignore[union-attr] # RSA
    for own in owns:
        with sqlite_db.read() as tx:
            kept = records.by_serial(tx, own.serial_number)
        assert kept.der == own.public_bytes(Encoding.DER)
        assert kept.subscriber.startswith(("MST:", "taken-"))
        assert kept.not_before == own.not_valid_before_utc
        assert kept.not_after == own.not_valid_after_utc


def test_none_of_them_can_be_issued(
    sqlite_db: Database, later: SetClock, former: Former, found: Gathered
) -> None:
    """No profile is for what was taken over, and a key of 1,024 bits gets no certificate here."""
    _apply(sqlite_db, later, former, _gather(former, found))
    with pytest.raises(NotFound, match="no certificate profile"):
        authority.PROFILES[PROFILE]
    with sqlite_db.read() as tx:
        old = next(each for each in records.of_profiles(tx, [PROFILE]) if not each.revoked)
        issuer = records.issuer_named(tx, "former")
    weak = x509.load_der_x509_certificate(old.der or b"").public_key()
    loaded = issuers.load(issuer, former.key, authority.URLS)
    order = authority.order(old.subscriber, later.now(), public_key=weak)
    with pytest.raises(Refused, match="The RSA key has 1024 bits"):
        issue(sqlite_db, later, loaded, order)


def test_csv_names_holders_and_statuses(
    sqlite_db: Database, later: SetClock, former: Former, found: Gathered, tmp_path: Path
) -> None:
    """A CSV says whose a certificate is, and what the CRL cannot say of expired ones."""
    book = tmp_path / "book.csv"
    book.write_text(
        "serial,subscriber,status,since,reason,expires\n"
        "0A04,KH00007,good,,,\n"
        "0A05,KH00008,revoked,2024-01-01T00:00:00+07:00,affiliationChanged,\n"
        "0A06,KH00009,perhaps,,,\n"
    )
    _apply(sqlite_db, later, former, _gather(former, found, book))
    with sqlite_db.read() as tx:
        good, revoked = records.by_serial(tx, 0xA04), records.by_serial(tx, 0xA05)
    assert good.subscriber == "KH00007"
    assert (revoked.subscriber, revoked.standing.reason) == (
        "KH00008",
        Reason.AFFILIATION_CHANGED,
    )
    assert any("'perhaps'" in each.sentence for each in found.findings())
