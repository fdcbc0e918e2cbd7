"""Truth within a second: what one process commits, every responder tells."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

from ca import lifecycle, records
from ca.model import Act, HoldSource
from core.clock import SetClock, SystemClock
from core.database import Database
from core.reasons import Reason
from ocsp.answer import Responder
from ocsp.follow import Follower
from ocsp.index import Index
from ocsp.lease import NEVER
from ocsp.memory import Memory
from ocsp.model import Settings, Source
from ocsp.preload import preload
from tests.support import authority, relying
from tests.support.relying import Scene, ask, told

_FRESHNESS_SECONDS = 1.0


def _following(scene: Scene, **settings: object) -> tuple[Responder, Follower]:
    made = scene.responder(**settings)
    responder = Responder(
        scene.db, scene.clock, made.index, made.settings, memory=Memory(made.settings.most_known)
    )
    return responder, Follower(responder)


@pytest.fixture
def both(db: Database, clock: SetClock) -> Scene:
    """A CA on each kind of database."""
    made = relying.scene(db, clock)
    clock.move_to(clock.now() + timedelta(hours=1))
    return made


def test_same_answer_twice(both: Scene) -> None:
    """The second question is answered from memory, octet for octet the same."""
    responder, follower = _following(both)
    follower.look()
    data = ask(both.issuer_der, both.issue().serial)
    follower.look()
    first, second = responder.answer(data), responder.answer(data)
    assert (first.source, second.source) == (Source.LIVE, Source.CACHE)
    assert first.der == second.der
    assert responder.holds(second.lease)


def test_each_change_shows_at_the_next_look(both: Scene) -> None:
    """Hold, release and revocation each replace the remembered answer at the next look."""
    responder, follower = _following(both)
    certificate = both.issue()
    data = ask(both.issuer_der, certificate.serial)
    acts: list[Callable[[], object]] = [
        lambda: both.suspend(certificate),
        lambda: both.restore(certificate),
        lambda: both.revoke(certificate, Reason.KEY_COMPROMISE),
    ]
    seen = []
    for act in acts:
        follower.look()
        before = responder.answer(data)
        assert responder.answer(data).source is Source.CACHE
        _move(both)
        act()
        follower.look()
        assert not responder.holds(before.lease)
        seen += told(responder.answer(data).der)
    assert seen == ["certificate_hold", "good", "key_compromise"]


def _move(scene: Scene) -> None:
    assert isinstance(scene.clock, SetClock)
    scene.clock.move_to(scene.clock.now() + timedelta(seconds=1))


def test_unknown_is_not_remembered(both: Scene) -> None:
    """A serial asked about before it is issued is good at once when it is issued."""
    responder, follower = _following(both)
    follower.look()
    first = responder.answer(ask(both.issuer_der, 5))
    assert (told(first.der), first.lease is NEVER) == (["unknown"], False)
    assert responder.answer(ask(both.issuer_der, 5)).source is Source.LIVE
    fresh = both.issue()
    assert told(responder.answer(ask(both.issuer_der, fresh.serial)).der) == ["good"]


def test_late_commit_is_not_missed(migrated_postgres_url: str, clock: SetClock) -> None:
    """A status that commits after a higher-numbered one was followed is followed too."""
    db = Database(migrated_postgres_url)
    scene = relying.scene(db, clock)
    first, second = scene.issue(), scene.issue()
    responder, follower = _following(scene)
    follower.look()
    data = ask(scene.issuer_der, first.serial)
    responder.answer(data)
    _move(scene)
    approval = authority.approval(Act.SUSPEND, first.subscriber, clock.now(), serial=first.serial)
    with db.begin() as slow:
        lifecycle.suspend(slow, approval, HoldSource.DOSSIER, clock.now())
        scene.suspend(second)  # draws a higher number and commits first
        follower.look()
        assert told(responder.answer(data).der) == ["good"]
        with db.read() as tx:
            assert (
                records.last_event_id(tx)
                > slow.execute(
                    text("SELECT max(id) FROM status_event WHERE certificate_id = :id"),
                    {"id": first.id},
                ).scalar_one()
            )
    follower.look()
    assert told(responder.answer(data).der) == ["certificate_hold"]
    db.dispose()


def test_renewed_at_half_life(both: Scene) -> None:
    """A remembered answer is signed anew before half of its validity is over (BR 4.9.9)."""
    responder, follower = _following(both, validity=timedelta(hours=24))
    data = ask(both.issuer_der, both.issue().serial)
    follower.look()
    first = responder.answer(data)
    assert isinstance(both.clock, SetClock)
    both.clock.move_to(both.clock.now() + timedelta(hours=10))
    follower.look()
    assert responder.answer(data).der == first.der
    both.clock.move_to(both.clock.now() + timedelta(hours=2))
    follower.look()
    renewed = responder.answer(data)
    assert renewed.source is Source.LIVE
    assert renewed.this_update == both.clock.now()


def test_index_is_read_anew(both: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new delegate is taken up without a restart."""
    responder, follower = _following(both)
    newer: list[Index] = [both.index()]
    follower = Follower(responder, reload=lambda: newer[0])
    monkeypatch.setattr("ocsp.follow._RELOAD_SECONDS", 0.0)
    follower._renew_index()
    assert responder.index is newer[0]


def test_memory_is_filled_at_start(both: Scene) -> None:
    """Filling the memory beforehand makes the first question a question of memory."""
    responder, follower = _following(both)
    certificates = [both.issue() for _ in range(3)]
    both.suspend(certificates[1])
    follower.look()
    # The delegate itself, the sub CA and the three.
    assert preload(responder) >= 3
    responder._lookup.db = Database("sqlite:////nowhere/at/all.db")
    answers = [responder.answer(ask(both.issuer_der, each.serial)).der for each in certificates]
    assert [told(each) for each in answers] == [["good"], ["certificate_hold"], ["good"]]


def test_memory_too_small_is_not_filled(both: Scene) -> None:
    """Where there are more certificates than room, nothing is loaded beforehand."""
    responder, follower = _following(both, most_known=1)
    both.issue()
    follower.look()
    assert preload(responder) == 0


def test_responder_without_memory_follows_nothing(both: Scene) -> None:
    """A follower for a responder that remembers nothing is a mistake, and refused."""
    with pytest.raises(ValueError, match="memory"):
        Follower(both.responder())


def test_within_a_second_under_threads(db: Database) -> None:
    """While others ask without pause, a committed change shows within a second, in every answer."""
    scene = relying.scene(db, SystemClock())
    certificate = scene.issue()
    made = scene.responder()
    responder = Responder(db, scene.clock, made.index, Settings(), memory=Memory(100))
    follower = Follower(responder)
    follower.start()
    data = ask(scene.issuer_der, certificate.serial)
    stop = threading.Event()
    answers: list[tuple[float, str]] = []

    def keep_asking() -> None:
        while not stop.is_set():
            began = time.monotonic()
            answers.append((began, told(responder.answer(data).der)[0]))

    askers = [threading.Thread(target=keep_asking) for _ in range(2)]
    for each in askers:
        each.start()
    time.sleep(0.3)
    scene.suspend(certificate)
    committed = time.monotonic()
    time.sleep(1.2)
    stop.set()
    for each in askers:
        each.join()
    follower.stop()
    late = [status for began, status in answers if began > committed + _FRESHNESS_SECONDS]
    assert set(late) == {"certificate_hold"}
    assert {status for _, status in answers} == {"good", "certificate_hold"}
