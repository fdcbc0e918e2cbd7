"""Tampering: what a thief of the whole database could do to the trail is found, each time."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

from core import audit, sealing
from core.clock import SetClock
from core.database import Database
from core.errors import Conflict
from tests.support import tampering
from tests.support.tampering import INSERT, KEY, TAMPERINGS, VERIFIER, Trail


@pytest.fixture
def trail(db: Database, clock: SetClock) -> Trail:
    """A sound trail whose database lets a thief do everything."""
    return tampering.make(db, clock)


def test_a_sound_trail_has_no_finding(trail: Trail) -> None:
    """Both verifiers accept the trail as it was written, with the checkpoints kept outside."""
    assert trail.examine(trail.kept, trail.last) == ()
    kept = [trail.kept.token, trail.last.token]
    assert VERIFIER.verify(trail.export(), KEY.public_key(), kept).findings == []


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda each: each.__name__.strip("_"))
def test_tampering_in_the_database_is_found(trail: Trail, tamper: Callable[[Trail], None]) -> None:
    """Each kind of tampering with the database is found and named."""
    tamper(trail)
    findings = trail.examine()
    assert any(TAMPERINGS[tamper] in each for each in findings), findings


def test_only_a_kept_checkpoint_tells_a_cut_trail(trail: Trail) -> None:
    """A tail that was cut with every trace of it is found by whoever kept a checkpoint."""
    tampering.cut_tail_and_checkpoint(trail)
    assert trail.examine() == ()
    assert any("tail is cut off" in each for each in trail.examine(trail.last))
    export = trail.export()
    assert VERIFIER.verify(export, KEY.public_key()).findings == []
    (finding,) = VERIFIER.verify(export, KEY.public_key(), [trail.last.token]).findings
    assert "it was cut" in finding


def test_unsigned_trail_is_found(trail: Trail) -> None:
    """A rewritten trail without any checkpoint does not pass for a signed one."""
    tampering.forget_checkpoints(trail)
    (finding,) = VERIFIER.verify(trail.export(), KEY.public_key()).findings
    assert "None of the 12 entries is under a checkpoint" in finding
    assert any("was rewritten" in each for each in trail.examine(trail.kept))


@pytest.mark.parametrize(
    "tamper",
    [
        tampering.change_and_rechain,
        tampering.cut_tail,
        tampering.cut_tail_and_checkpoint,
        tampering.forget_checkpoints,
    ],
)
def test_no_checkpoint_covers_tampering(
    trail: Trail, clock: SetClock, tamper: Callable[[Trail], None]
) -> None:
    """The sealer signs no chain that does not go on from the checkpoint kept outside."""
    tamper(trail)
    with trail.db.begin() as tx:
        tx.execute(text(INSERT.format(id=99)))
        tx.execute(text("INSERT INTO audit_unsealed (entry_id) VALUES (99)"))
    sealing.seal(trail.db)
    with pytest.raises(Conflict, match="cut or rewritten"):
        sealing.checkpoint(trail.db, clock.now(), KEY, kept=trail.last)


def test_checkpoint_is_due_by_count_or_time(db: Database, clock: SetClock) -> None:
    """The first entry is signed at once, then after so many entries or so much time."""

    def due() -> bool:
        with db.begin() as tx:
            audit.append(tx, at=clock.now(), actor="a:b", act="x.y", subject="z:1")
        sealing.seal(db)
        with db.read() as tx:
            return sealing.is_due(tx, clock.now(), entries=3, interval=timedelta(hours=1))

    assert due()
    sealing.checkpoint(db, clock.now(), KEY)
    assert [due(), due(), due()] == [False, False, True]
    sealing.checkpoint(db, clock.now(), KEY)
    assert not due()
    clock.move_to(clock.now() + timedelta(hours=1))
    with db.read() as tx:
        assert sealing.is_due(tx, clock.now(), entries=30, interval=timedelta(hours=1))
