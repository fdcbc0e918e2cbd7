"""Notices go out: at least once, channel after channel, and one that fails holds up no other.

A round claims a batch (commit 1: the try is counted, the notice rests for a lease), sends outside
of any transaction, and records how it went (commit 2). A crash in between sends the same message
again after the lease, under the same key, by which a channel's other end can know it.

What no text can be made of is put aside with its reason, tried again later, and holds up nothing.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from core import audit
from core.database import Tx
from core.errors import AntinError, Conflict, Unavailable
from policy import notices
from policy.channels.letters import Away, Bounced, Channel, Deferred, Message
from policy.delivery import DONE, GIVEN_UP, PUBLISHED, Delivery, State, Terms, next_channel
from policy.office import Office
from policy.records import deliveries, outbox
from policy.records.outbox import Notice
from policy.wording import Letterhead

LEASE = timedelta(minutes=5)
ASIDE = timedelta(hours=1)
_BATCH = 50
_MOST_SERIAL = 40
_MOST_TOLD = 3

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """The channels in the order in which they are tried, and the terms on which."""

    channels: Sequence[Channel]
    letterhead: Letterhead
    terms: Terms = field(default_factory=Terms)
    resting: dict[str, datetime] = field(default_factory=dict, init=False, repr=False)
    """Until when a channel that was away is left alone; known to this process only."""


@dataclass(frozen=True, slots=True)
class _Job:
    notice: Notice
    message: Message
    channel: Channel
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class _Result:
    """How a job went; `pause` is given where it is not the pause after a failed try."""

    job: _Job
    after: Delivery
    pause: timedelta | None = None
    tried: bool = True


@dataclass(slots=True)
class _Round:
    """What one call found: how many messages went out, and what an operator should know."""

    sent: int = 0
    troubles: list[str] = field(default_factory=list)
    stop: bool = False


def deliver_due(office: Office, post: Post, *, seconds: float = 5.0) -> int:
    """Send what is due, for about `seconds`; return how many messages the channels took.

    Raises Unavailable at the end when a channel is away or a notice was put aside; the rest is
    sent all the same.
    """
    until, done = time.monotonic() + seconds, _Round()
    try:
        while not done.stop and time.monotonic() < until:
            claimed, jobs = _claim(office, post, done)
            _record(office, post, _send(office, post, jobs, until, done))
            if not claimed:
                break
    finally:
        for channel in post.channels:
            channel.close()
    if done.troubles:
        raise Unavailable(_told(list(dict.fromkeys(done.troubles))))
    return done.sent


def _told(troubles: Sequence[str]) -> str:
    """Return the first few sentences, for a lost key makes one of every notice."""
    left = len(troubles) - _MOST_TOLD
    more = [f"There are {left} more; see `antin notice list --which aside`."] if left > 0 else []
    return " ".join([*troubles[:_MOST_TOLD], *more])


def retry(office: Office, notice_id: int) -> None:
    """Try a notice again at once, from its first channel on; raises Conflict when it was sent."""
    now = office.clock.now()
    with office.db.begin() as tx:
        notice = outbox.notice_named(tx, notice_id, lock=True)
        made = deliveries.deliveries_of(tx, [notice_id])[notice_id]
        if any(each.state in DONE for each in made):
            raise Conflict(
                f"The notice {notice_id} was sent; report it as bounced if it came back."
            )
        deliveries.withdraw(tx, notice_id)
        for each in made:
            if each.channel != PUBLISHED:
                again = replace(each, state=State.WAITING, attempts=0, begun_at=now, changed_at=now)
                deliveries.put_delivery(tx, again)
        outbox.schedule(tx, [notice_id], now)
        _audit(tx, office, notice, "retry", now)


def bounced(office: Office, notice_id: int) -> str:
    """Record that a notice that was sent came back; its next channel is due. Return the old one."""
    now = office.clock.now()
    with office.db.begin() as tx:
        notice = outbox.notice_named(tx, notice_id, lock=True)
        made = deliveries.deliveries_of(tx, [notice_id])[notice_id]
        sent = [each for each in made if each.state in DONE]
        if not sent:
            raise Conflict(
                f"The notice {notice_id} was not sent, so that it cannot have come back."
            )
        back = replace(
            sent[-1], state=State.BOUNCED, changed_at=now, sentence="It was reported to come back."
        )
        deliveries.put_delivery(tx, back)
        outbox.schedule(tx, [notice_id], now)
        _audit(tx, office, notice, "bounced", now, channel=back.channel)
    return back.channel


def _claim(office: Office, post: Post, done: _Round) -> tuple[int, list[_Job]]:
    """Take a batch in one commit: every try is counted before it is made."""
    jobs: list[_Job] = []
    with office.db.begin() as tx:
        now = office.clock.now()
        waiting = outbox.due_notices(tx, now, _BATCH)
        made = deliveries.deliveries_of(tx, [each.id for each in waiting])
        for each in waiting:
            message = _compose(tx, office, post, each, done)
            if message is None:
                continue
            job = _job(post, each, message, made[each.id], now)
            if job is None:
                _publish(tx, office, each, now)
            else:
                deliveries.put_delivery(tx, job.delivery)
                jobs.append(job)
        outbox.schedule(tx, [job.notice.id for job in jobs], now + LEASE)
    return len(waiting), jobs


def _compose(tx: Tx, office: Office, post: Post, notice: Notice, done: _Round) -> Message | None:
    """Return the message, or put the notice aside with the reason why there is none."""
    try:
        return notices.compose(tx, office, notice, post.letterhead)
    except AntinError as error:
        trouble = str(error)
    except (KeyError, TypeError, ValueError) as error:  # values that an older release queued
        trouble = f"The notice {notice.id} cannot be read: {type(error).__name__}."
    outbox.schedule(tx, [notice.id], office.clock.now() + ASIDE, trouble=trouble)
    done.troubles.append(f"The notice {notice.id} was put aside: {trouble}")
    return None


def _job(
    post: Post, notice: Notice, message: Message, made: Sequence[Delivery], now: datetime
) -> _Job | None:
    """Return what to do for a notice, or None when no channel is left."""
    reach = {each.name: each for each in post.channels if each.reaches(message.to)}
    name = next_channel([each.name for each in post.channels], reach.keys(), made)
    if name == PUBLISHED:
        return None
    before = next((each for each in made if each.channel == name), None)
    delivery = Delivery(
        notice_id=notice.id,
        channel=name,
        state=State.WAITING,
        attempts=before.attempts + 1 if before else 1,
        begun_at=before.begun_at if before else now,
        changed_at=now,
        sentence=before.sentence if before else "",
    )
    return _Job(notice, message, reach[name], delivery)


def _send(
    office: Office, post: Post, jobs: Sequence[_Job], until: float, done: _Round
) -> list[_Result]:
    """Send one after the other; what is not begun in time counts as no try."""
    results: list[_Result] = []
    for job in jobs:
        if results and time.monotonic() >= until:
            results.append(_untried(job, timedelta(0)))
            done.stop = True
            continue
        result = _send_one(office, post, job, done)
        done.sent += result.after.state in DONE
        results.append(result)
    return results


def _send_one(office: Office, post: Post, job: _Job, done: _Round) -> _Result:
    name, now = job.channel.name, office.clock.now()
    rest = post.resting.get(name, now) - now
    if rest > timedelta(0):
        return _untried(job, rest)
    try:
        receipt = job.channel.send(job.message)
    except Away as error:
        post.resting[name] = now + error.pause
        done.stop |= not error.pause
        done.troubles.append(str(error))
        before = replace(job.delivery, attempts=job.delivery.attempts - 1, sentence=str(error))
        return _Result(job, before, pause=error.pause)
    except Bounced as error:
        return _Result(job, replace(job.delivery, state=State.BOUNCED, sentence=str(error)))
    except Deferred as error:
        return _Result(job, replace(job.delivery, sentence=str(error)))
    except Exception as error:  # noqa: BLE001 - whatever it is, the other notices do not wait
        kind = type(error).__name__
        _log.error("The channel %s failed on notice %s: %s.", name, job.notice.id, kind)
        return _Result(job, replace(job.delivery, sentence=f"The channel failed: {kind}."))
    state = State.DELIVERED if receipt.arrived else State.SENT
    after = replace(job.delivery, state=state, sentence="", reference=receipt.reference)
    return _Result(job, after)


def _untried(job: _Job, pause: timedelta) -> _Result:
    before = replace(job.delivery, attempts=job.delivery.attempts - 1)
    return _Result(job, before, pause=pause, tried=False)


def _record(office: Office, post: Post, results: Sequence[_Result]) -> None:
    """Record a batch in one commit."""
    if not results:
        return
    with office.db.begin() as tx:
        now = office.clock.now()
        for each in results:
            after = replace(each.after, changed_at=now)
            if after.state is State.WAITING and each.tried and post.terms.spent(after, now):
                after = replace(after, state=State.FAILED)
            deliveries.put_delivery(tx, after)
            outbox.schedule(tx, [after.notice_id], _due(after, post.terms, each.pause, now))


def _due(
    delivery: Delivery, terms: Terms, pause: timedelta | None, now: datetime
) -> datetime | None:
    if delivery.state in DONE:
        return None
    if delivery.state in GIVEN_UP:
        return now
    return now + (terms.pause(delivery.attempts) if pause is None else pause)


def _publish(tx: Tx, office: Office, notice: Notice, now: datetime) -> None:
    """No channel is left: the look-up site says that there is a notice, not what it says."""
    serial = str(notices.values_of(notice).get("serial", ""))[:_MOST_SERIAL]
    deliveries.withdraw(tx, notice.id)  # another worker, whose lease ran out, may have been here
    deliveries.publish(tx, notice, serial, now)
    deliveries.put_delivery(
        tx,
        Delivery(
            notice_id=notice.id,
            channel=PUBLISHED,
            state=State.PUBLISHED,
            attempts=1,
            begun_at=now,
            changed_at=now,
            sentence="No channel is left; the look-up site says so.",
        ),
    )
    outbox.schedule(tx, [notice.id], None)
    _audit(tx, office, notice, "publish", now)


def _audit(tx: Tx, office: Office, notice: Notice, act: str, now: datetime, **detail: str) -> None:
    audit.append(
        tx,
        at=now,
        actor=office.actor,
        act=f"notice.{act}",
        subject=f"subscriber:{notice.subscriber_id}",
        notice=notice.id,
        **detail,
    )
