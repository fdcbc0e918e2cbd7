"""The reserve: complete, true, renewed in time, shared by several workers."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from core.clock import SetClock
from core.database import Database
from core.errors import SigningUnavailable
from ocsp import records
from ocsp.index import Index
from ocsp.model import Settings, Source
from ocsp.reserve import Keeper
from tests.support import relying
from tests.support.relying import Scene, ask, told


@pytest.fixture
def both(db: Database, clock: SetClock) -> Scene:
    """A CA on each kind of database with three certificates."""
    made = relying.scene(db, clock)
    clock.move_to(clock.now() + timedelta(hours=1))
    for _ in range(3):
        made.issue()
    return made


def _keeper(scene: Scene, index: Index | None = None) -> Keeper:
    return Keeper(scene.db, scene.clock, index or scene.index(), Settings())


def _move(scene: Scene, **length: int) -> None:
    assert isinstance(scene.clock, SetClock)
    scene.clock.move_to(scene.clock.now() + timedelta(**length))


def _count(scene: Scene) -> int:
    with scene.db.read() as tx:
        return records.count(tx)


def test_every_certificate_by_both_hashes(both: Scene) -> None:
    """After a round every live certificate of the issuer has an answer for SHA-1 and SHA-256."""
    done = _keeper(both).round(60.0)
    # The three, and the responder's own certificate.
    assert (done.signed, done.parts, _count(both)) == (8, 32, 8)
    responder = both.responder()
    for certificate in both.issued:
        for algorithm in records.ALGORITHMS:
            data = ask(both.issuer_der, certificate.serial, algorithm=algorithm)
            answer = responder.answer(data)
            relying.verify(answer.der, both.issuer_der)
            assert (answer.source, told(answer.der)) == (Source.RESERVE, ["good"])


def test_second_round_has_nothing_to_do(both: Scene) -> None:
    """What is in reserve and true is not signed again."""
    keeper = _keeper(both)
    keeper.round(60.0)
    done = keeper.round(60.0)
    assert (done.signed, done.parts) == (0, 0)


def test_change_drops_at_once_and_is_signed_next_round(both: Scene) -> None:
    """The commit that changes a status drops its answers; the next round signs the new truth."""
    keeper = _keeper(both)
    keeper.round(60.0)
    certificate = both.issued[0]
    both.suspend(certificate)
    data = ask(both.issuer_der, certificate.serial)
    answer = both.responder().answer(data)
    assert (answer.source, told(answer.der)) == (Source.LIVE, ["certificate_hold"])
    assert keeper.round(60.0).signed == 2
    answer = both.responder().answer(data)
    assert (answer.source, told(answer.der)) == (Source.RESERVE, ["certificate_hold"])


def test_new_certificate_is_signed_next_round(both: Scene) -> None:
    """A certificate issued after its part was filled is in reserve one round later."""
    keeper = _keeper(both)
    keeper.round(60.0)
    both.issue()
    assert keeper.round(60.0).signed == 2


def test_renewed_before_half_life(both: Scene) -> None:
    """Answers are renewed before responders stop repeating them, at half of their validity."""
    keeper = _keeper(both)
    keeper.round(60.0)
    _move(both, hours=5)
    assert keeper.round(60.0).signed == 0
    _move(both, hours=2)
    assert keeper.round(60.0).signed == 8
    _move(both, hours=7)
    answer = both.responder().answer(ask(both.issuer_der, both.issued[0].serial))
    assert answer.source is Source.RESERVE


def test_overdue_reserve_is_a_last_resort(both: Scene) -> None:
    """Past its renewal an answer in reserve gives way to a signature, if one can be made."""
    _keeper(both).round(60.0)
    _move(both, hours=13)
    answer = both.responder().answer(ask(both.issuer_der, both.issued[0].serial))
    assert answer.source is Source.LIVE


def test_new_delegate_signs_everything_anew(both: Scene) -> None:
    """When a new delegate takes over, its answers replace those of the old one in time."""
    keeper = _keeper(both)
    keeper.round(60.0)
    _move(both, hours=7)
    both.responder_key = ec.generate_private_key(ec.SECP256R1())
    both.delegate = relying.delegate(both.db, both.clock, both.issuer, both.responder_key)
    keeper.index = both.index()
    keeper.round(60.0)
    answer = both.responder().answer(ask(both.issuer_der, both.issued[0].serial))
    assert answer.source is Source.RESERVE
    relying.verify(answer.der, both.issuer_der)


def test_answer_of_an_unknown_delegate_is_not_used(both: Scene) -> None:
    """A responder that does not hold the certificate of the signer does not use its answers."""
    _keeper(both).round(60.0)
    both.responder_key = ec.generate_private_key(ec.SECP256R1())
    both.delegate = relying.delegate(both.db, both.clock, both.issuer, both.responder_key)
    answer = both.responder().answer(ask(both.issuer_der, both.issued[0].serial))
    assert answer.source is Source.LIVE


def test_lie_written_late_is_not_told(both: Scene) -> None:
    """An answer that was being signed while the status changed is in reserve, but not told."""
    certificate = both.issued[0]
    _keeper(both).round(60.0)
    with both.db.read() as tx:
        late = records.of_serials(tx, 2, [certificate.serial]) or records.of_serials(
            tx, 1, [certificate.serial]
        )
    both.suspend(certificate)
    with both.db.begin() as tx:
        records.put(tx, late.values())
    answer = both.responder().answer(ask(both.issuer_der, certificate.serial))
    assert told(answer.der) == ["certificate_hold"]


def test_ended_answers_are_dropped(both: Scene) -> None:
    """Answers whose nextUpdate has passed leave the database."""
    keeper = _keeper(both)
    keeper.round(60.0)
    _move(both, hours=25)
    both.responder_key = ec.generate_private_key(ec.SECP256R1())
    keeper.index = Index([], [])
    keeper.round(60.0)
    assert _count(both) == 0


def test_expired_certificates_are_not_kept(both: Scene) -> None:
    """For expired certificates nothing is signed beforehand."""
    _move(both, days=366)
    both.responder_key = ec.generate_private_key(ec.SECP256R1())
    both.delegate = relying.delegate(both.db, both.clock, both.issuer, both.responder_key)
    # The new delegate's own certificate alone.
    assert _keeper(both).round(60.0).signed == 2


def test_parts_are_shared(both: Scene) -> None:
    """A part that one worker has claimed is left alone by another, until the claim runs out."""
    _keeper(both).round(0.0)
    now = both.clock.now()
    with both.db.begin() as tx:
        first = records.claim_part(tx, now, now + timedelta(minutes=10))
        second = records.claim_part(tx, now, now + timedelta(minutes=10))
    assert first is not None
    assert second is not None
    assert first != second
    done = _keeper(both).round(60.0)
    assert done.parts == 30
    _move(both, minutes=11)
    assert _keeper(both).round(60.0).parts == 2


def test_token_away_stops_the_round(both: Scene) -> None:
    """Without the token a round ends with a sentence, and its part is due again at once."""
    index = both.index()
    (speaking,) = [each for each in index.authorities() if each.signers]
    signer = speaking.signers[0]
    key = signer.key
    object.__setattr__(signer, "key", _Away())
    keeper = _keeper(both, index)
    done = keeper.round(60.0)
    assert done.trouble == "The token is away."
    object.__setattr__(signer, "key", key)
    keeper.round(60.0)
    assert _count(both) == 8


class _Away:
    curve = ec.SECP256R1()

    def sign(self, *_: object) -> bytes:
        raise SigningUnavailable("The token is away.")
