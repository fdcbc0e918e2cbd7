"""Sealing: every entry gets one place, in the order of commits, whoever seals and whenever."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from core import audit, proof, sealing
from core.audit import audit_link
from core.clock import SetClock
from core.database import Database, Tx
from core.errors import SigningUnavailable
from tests.support.crash import Crash, CrashingDatabase

KEY = ec.generate_private_key(ec.SECP256R1())


def _append(tx: Tx, clock: SetClock, number: int) -> None:
    audit.append(
        tx, at=clock.now(), actor="operator:lan", act="test.act", subject="test:1", number=number
    )


def _commit(db: Database, clock: SetClock, *numbers: int) -> None:
    for number in numbers:
        with db.begin() as tx:
            _append(tx, clock, number)


def _order(db: Database) -> list[int]:
    with db.read() as tx:
        return list(
            tx.execute(select(audit_link.c.entry_id).order_by(audit_link.c.position)).scalars()
        )


def _assert_sound(db: Database) -> proof.Report:
    with db.read() as tx:
        report = proof.examine(tx, KEY.public_key())
    assert report.findings == ()
    return report


def test_entries_are_sealed_in_order(db: Database, clock: SetClock) -> None:
    """Entries get their places in the order of their commits, whatever the batches."""
    _commit(db, clock, 1, 2, 3)
    assert sealing.seal(db, batch=2) == 3
    _commit(db, clock, 4)
    assert sealing.seal(db) == 1
    assert sealing.seal(db) == 0
    assert _order(db) == sorted(_order(db))
    assert _assert_sound(db).sealed == 4


def test_rolled_back_acts_leave_no_trace(db: Database, clock: SetClock) -> None:
    """An act that failed is neither in the trail nor waiting."""
    with pytest.raises(Crash):
        _commit(CrashingDatabase(db, 1, persisted=False), clock, 1)
    _commit(db, clock, 2)
    assert sealing.seal(db) == 1
    assert _assert_sound(db).waiting == 0


def test_late_commit_is_sealed(migrated_postgres_url: str, clock: SetClock) -> None:
    """An entry with a lower number that commits after a higher one was sealed is not skipped."""
    db = Database(migrated_postgres_url)
    with db.begin() as slow:
        _append(slow, clock, 1)
        _commit(db, clock, 2)
        assert sealing.seal(db) == 1
    _commit(db, clock, 3)
    assert sealing.seal(db) == 2
    first, second, third = _order(db)
    assert second < first < third  # the late one got the place that was next
    assert _assert_sound(db).sealed == 3
    db.dispose()


def test_what_was_committed_before_stands_before(db: Database, clock: SetClock) -> None:
    """If one act ended before another began, it stands before it, with many at once."""
    done: list[tuple[int, int]] = []  # (entry id, how many entries were visible when it began)
    lock = threading.Lock()
    stop = threading.Event()

    def act(number: int) -> None:
        with db.begin() as tx:
            seen = tx.execute(text("SELECT COALESCE(MAX(id), 0) FROM audit_entry")).scalar_one()
            _append(tx, clock, number)
            own = tx.execute(text("SELECT MAX(id) FROM audit_entry")).scalar_one()
        with lock:
            done.append((own, seen))

    def sealer() -> None:
        while not stop.is_set():
            sealing.seal(db, batch=3)

    with ThreadPoolExecutor(6) as pool:
        sealers = [pool.submit(sealer) for _ in range(2)]
        for future in [pool.submit(act, number) for number in range(60)]:
            future.result()
        stop.set()
        for each in sealers:
            each.result()
    sealing.seal(db)
    places = {number: place for place, number in enumerate(_order(db))}
    assert len(places) == 60
    for own, seen in done:
        assert seen == 0 or places[seen] < places[own]
    _assert_sound(db)


def test_checkpoint_signs_the_end(db: Database, clock: SetClock) -> None:
    """A checkpoint is made when the chain has grown, and verifies with the key's public half."""
    assert sealing.checkpoint(db, clock.now(), KEY) is None
    _commit(db, clock, 1, 2)
    sealing.seal(db)
    signed = sealing.checkpoint(db, clock.now(), KEY)
    assert signed is not None
    assert sealing.read_checkpoint(KEY.public_key(), signed.token) == signed
    assert signed.position == 2
    assert sealing.checkpoint(db, clock.now(), KEY) is None
    clock.move_to(clock.now() + timedelta(hours=1))
    _commit(db, clock, 3)
    sealing.seal(db)
    later = sealing.checkpoint(db, clock.now(), KEY)
    assert later is not None
    assert later.position == 3
    report = _assert_sound(db)
    assert (report.sealed, report.signed, report.checkpoints) == (3, 3, 2)


class _Away(ec.EllipticCurvePrivateKey):
    """A key whose token is away."""

    curve = ec.SECP256R1()
    key_size = 256

    def sign(self, *_: object) -> bytes:
        """Fail as a token that is away does."""
        raise SigningUnavailable("The token is away.")

    def _no(self, *_: object) -> None:
        raise NotImplementedError

    exchange = public_key = private_numbers = private_bytes = __copy__ = __deepcopy__ = _no  # type: ignore[assignment]


def test_sealing_goes_on_without_the_token(db: Database, clock: SetClock) -> None:
    """While no token signs, entries are sealed all the same; the checkpoint follows later."""
    _commit(db, clock, 1)
    sealing.seal(db)
    with pytest.raises(SigningUnavailable):
        sealing.checkpoint(db, clock.now(), _Away())
    assert _assert_sound(db).sealed == 1
    assert sealing.checkpoint(db, clock.now(), KEY) is not None


def test_two_signers_of_one_end(db: Database, clock: SetClock) -> None:
    """Two workers that sign the same end at once leave one checkpoint and no error."""
    _commit(db, clock, 1)
    sealing.seal(db)
    with ThreadPoolExecutor(4) as pool:
        made = [pool.submit(sealing.checkpoint, db, clock.now(), KEY) for _ in range(8)]
    assert any(each.result() is not None for each in made)
    assert _assert_sound(db).checkpoints == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_link SET entry_id = 2",
        "DELETE FROM audit_link",
        "UPDATE audit_checkpoint SET token = ''",
        "DELETE FROM audit_checkpoint",
    ],
)
def test_database_refuses(db: Database, clock: SetClock, statement: str) -> None:
    """The database refuses to change or remove links and checkpoints, whoever asks."""
    _commit(db, clock, 1)
    sealing.seal(db)
    sealing.checkpoint(db, clock.now(), KEY)
    with pytest.raises(DatabaseError, match="never changed or removed"), db.begin() as tx:
        tx.execute(text(statement))
