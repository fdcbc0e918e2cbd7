"""The program that examines what was issued: it finds nothing wrong, and what was planted."""

import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select, text, update

from ca.issue import issue
from ca.model import Certificate
from ca.tables import certificate
from core import serials
from core.clock import SetClock
from core.database import Database
from tests.support import authority
from tests.support.office import ca_key

PROGRAM = Path(__file__).parents[2] / "deploy" / "recheck.py"
SIZE = 3


def recheck(url: str, day: datetime, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the program in an interpreter that cannot import the product."""
    where = url.removeprefix("sqlite:///").replace("+psycopg", "")
    command = [sys.executable, "-I", str(PROGRAM), where, "--day", f"{day:%Y-%m-%d}", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")


@pytest.fixture
def issued(db: Database, clock: SetClock) -> list[Certificate]:
    """Certificates of one day under an issuing CA, which is of that day too."""
    issuer = authority.establish(db, clock, ca_key("root"), ca_key("issuing"))
    clock.move_to(clock.now() + timedelta(days=1))
    return [issue(db, clock, issuer, authority.order(f"KH{n}", clock.now())) for n in range(SIZE)]


def test_nothing_is_found(db_url: str, issued: list[Certificate], clock: SetClock) -> None:
    """What was issued by the book is examined and found good; another day has nothing."""
    done = recheck(db_url, clock.now())
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert f"{SIZE} issued, {SIZE} examined, 0 findings" in done.stdout
    few = recheck(db_url, clock.now(), "--sample", "1")
    assert f"{SIZE} issued, 1 examined" in few.stdout
    assert "0 issued" in recheck(db_url, clock.now() + timedelta(days=1)).stdout


def _plant(db: Database, row: int, **values: object) -> None:
    with db.begin() as tx:
        tx.execute(update(certificate).where(certificate.c.id == row).values(**values))


def _foreign(of: Certificate) -> bytes:
    """A certificate that says the same, signed by a key that is not the issuer's."""
    old = x509.load_der_x509_certificate(of.der or b"")
    builder = x509.CertificateBuilder(
        old.issuer, old.subject, old.public_key(), old.serial_number,
        old.not_valid_before_utc, old.not_valid_after_utc, list(old.extensions),
    )  # fmt: skip
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(Encoding.DER)


def test_planted_faults(
    sqlite_url: str, sqlite_db: Database, clock: SetClock, tmp_path: Path
) -> None:
    """A foreign signature, a serial and dates that differ from the register are each named."""
    issuer = authority.establish(sqlite_db, clock, ca_key("root"), ca_key("issuing"))
    clock.move_to(clock.now() + timedelta(days=1))
    one, two, three = (
        issue(sqlite_db, clock, issuer, authority.order(f"KH{n}", clock.now())) for n in range(3)
    )
    copy = tmp_path / "copy.db"
    with sqlite_db.begin() as tx:
        guards = tx.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
        for guard in guards.scalars().all():
            tx.exec_driver_sql(f"DROP TRIGGER {guard}")
        others = tx.execute(
            select(certificate.c.der).where(certificate.c.id == three.id)
        ).scalar_one()
    _plant(sqlite_db, one.id, der=_foreign(one))
    _plant(sqlite_db, two.id, der=others)
    _plant(sqlite_db, three.id, not_after=three.not_after + timedelta(seconds=1))
    sqlite_db.dispose()
    shutil.copy(sqlite_url.removeprefix("sqlite:///"), copy)
    done = recheck(f"sqlite:///{copy}", clock.now())
    assert done.returncode == 1
    for each, words in ((one, "does not verify"), (two, "its serial is"), (three, "notAfter")):
        lines = [
            line
            for line in done.stdout.splitlines()
            if line.startswith(serials.to_hex(each.serial))
        ]
        assert any(words in line for line in lines), done.stdout


@pytest.mark.parametrize("where", ["/nowhere/antin.db", "postgresql://127.0.0.1:1/none", __file__])
def test_no_database(where: str, clock: SetClock) -> None:
    """What cannot be read is said in a sentence."""
    done = recheck(where, clock.now())
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().endswith(".")
