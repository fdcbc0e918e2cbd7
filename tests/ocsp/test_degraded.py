"""When something is away: what is still known to be true is told, counted; nothing is guessed."""

import threading
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from core.clock import SetClock
from core.database import Database
from core.errors import SigningUnavailable
from ocsp import health
from ocsp.answer import Responder
from ocsp.follow import Follower
from ocsp.lease import NEVER
from ocsp.memory import LAG_SECONDS, Memory
from ocsp.model import Answer, Degraded, ResponseStatus, Settings, Source, WithoutNonce
from ocsp.reserve import Keeper
from ocsp.room import Full, Room
from tests.support import relying
from tests.support.relying import Scene, ask, told

_NONCE = b"n" * 16


class Key:
    """A P-256 key whose token can be taken away."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.curve = key.curve
        self.away = False
        self.signed = 0

    def sign(self, data: bytes, algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Sign, or raise when the token is away."""
        if self.away:
            raise SigningUnavailable("The token is away.")
        self.signed += 1
        return self._key.sign(data, algorithm)


class Stage:
    """A responder that follows its database, with a key and a database that can be taken away."""

    def __init__(self, scene: Scene, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.scene = scene
        self.now = 1000.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)
        index = scene.index()
        self.key = Key(scene.responder_key)  # type: ignore[arg-type] # the tests' keys are EC
        (speaking,) = [each for each in index.authorities() if each.signers]
        object.__setattr__(speaking.signers[0], "key", self.key)
        self.index = index
        self.responder = Responder(
            scene.db, scene.clock, index, settings, memory=Memory(settings.most_known)
        )
        self.follower = Follower(self.responder)
        self.follower.look()

    def take_database_away(self) -> None:
        """Let every read of the database fail."""
        away = Database("sqlite:////nowhere/at/all.db", read_only=True)
        self.responder.db = self.responder._lookup.db = away

    def bring_database_back(self) -> None:
        """Let reads work again."""
        self.responder.db = self.responder._lookup.db = self.scene.db

    def pass_time(self, seconds: float) -> None:
        """Let time pass on both clocks, with a look at the database at the end."""
        self.now += seconds
        assert isinstance(self.scene.clock, SetClock)
        self.scene.clock.move_to(self.scene.clock.now() + timedelta(seconds=seconds))
        self.follower.look()

    def answer(self, serial: int, **how: object) -> Answer:
        """Ask about one serial."""
        return self.responder.answer(ask(self.scene.issuer_der, serial, **how))  # type: ignore[arg-type]


@pytest.fixture
def stage(scene: Scene, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A responder at work; settings by indirect parameters."""
    return Stage(scene, Settings(**getattr(request, "param", {})), monkeypatch)


def test_database_away(stage: Stage) -> None:
    """What was answered before is answered within the reserve time, marked, and then not at all."""
    serial = stage.scene.issue().serial
    before = stage.answer(serial)
    stage.take_database_away()
    stage.pass_time(LAG_SECONDS + 1)
    kept = stage.answer(serial)
    assert kept.der == before.der
    assert (kept.degraded, kept.lease, kept.max_age) == (Degraded.DATABASE_AWAY, NEVER, 10)
    stage.pass_time(15 * 60)
    assert stage.answer(serial).status is ResponseStatus.TRY_LATER


def test_database_away_and_never_asked(stage: Stage) -> None:
    """Of a certificate that is not remembered nothing is told while the database is away."""
    serial = stage.scene.issue().serial
    stage.take_database_away()
    stage.pass_time(LAG_SECONDS + 1)
    assert stage.answer(serial).status is ResponseStatus.TRY_LATER
    assert stage.answer(4711).status is ResponseStatus.TRY_LATER
    stage.bring_database_back()
    stage.pass_time(0.1)
    assert told(stage.answer(serial).der) == ["good"]


def test_this_update_is_when_it_was_seen(stage: Stage) -> None:
    """What is signed while the database is away says since when it is known: thisUpdate."""
    serial = stage.scene.issue().serial
    stage.answer(serial)
    seen = stage.scene.clock.now()
    stage.take_database_away()
    stage.pass_time(60)
    answer = stage.answer(serial, nonce=_NONCE)
    (single,) = relying.singles(answer.der)
    assert seen - timedelta(seconds=1) <= single["this_update"].native <= seen
    assert answer.degraded is Degraded.DATABASE_AWAY
    assert stage.answer(serial, algorithm="sha256").degraded is Degraded.DATABASE_AWAY


def test_change_while_away_shows_on_return(stage: Stage) -> None:
    """A change made while we could not see it shows at the first look after."""
    certificate = stage.scene.issue()
    stage.answer(certificate.serial)
    stage.take_database_away()
    stage.pass_time(5)
    stage.scene.suspend(certificate)
    assert told(stage.answer(certificate.serial).der) == ["good"]
    stage.bring_database_back()
    stage.pass_time(0.1)
    assert told(stage.answer(certificate.serial).der) == ["certificate_hold"]


def test_no_request_waits_for_a_database_away(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the database is away no request asks it."""
    serial = stage.scene.issue().serial
    stage.pass_time(0.1)
    stage.now += LAG_SECONDS + 1  # no look since
    monkeypatch.setattr(Database, "read", lambda _: pytest.fail("A request asked the database."))
    assert stage.answer(serial).status is ResponseStatus.TRY_LATER


def test_token_away(stage: Stage) -> None:
    """Without the token remembered answers go on, also past their renewal, to their nextUpdate."""
    serial = stage.scene.issue().serial
    stage.pass_time(0.1)
    before = stage.answer(serial)
    stage.key.away = True
    stage.pass_time(60)
    assert stage.answer(serial).source is Source.CACHE
    stage.pass_time(13 * 3600)
    kept = stage.answer(serial)
    assert (kept.der, kept.degraded) == (before.der, Degraded.SIGNING_AWAY)
    stage.pass_time(11 * 3600)
    assert stage.answer(serial).status is ResponseStatus.TRY_LATER


def test_token_away_and_status_changed(stage: Stage) -> None:
    """Without the token a changed certificate gets tryLater, never its answer of before."""
    certificate = stage.scene.issue()
    stage.answer(certificate.serial)
    stage.key.away = True
    stage.scene.suspend(certificate)
    stage.pass_time(0.1)
    assert stage.answer(certificate.serial).status is ResponseStatus.TRY_LATER


def test_reserve_carries_on_without_the_token(stage: Stage) -> None:
    """With a reserve every certificate is answered without the token, though never asked before."""
    good, held = stage.scene.issue(), stage.scene.issue()
    stage.scene.suspend(held)
    keeper = Keeper(stage.scene.db, stage.scene.clock, stage.index, stage.responder.settings)
    keeper.round(60.0)
    stage.key.away = True
    stage.pass_time(0.1)
    for serial, status in ((good.serial, "good"), (held.serial, "certificate_hold")):
        for algorithm in ("sha1", "sha256"):
            answer = stage.answer(serial, algorithm=algorithm)
            relying.verify(answer.der, stage.scene.issuer_der)
            assert (told(answer.der), answer.source) == ([status], Source.RESERVE)
    assert stage.answer(good.serial, algorithm="sha512").status is ResponseStatus.TRY_LATER
    stage.scene.revoke(good)
    stage.pass_time(0.1)
    assert stage.answer(good.serial).status is ResponseStatus.TRY_LATER


def test_nonce_is_left_out_without_the_token(stage: Stage) -> None:
    """Without the token a nonce is left out, as RFC 9654 allows, and that answer is for one."""
    serial = stage.scene.issue().serial
    before = stage.answer(serial)
    stage.key.away = True
    answer = stage.answer(serial, nonce=_NONCE)
    assert answer.der == before.der
    assert (answer.degraded, answer.max_age) == (Degraded.NONCE_LEFT_OUT, None)


@pytest.mark.parametrize("stage", [{"without_nonce": WithoutNonce.TRY_LATER}], indirect=True)
def test_or_told_to_try_later(stage: Stage) -> None:
    """By configuration it is tryLater instead."""
    serial = stage.scene.issue().serial
    stage.answer(serial)
    stage.key.away = True
    assert stage.answer(serial, nonce=_NONCE).status is ResponseStatus.TRY_LATER


def test_several_without_the_token(stage: Stage) -> None:
    """Several certificates at once need a signature, so that without the token it is tryLater."""
    stage.answer(1)
    stage.key.away = True
    assert stage.answer(1, nonce=None).status is ResponseStatus.TRY_LATER
    data = ask(stage.scene.issuer_der, 1, 2, nonce=_NONCE)
    assert stage.responder.answer(data).status is ResponseStatus.TRY_LATER


def test_health_tells_what_is_away(stage: Stage) -> None:
    """Health names a database out of sight and a delegate that is not valid."""
    assert health.troubles(stage.responder) == []
    stage.take_database_away()
    stage.pass_time(10)
    (sentence,) = health.troubles(stage.responder)
    assert sentence == "The database was last seen 10.0 s ago; what was true then is told."
    stage.pass_time(3600)
    assert health.troubles(stage.responder)[0].endswith("requests are told to try later.")
    stage.bring_database_back()
    stage.pass_time(100 * 24 * 3600)
    (sentence,) = health.troubles(stage.responder)
    assert sentence.startswith("No OCSP certificate of issuing is valid now")


def test_health_before_the_first_look(scene: Scene) -> None:
    """Before the database was ever seen the responder is not ready."""
    made = scene.responder()
    responder = Responder(scene.db, scene.clock, made.index, made.settings, memory=Memory(10))
    assert health.troubles(responder) == ["The database was not seen yet."]
    assert responder.answer(ask(scene.issuer_der, 1)).status is ResponseStatus.TRY_LATER


def test_health_warns_of_an_ending_delegate(stage: Stage) -> None:
    """A delegate that ends within two weeks is named in time."""
    assert health.warnings(stage.responder) == []
    stage.pass_time(80 * 24 * 3600)
    (sentence,) = health.warnings(stage.responder)
    assert "ends at" in sentence


def test_room_is_bounded() -> None:
    """Beyond those inside and those who may wait, everybody is turned away at once."""
    room = Room(1)
    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with room:
            entered.set()
            leave.wait()

    thread = threading.Thread(target=stay)
    thread.start()
    entered.wait()
    with pytest.raises(Full, match="too long"), room:
        pass
    leave.set()
    thread.join()
    with room:
        pass


def test_nonce_flood_starves_nobody(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the room for nonces is full the nonce is left out, and those without go on."""
    serial = stage.scene.issue().serial
    stage.answer(serial)
    monkeypatch.setattr(Room, "__enter__", _full)
    assert stage.answer(serial, nonce=_NONCE).degraded is Degraded.NONCE_LEFT_OUT
    assert stage.answer(serial).source is Source.CACHE


def _full(_: Room) -> None:
    raise Full("Too many answers wait to be signed.")
