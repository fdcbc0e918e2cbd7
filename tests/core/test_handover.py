"""The audit key changes: the line of keys is proven from each of them, and no forged one is."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import text

from core import audit, chain, handover, jws, proof, sealing
from core.clock import SetClock
from core.database import Database
from core.errors import Conflict
from core.sealing import Checkpoint
from tests.support import tampering
from tests.support.crash import Crash, CrashingDatabase
from tests.support.tampering import KEY, THIEF, VERIFIER, Trail

NEXT, LAST = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
LINE = (KEY, NEXT, LAST)


def _grow(db: Database, clock: SetClock) -> None:
    clock.move_to(clock.now() + timedelta(minutes=1))
    with db.begin() as tx:
        audit.append(tx, at=clock.now(), actor="a:b", act="audit.hand_over", subject="audit:trail")
    sealing.seal(db)


def _hand_over(
    db: Database, clock: SetClock, by: ec.EllipticCurvePrivateKey, to: ec.EllipticCurvePrivateKey
) -> None:
    """Let one key sign last and name another, which signs once."""
    _grow(db, clock)
    sealing.hand_over(db, clock.now(), by, to.public_key())
    _grow(db, clock)
    assert sealing.checkpoint(db, clock.now(), to) is not None


@pytest.fixture
def trail(db: Database, clock: SetClock) -> Trail:
    """A trail of 16 entries, signed by three keys in turn: at 6, 12, 13 | 14, 15 | 16."""
    made = tampering.fill(db, clock)
    _hand_over(db, clock, KEY, NEXT)
    _hand_over(db, clock, NEXT, LAST)
    return made


@pytest.fixture
def stolen(trail: Trail) -> Trail:
    """The same trail in the hands of a thief."""
    with trail.db.begin() as tx:
        tampering.take_guards_off(tx)
    return trail


def _examine(trail: Trail, key: ec.EllipticCurvePrivateKey, *kept: Checkpoint) -> proof.Report:
    with trail.db.read() as tx:
        return proof.examine(tx, key.public_key(), kept=kept)


def _export(trail: Trail) -> list[str]:
    with trail.db.read() as tx:
        return list(proof.export(tx, proof.heading(tx, LAST.public_key())))


@pytest.mark.parametrize("known", LINE)
def test_each_key_proves_the_whole(trail: Trail, known: ec.EllipticCurvePrivateKey) -> None:
    """Who has the public half of any key of the line, and old checkpoints, finds the trail sound.

    The stand-alone program agrees.
    """
    report = _examine(trail, known, trail.kept)
    assert (report.findings, report.signed, report.checkpoints) == ((), 16, 6)
    told = VERIFIER.verify(_export(trail), known.public_key(), [trail.kept.token])
    assert (told.findings, told.proven) == ([], 16)


def test_fingerprint_of_any_key(trail: Trail, tmp_path: Path) -> None:
    """The program finds each key of the line in the export by its fingerprint, and no other."""
    path = tmp_path / "trail.jsonl"
    path.write_text("\n".join(_export(trail)), encoding="utf-8")
    for each in LINE:
        own = handover.fingerprint(handover.octets(each.public_key()))
        assert VERIFIER.exported_key(path, own) == each.public_key()
    with pytest.raises(VERIFIER.Unfit):
        VERIFIER.exported_key(path, handover.fingerprint(handover.octets(THIEF.public_key())))


@pytest.mark.parametrize("key", [KEY, NEXT, THIEF])
def test_only_the_newest_signs(
    trail: Trail, clock: SetClock, key: ec.EllipticCurvePrivateKey
) -> None:
    """A key that handed over, or to which nothing was handed over, signs no checkpoint."""
    _grow(trail.db, clock)
    with pytest.raises(Conflict, match="the audit key"):
        sealing.checkpoint(trail.db, clock.now(), key)
    with pytest.raises(Conflict, match="the audit key"):
        sealing.hand_over(trail.db, clock.now(), key, THIEF.public_key())
    assert sealing.checkpoint(trail.db, clock.now(), LAST) is not None


def test_handed_over_key_is_named(db: Database, clock: SetClock) -> None:
    """Between handover and configuration the old key is refused, and the new one is named."""
    made = tampering.fill(db, clock)
    _grow(db, clock)
    sealing.hand_over(made.db, clock.now(), KEY, NEXT.public_key())
    _grow(db, clock)
    named = handover.fingerprint(handover.octets(NEXT.public_key()))
    with pytest.raises(Conflict, match=f"handed over to the key {named}"):
        sealing.checkpoint(db, clock.now(), KEY)


@pytest.mark.parametrize("persisted", [False, True])
def test_crash(db: Database, clock: SetClock, *, persisted: bool) -> None:
    """A handover whose commit failed, or persisted and failed, leaves one key that signs."""
    made = tampering.fill(db, clock)
    _grow(db, clock)
    with pytest.raises(Crash):
        sealing.hand_over(
            CrashingDatabase(db, 1, persisted=persisted), clock.now(), KEY, NEXT.public_key()
        )
    _grow(db, clock)
    assert sealing.checkpoint(db, clock.now(), NEXT if persisted else KEY) is not None
    assert _examine(made, KEY).findings == ()


def _replace(trail: Trail, position: int, token: str | None) -> None:
    with trail.db.begin() as tx:
        values = {"p": position, "at": "2024-03-01 01:00:00+00", "token": token}
        tx.execute(text("DELETE FROM audit_checkpoint WHERE position = :p"), values)
        if token is not None:
            tx.execute(
                text("INSERT INTO audit_checkpoint (position, at, token) VALUES (:p, :at, :token)"),
                values,
            )


def _token(
    trail: Trail,
    position: int,
    by: ec.EllipticCurvePrivateKey,
    to: ec.EllipticCurvePrivateKey | None,
) -> str:
    with trail.db.read() as tx:
        query = text("SELECT hash FROM audit_link WHERE position = :p")
        digest = bytes(tx.execute(query, {"p": position}).scalar_one())
    end = chain.Head(position=position, hash=digest)
    return sealing._sign(end, trail.last.at, by, to=to.public_key() if to else None).token


def _sign_as_old(trail: Trail) -> None:
    """The thief has the first key, which was handed over, and signs with it still."""
    _replace(trail, 16, _token(trail, 16, KEY, None))


def _take(trail: Trail) -> None:
    """The thief names himself as the next key, behind the last handover."""
    _replace(trail, 16, _token(trail, 16, THIEF, THIEF))


def _take_with_old(trail: Trail) -> None:
    """The thief has the first key and lets it hand over to him."""
    _replace(trail, 15, _token(trail, 15, KEY, THIEF))
    _replace(trail, 16, _token(trail, 16, THIEF, None))


def _cut_out(trail: Trail) -> None:
    """A handover is removed."""
    _replace(trail, 13, None)


def _put_before(trail: Trail) -> None:
    """The thief rewrites what the older keys signed, as if he had handed over to the last one."""
    tampering.change_and_rechain(trail)
    for position in (6, 12, 13, 14):
        _replace(trail, position, None)
    _replace(trail, 15, _token(trail, 15, THIEF, LAST))


def _write_all(trail: Trail) -> None:
    """The thief signs all of it, and hands over at its end to a key that we trust."""
    _put_before(trail)
    tampering.sql(
        trail,
        "DELETE FROM audit_checkpoint WHERE position = 16",
        "DELETE FROM audit_link WHERE position = 16",
        "DELETE FROM audit_entry WHERE id = 16",
    )


FORGERIES = [_sign_as_old, _take, _take_with_old, _cut_out, _put_before, _write_all]


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda each: each.__name__.strip("_"))
@pytest.mark.parametrize("known", [KEY, LAST], ids=["first", "last"])
def test_forged_line_is_found(
    stolen: Trail, forge: Callable[[Trail], None], known: ec.EllipticCurvePrivateKey
) -> None:
    """Whatever a thief of the database does to the line is found from its first and last key."""
    forge(stolen)
    report = _examine(stolen, known)
    assert report.findings or not report.signed
    assert VERIFIER.verify(_export(stolen), known.public_key()).findings


def test_handover_of_another_form(stolen: Trail) -> None:
    """A handover that names no key is a finding, not a crash, also for the program."""
    for value in ("", "AAAA", base64.b64encode(b"no key").decode()):
        with stolen.db.read() as tx:
            _, payload = jws.read(sealing.handovers(tx)[0])
        forged = jws.sign(KEY, payload | {"next": value}, typ=sealing.CHECKPOINT)
        _replace(stolen, 13, forged)
        assert _examine(stolen, KEY).findings
        assert VERIFIER.verify(_export(stolen), KEY.public_key()).findings


def test_export_without_its_handovers(trail: Trail) -> None:
    """An export whose first line hides the handovers, or holds something else there, is found."""
    first, *rest = _export(trail)
    pem = LAST.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for handovers in ([], None, [1], ["x"], [first]):
        line = json.dumps(json.loads(first) | {"handovers": handovers, "key": pem.decode()})
        for known in LINE:
            assert VERIFIER.verify([line, *rest], known.public_key()).findings
