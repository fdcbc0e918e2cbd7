"""A CA with many revoked certificates, made for the CRL benchmark, and the parts that are timed.

Each part runs in a process of its own, so that its peak of memory is its own, and prints one line
of JSON. The CRL key is RSA-2048 on SoftHSM; the rows of certificates have no real contents.
"""

import json
import resource
import secrets
import sqlite3
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

import crl.publish as use_case
from app import schema
from ca import lifecycle, records
from ca.model import Act, Approval
from core.database import Database
from core.reasons import Reason
from crl import gate, snapshot
from crl.model import Settings
from crl.targets import Directory, Parcel
from hsm import softhsm
from hsm.keyring import Keyring
from hsm.mechanisms import KeyKind

REASONS = (
    Reason.SUPERSEDED,
    Reason.CERTIFICATE_HOLD,
    Reason.KEY_COMPROMISE,
    Reason.CESSATION_OF_OPERATION,
)
_COLUMNS = (
    "issuer_id", "serial", "subscriber", "profile", "stage", "tbs", "der", "spki_sha256",
    "not_before", "not_after", "decision", "created_at", "status", "reason", "since",
)  # fmt: skip
_INSERT = f"INSERT INTO certificate ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * 15)})"
_BATCH = 50_000


def serial(number: int) -> int:
    """Return the serial of certificate `number`: 16 octets, spread like drawn ones."""
    return (0x20 << 120) + (number * 0x9E3779B97F4A7C15F39CC0605CEDC835 & ((1 << 120) - 1))


def since(number: int, now: datetime) -> datetime:
    """Return when certificate `number` was revoked: within the last 60 days."""
    return (now - timedelta(minutes=1 + number * 7 % 86_400)).replace(microsecond=0)


def reason(number: int) -> Reason:
    """Return the reason of certificate `number`."""
    return REASONS[number % len(REASONS)]


def database(folder: Path) -> Database:
    """Open the database in `folder`."""
    return Database(f"sqlite:///{folder}/antin.db")


def key(folder: Path) -> rsa.RSAPrivateKey:
    """Return the issuing key, on the token."""
    softhsm.activate(folder / "token")
    found = Keyring({"issuing": [(folder / "issuing.uri").read_text()]}).key("issuing")
    assert isinstance(found, rsa.RSAPrivateKey)
    return found


def make(folder: Path, size: int) -> None:
    """Make a CA with `size` revoked or held certificates, and publish its first CRL."""
    token = softhsm.create_token(folder / "token", "bench")
    (folder / "issuing.uri").write_text(token.uri("issuing"))
    softhsm.activate(folder / "token")
    Keyring({"issuing": [token.uri("issuing")]}).generate("issuing", KeyKind.RSA_2048)
    db = database(folder)
    schema.upgrade(db)
    now = datetime.now(UTC)
    with db.begin() as tx:
        owner = records.add_issuer(
            tx, name="issuing", parent_id=None, der=_ca(key(folder), now),
            not_before=now - timedelta(days=1), not_after=now + timedelta(days=3650),
        )  # fmt: skip
    db.dispose()
    insert(folder, owner.id, range(size), now)


def insert(folder: Path, issuer_id: int, numbers: range, now: datetime) -> None:
    """Write certificates straight into the file; odd decisions keep them apart."""
    with sqlite3.connect(folder / "antin.db") as connection:
        for start in range(numbers.start, numbers.stop, _BATCH):
            chosen = range(start, min(start + _BATCH, numbers.stop))
            connection.executemany(_INSERT, (_row(issuer_id, n, now) for n in chosen))
            connection.commit()


def _row(issuer_id: int, number: int, now: datetime) -> tuple[object, ...]:
    status = "hold" if reason(number) is Reason.CERTIFICATE_HOLD else "revoked"
    begin, end = _text(now - timedelta(days=90)), _text(now + timedelta(days=275))
    return (
        issuer_id, serial(number).to_bytes(16, "big"), f"KH{number}", "organisation", "issued",
        b"-", b"-", number.to_bytes(32, "big"), begin, end, f"d{number}", begin, status,
        reason(number).value, _text(since(number, now)),
    )  # fmt: skip


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M:%S.%f")


def _ca(signer: rsa.RSAPrivateKey, now: datetime) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Bench CA")])
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    public = signer.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(1 + secrets.randbelow(2**100))
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.DER)


# --- the parts --------------------------------------------------------------------------------


class _TimedDirectory(Directory):
    """A folder that tells how long the compressed copy took, which may wait until all is out."""

    tidying = 0.0

    def tidy(self, parcel: Parcel) -> None:
        """Compress, and remember the time."""
        begin = time.perf_counter()
        super().tidy(parcel)
        self.tidying = time.perf_counter() - begin


def publish(folder: Path) -> dict[str, float]:
    """Publish one CRL; return the seconds of each phase and the peak of memory in MB.

    `chain` is from the call to the CRL published and read back, without the compressed copy.
    """
    phases: dict[str, float] = {}
    for module, name, phase in (
        (use_case, "absorb", "list"),
        (snapshot, "read", "snapshot"),
        (use_case, "_sign", "build_sign"),
        (gate, "form", "gate"), (gate, "count", "gate"), (gate, "order", "gate"),
        (gate, "removals", "gate"), (gate, "changes", "gate"), (gate, "mismatch", "gate"),
        (use_case, "_store", "store"),
        (use_case, "deliver", "deliver"),
    ):  # fmt: skip
        setattr(module, name, _timed(getattr(module, name), phase, phases))
    target = _TimedDirectory(folder / "crl")
    begin = time.perf_counter()
    made = use_case.publish(
        database(folder), datetime.now(UTC), issuer="issuing", key=key(folder),
        settings=Settings(compared_up_to=10), targets=[target],
    )  # fmt: skip
    phases["chain"] = time.perf_counter() - begin - target.tidying
    phases["deliver"] -= target.tidying
    phases["compressed_copy"] = target.tidying
    phases["entries"] = made.crls[0].entries
    phases["memory_mb"] = memory_mb()
    return phases


def _timed(
    work: Callable[..., object], phase: str, phases: dict[str, float]
) -> Callable[..., object]:
    def timed(*given: object, **more: object) -> object:
        begin = time.perf_counter()
        result = work(*given, **more)
        if hasattr(result, "__next__"):
            result = list(result)
        phases[phase] = phases.get(phase, 0.0) + time.perf_counter() - begin
        return result

    return timed


def revoke(folder: Path, numbers: range) -> dict[str, float]:
    """Revoke held certificates one by one, each in its own commit; return p50 and p99 in ms."""
    db, now = database(folder), datetime.now(UTC)
    taken = []
    for number in numbers:
        if reason(number) is not Reason.CERTIFICATE_HOLD:
            continue
        approval = Approval(
            decision=secrets.token_hex(16), act=Act.REVOKE, subscriber=f"KH{number}",
            serial=serial(number), actor="bench:revoke", clause="-", because="The benchmark.",
            rulebook="bench/1", at=now,
        )  # fmt: skip
        begin = time.perf_counter()
        with db.begin() as tx:
            lifecycle.revoke(tx, approval, Reason.PRIVILEGE_WITHDRAWN, now)
        taken.append((time.perf_counter() - begin) * 1000)
    taken.sort()
    return {"p50": taken[len(taken) // 2], "p99": taken[int(len(taken) * 0.99)]}


def build_with_cryptography(folder: Path, size: int) -> dict[str, float]:
    """Build and sign the same entries with `cryptography`'s builder, key in memory.

    Its public way of adding an entry copies the list of all before; the list is handed to its
    constructor at once, which flatters it.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    signer = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Bench CA")])
    begin = time.perf_counter()
    entries = [
        x509.RevokedCertificateBuilder()
        .serial_number(serial(number))
        .revocation_date(since(number, now))
        .add_extension(x509.CRLReason(reason(number).flag), critical=False)
        .build()
        for number in range(size)
    ]
    builder = x509.CertificateRevocationListBuilder(
        name, now, now + timedelta(days=2), [], entries
    ).add_extension(x509.CRLNumber(1), critical=False)
    made = builder.sign(signer, hashes.SHA256())
    (folder / "cryptography.crl").write_bytes(made.public_bytes(Encoding.DER))
    return {"seconds": time.perf_counter() - begin, "memory_mb": memory_mb()}


def memory_mb() -> float:
    """Return the highest memory that this process held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Run one part: NAME FOLDER [FIRST LAST]."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    numbers = range(*map(int, sys.argv[3:5] or ["0"]))
    match name:
        case "make":
            make(folder, numbers.stop)
            found: dict[str, float] = {}
        case "publish":
            found = publish(folder)
        case "revoke":
            found = revoke(folder, numbers)
        case _:
            found = build_with_cryptography(folder, numbers.stop)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
