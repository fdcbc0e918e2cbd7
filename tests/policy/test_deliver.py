"""The chain of channels: tries, pauses, bounces, and the look-up site as the last resort."""

import logging
from datetime import timedelta

import pytest

from core.errors import Conflict, NotFound, Unavailable
from policy.channels.letters import Away, Bounced, Deferred, Receipt, Recipient
from policy.deliver import Post, bounced, deliver_due, retry
from policy.delivery import Delivery, State, Terms
from policy.records import deliveries, outbox
from policy.records.deliveries import Publication
from policy.records.outbox import Notice
from tests.support.crash import Crash, CrashingDatabase
from tests.support.dossiers import ANNOUNCED_AT
from tests.support.office import Bureau, person, taints
from tests.support.post import Scripted, post

NO = Bounced("The mail server refused the message: 550.")
LATER = Deferred("The mail server put the message off: 451.")


@pytest.fixture
def told(bureau: Bureau) -> Bureau:
    """KH00001 lacks a contract; one reminder waits, notice 1."""
    bureau.enrol("KH00001", without=["contract"])
    bureau.move(ANNOUNCED_AT)
    bureau.campaign()
    return bureau


def _made(bureau: Bureau, notice: int = 1) -> list[Delivery]:
    with bureau.db.read() as tx:
        return deliveries.deliveries_of(tx, [notice])[notice]


def _states(bureau: Bureau, notice: int = 1) -> dict[str, str]:
    return {each.channel: each.state.value for each in _made(bureau, notice)}


def _notice(bureau: Bureau, notice: int = 1) -> Notice:
    with bureau.db.read() as tx:
        return outbox.notice_named(tx, notice)


def _published(bureau: Bureau) -> list[Publication]:
    with bureau.db.read() as tx:
        return deliveries.published_of_subscriber(tx, "KH00001")


def test_first_channel_that_reaches(told: Bureau) -> None:
    """A channel without the subscriber's address is passed over without a try."""
    mail = Scripted("email", reaches=lambda _: False)
    sms = Scripted("sms", Receipt(reference="m-1", arrived=True))
    assert deliver_due(told.office, post(mail, sms)) == 1
    assert (mail.got, _states(told)) == ([], {"sms": "delivered"})
    assert _made(told)[0].reference == "m-1"
    assert (mail.closed, sms.closed) == (1, 1)


def test_bounce_goes_on_at_once(told: Bureau) -> None:
    """What one channel refuses for good the next one gets in the same round."""
    mail, letter = Scripted("email", NO), Scripted("letter")
    assert deliver_due(told.office, post(mail, letter)) == 1
    assert _states(told) == {"email": "bounced", "letter": "sent"}
    assert _made(told)[0].sentence == str(NO)
    assert _notice(told).due_at is None


def test_tries_with_growing_pauses(told: Bureau) -> None:
    """A message that is put off is tried again after 1, 4 and 16 minutes, then the next channel."""
    mail, letter = Scripted("email", LATER), Scripted("letter")
    way = post(mail, letter, terms=Terms(tries=4))
    for minutes in (1, 4, 16):
        assert deliver_due(told.office, way) == 0
        assert _notice(told).due_at == told.clock.now() + timedelta(minutes=minutes)
        told.tick(seconds=minutes * 60 - 1)
        assert deliver_due(told.office, way) == 0
        told.tick(seconds=1)
    assert len(mail.got) == 3
    assert deliver_due(told.office, way) == 1
    assert _states(told) == {"email": "failed", "letter": "sent"}
    assert len({each.key for each in (*mail.got, *letter.got)}) == 1


def test_channel_that_is_away_costs_no_try(told: Bureau) -> None:
    """While a channel is away it is asked once a minute, and no try is counted; a day is enough."""
    mail, letter = Scripted("email", Away("The mail server is away.")), Scripted("letter")
    way = post(mail, letter)
    for _ in range(10):
        with pytest.raises(Unavailable, match="The mail server is away"):
            deliver_due(told.office, way)
        assert deliver_due(told.office, way) == 0
        told.tick(minutes=1)
    assert len(mail.got) == 10
    (made,) = _made(told)
    assert (made.attempts, made.sentence) == (0, "The mail server is away.")
    told.tick(hours=24)
    with pytest.raises(Unavailable):
        deliver_due(told.office, way)
    assert _states(told) == {"email": "failed", "letter": "sent"}


def test_away_channel_is_asked_once_for_all(lite: Bureau) -> None:
    """A hundred notices do not each wait for a server that is away; other channels go on."""
    for number in range(1, 8):
        lite.enrol(f"KH{number:05}", without=["contract"])
    lite.move(ANNOUNCED_AT)
    lite.campaign()
    addresses = [person(f"KH{number:05}").email for number in (1, 2, 3, 4)]
    mail = Scripted(
        "email", Away("The mail server is away."), reaches=lambda to: to.email in addresses
    )
    sms = Scripted("sms")
    with pytest.raises(Unavailable):
        deliver_due(lite.office, post(mail, sms))
    assert (len(mail.got), len(sms.got)) == (1, 3)


def test_published_when_no_channel_is_left(told: Bureau) -> None:
    """A notice that reaches nobody is published: that there is one, about which certificate."""
    certificate = told.facts(told.all_of("KH00001")[0]).certificate
    assert certificate is not None
    assert deliver_due(told.office, post(Scripted("email", NO), Scripted("sms", NO))) == 0
    assert _states(told) == {"email": "bounced", "sms": "bounced", "published": "published"}
    (published,) = _published(told)
    assert (published.serial, published.template) == (certificate.serial, "remind")
    with told.db.read() as tx:
        assert deliveries.published_of_serial(tx, certificate.serial) == [published]
        assert deliveries.count_states(tx) == {"bounced": 2, "published": 1}
    assert deliver_due(told.office, post(Scripted("email"))) == 0


def test_retry_of_a_published_notice(told: Bureau) -> None:
    """A retry begins at the first channel, and the look-up site is silent again."""
    deliver_due(told.office, post(Scripted("email", NO)))
    retry(told.office, 1)
    assert _published(told) == []
    assert deliver_due(told.office, post(Scripted("email"))) == 1
    assert _states(told) == {"email": "sent"}
    with pytest.raises(Conflict, match="notice 1 was sent"):
        retry(told.office, 1)
    with pytest.raises(NotFound, match="number 2"):
        retry(told.office, 2)
    assert [each.act for each in told.trail() if each.act.startswith("notice.")] == [
        "notice.publish",
        "notice.retry",
    ]


def test_reported_bounce(told: Bureau) -> None:
    """What came back days later goes out by the next channel; who was never sent cannot bounce."""
    mail, letter = Scripted("email"), Scripted("letter")
    way = post(mail, letter)
    with pytest.raises(Conflict, match="was not sent"):
        bounced(told.office, 1)
    deliver_due(told.office, way)
    told.tick(days=2)
    assert bounced(told.office, 1) == "email"
    assert deliver_due(told.office, way) == 1
    assert _states(told) == {"email": "bounced", "letter": "sent"}
    assert bounced(told.office, 1) == "letter"
    assert deliver_due(told.office, way) == 0
    assert _states(told)["published"] == "published"


def test_published_twice_is_published(told: Bureau) -> None:
    """Two workers that both find no channel left publish one notice, and no round fails."""
    way = post(Scripted("email", NO))
    deliver_due(told.office, way)
    with told.db.begin() as tx:
        outbox.schedule(tx, [1], told.clock.now())  # as a worker does that was overtaken
    assert deliver_due(told.office, way) == 0
    assert len(_published(told)) == 1


def test_many_troubles_are_told_in_short(lite: Bureau) -> None:
    """When nothing can be read the worker says so in a few sentences and a number."""
    lite.enter("KH00001")
    with lite.db.begin() as tx:
        for _ in range(120):
            outbox.add_notice(tx, "KH00001", "hold", "{}", lite.clock.now())
    with pytest.raises(Unavailable, match=r"There are 117 more; see") as caught:
        deliver_due(lite.office, post(Scripted("email")))
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("persisted", [False, True])
@pytest.mark.parametrize("commit", [1, 2])
def test_crash_sends_the_same_again(told: Bureau, *, commit: int, persisted: bool) -> None:
    """A crash loses nothing; what was sent and not recorded is sent again under the same key."""
    mail = Scripted("email")
    crashing = told.on(CrashingDatabase(told.db, commit, persisted=persisted)).office
    with pytest.raises(Crash):
        deliver_due(crashing, post(mail))
    sent_before = len(mail.got)
    assert deliver_due(told.office, post(mail)) == (commit == 1 and not persisted)
    told.tick(minutes=5)
    deliver_due(told.office, post(mail))
    assert len({each.key for each in mail.got}) == 1
    assert len(mail.got) == (2 if (commit, persisted) == (2, False) else 1)
    assert sent_before == commit - 1
    assert _states(told) == {"email": "sent"}


def test_unforeseen_failure_names_nobody(told: Bureau, caplog: pytest.LogCaptureFixture) -> None:
    """An error that a channel did not foresee is a failed try; log and record name no person."""
    secret = person("KH00001").email
    mail = Scripted("email", RuntimeError(f"boom at {secret}"))
    with caplog.at_level(logging.DEBUG):
        assert deliver_due(told.office, post(mail)) == 0
    (made,) = _made(told)
    assert (made.state, made.attempts) == (State.WAITING, 1)
    kept = caplog.text + repr(made) + repr(told.trail()) + repr(mail.got) + repr(_notice(told))
    assert "RuntimeError" in kept
    assert not [each for each in taints(person("KH00001")) if each in kept]


def test_time_that_is_up_costs_no_try(lite: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round sends for its time alone; what it did not begin is due again, uncounted."""
    for number in range(1, 4):
        lite.enrol(f"KH{number:05}", without=["contract"])
    lite.move(ANNOUNCED_AT)
    lite.campaign()
    ticks = iter(range(100))
    monkeypatch.setattr("policy.deliver.time.monotonic", lambda: float(next(ticks)))
    mail = Scripted("email")
    assert deliver_due(lite.office, post(mail), seconds=3.0) == 2
    assert _made(lite, 3)[0].attempts == 0
    assert deliver_due(lite.office, post(mail), seconds=3.0) == 1


def test_two_workers_share_the_post(told: Bureau) -> None:
    """What one worker has claimed another one leaves alone until the lease is over."""
    first, second = Scripted("email"), Scripted("email")

    class Interrupted(Scripted):
        def send(self, message):
            assert deliver_due(told.office, post(second)) == 0
            return super().send(message)

    first = Interrupted("email")
    assert deliver_due(told.office, post(first)) == 1
    assert (len(first.got), second.got) == (1, [])


def test_recipients_show_nothing() -> None:
    """No print of what is sent shows a person."""
    assert repr(Recipient(name="Lê Ngọc Hân", email="a@b.vn")) == "Recipient(...)"
    assert "Lê" not in repr(Post(channels=(), letterhead=post().letterhead))
