"""Replays a recorded spring through the real product, with the clock set to each recorded instant.

At one instant the order is: what the campaign does, then what happened, then what a clock that runs
out then demands; so a paper that arrives at 24:00 of a term's last day is in time, and one that
arrives at the stroke of a campaign's date is not earlier than it.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from app import create, recording, responders, trail
from app.recording import LOCAL, Enrolment, Event, Recording
from app.wiring import Works
from ca import records as engine
from ca.model import Act
from core.clock import SetClock
from core.errors import AntinError, Invalid, NotFound
from policy import enrol, intake, orders, planning, remedy, sweep
from policy.cases import CaseEvent
from policy.model import Document, Party, Request, Wanted
from policy.records import cases

CAMPAIGN = "spring"
_STEPS = {
    "video_verified": CaseEvent.VIDEO_VERIFIED,
    "video_failed": CaseEvent.VIDEO_FAILED,
    "payment_requested": CaseEvent.PAYMENT_REQUESTED,
    "payment_received": CaseEvent.PAYMENT_RECEIVED,
    "courier_failed": CaseEvent.COURIER_FAILED,
}
_REQUESTS = {
    "hold_ordered": (Wanted.SUSPEND, Party.AUTHORITY, "authority_order"),
    "revocation_requested": (Wanted.REVOKE, Party.SUBSCRIBER, "subscriber_request"),
    "key_lost": (Wanted.REVOKE, Party.SUBSCRIBER, "key_lost"),
}
_FIRST, _THEN = 0, 1

Step = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dates:
    """The dates of the campaign: announced, held, revoked, and where the recording ends."""

    announced_at: datetime = datetime(2024, 3, 20, 16, 0, tzinfo=LOCAL)
    hold_at: datetime = datetime(2024, 4, 20, tzinfo=LOCAL)
    revoke_at: datetime = datetime(2024, 5, 2, tzinfo=LOCAL)
    until: datetime = datetime(2024, 6, 15, tzinfo=LOCAL)

    def moved(self, by: timedelta) -> "Dates":
        """Return the dates moved by `by`."""
        return Dates(
            announced_at=self.announced_at + by,
            hold_at=self.hold_at + by,
            revoke_at=self.revoke_at + by,
            until=self.until + by,
        )


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of a replay: the instance, its dates, and the events that the rules refused."""

    works: Works
    dates: Dates
    recorded: Recording
    refused: list[tuple[Event, str]] = field(default_factory=list)


Progress = Callable[[int, int, datetime], None]


def replay(
    recorded: Recording,
    home: Path,
    *,
    dates: Dates,
    plan: create.Plan,
    progress: Progress = lambda _done, _of, _now: None,
) -> Outcome:
    """Create an instance in `home` and live through the recording; `progress` hears of each act.

    The `plan` is followed, but for an issuing CA that lives as long as the recording needs.
    """
    if not recorded.enrolments:
        raise Invalid("The recording names no subscriber, so there is nothing to replay.")
    start = min(each.at for each in recorded.enrolments) - timedelta(days=1)
    clock = SetClock(start)
    plan = replace(plan, issuing_years=_years_needed(recorded, start))
    works = create.create(home, plan, clock=clock)
    outcome = Outcome(works=works, dates=dates, recorded=recorded)
    _Replay(outcome, clock, progress).run()
    return outcome


def _years_needed(recorded: Recording, start: datetime) -> int:
    """Return for how many years the issuing CA must live so that nothing outlives it."""
    last = max(each.at + timedelta(days=366 * each.years) for each in recorded.enrolments)
    return max(create.ISSUING_YEARS, (last - start).days // 365 + 2)


class _Replay:
    """The recorded instants in their order, and the clock's own beside them."""

    def __init__(self, outcome: Outcome, clock: SetClock, progress: Progress) -> None:
        self._outcome = outcome
        self._works = outcome.works
        self._clock = clock
        self._progress = progress
        self._office = self._works.office("replay:spring")
        self._desk = self._works.desk("replay:spring")
        self._timetable = self._make_timetable()

    def run(self) -> None:
        """Live through every instant up to the end, then stand at the end."""
        dates = self._outcome.dates
        for each in self._outcome.recorded.enrolments:
            enrol.enter(self._office, each.subscriber)
        total, done = len(self._timetable), 0
        while self._timetable and self._timetable[0][0] <= dates.until:
            instant = self._timetable[0][0]
            self._clocks_run_out(before=instant)
            self._clock.move_to(instant)
            while self._timetable and self._timetable[0][0] == instant:
                heapq.heappop(self._timetable)[3]()
                done += 1
                self._progress(done, total, instant)
            self._settle()
            self._publish(instant)
        self._clocks_run_out(before=dates.until + timedelta(microseconds=1))
        self._clock.move_to(dates.until)
        responders.certify(self._works)
        for issuer in ("root", self._works.instance.config.issuer):
            self._works.publish_crl(issuer)
        trail.seal(self._works, sign_now=True)

    def _make_timetable(self) -> list[tuple[datetime, int, int, Step]]:
        dates, recorded = self._outcome.dates, self._outcome.recorded
        acts: list[tuple[datetime, int, Step]] = [
            (dates.announced_at, _FIRST, self._announce),
            (dates.hold_at, _FIRST, partial(self._enforce, Act.SUSPEND)),
            (dates.revoke_at, _FIRST, partial(self._enforce, Act.REVOKE)),
        ]
        acts.extend((each.at, _THEN, partial(self._issue, each)) for each in recorded.enrolments)
        acts.extend(
            (at, _THEN, partial(self._receive, who, papers))
            for at, who, papers in _held_before(recorded)
        )
        acts.extend(
            (batch[0].at, _THEN, partial(self._happen, batch))
            for batch in _batches(recorded.events)
        )
        timetable = [(at, rank, order, act) for order, (at, rank, act) in enumerate(acts)]
        heapq.heapify(timetable)
        return timetable

    def _clocks_run_out(self, *, before: datetime) -> None:
        """Let every clock of a case that runs out earlier than `before` do its work, in order."""
        while True:
            with self._works.db.read() as tx:
                due = [each for each in remedy.next_due(self._office, tx) if each < before]
            if not due:
                return
            self._clock.move_to(max(due[0], self._clock.now()))
            self._settle()
            self._publish(self._clock.now())

    def _settle(self) -> None:
        remedy.settle_due(self._office)
        with self._works.db.read() as tx:
            locked = remedy.tokens_to_lock(tx)
        for token in locked:  # in this recording every token reports its lock at once
            remedy.confirm_lock(self._office, token)

    def _publish(self, instant: datetime) -> None:
        if instant >= self._outcome.dates.announced_at:
            self._works.publish_crl(self._works.instance.config.issuer, only_if_due=True)

    def _announce(self) -> None:
        dates = self._outcome.dates
        director = replace(self._office, actor="operator:director")
        planning.plan(self._office, CAMPAIGN, hold_at=dates.hold_at, revoke_at=dates.revoke_at)
        planning.simulate(self._office, CAMPAIGN)
        planning.approve(director, CAMPAIGN)
        sweep.announce(self._office, CAMPAIGN)

    def _enforce(self, act: Act) -> None:
        sweep.enforce(self._office, CAMPAIGN, act)

    def _issue(self, each: Enrolment) -> None:
        enrol.enrol(self._desk, each.subscriber.id, each.request, years=each.years)

    def _receive(self, customer: str, papers: tuple[Document, ...]) -> None:
        intake.receive(self._office, customer, papers)

    def _happen(self, batch: tuple[Event, ...]) -> None:
        """Do what an event says; what the rules refuse is noted, and the spring goes on."""
        try:
            self._do(batch)
        except Invalid:
            raise
        except AntinError as error:
            self._outcome.refused.append((batch[0], str(error)))

    def _do(self, batch: tuple[Event, ...]) -> None:
        event = batch[0]
        if event.name == "document_received":
            papers = tuple(recording.document(each) for each in batch)
            intake.receive(self._office, event.customer, papers)
        elif event.name == "photos_uploaded":
            remedy.open_case(self._office, event.customer)
        elif event.name == "token_shipped":
            token = event.detail.get("token", "")
            remedy.ship(self._desk, self._case(event), token, _token_request(token))
        elif event.name == "token_received":
            remedy.deliver(self._office, self._case(event))
        elif event.name in _STEPS:
            remedy.step(self._office, self._case(event), _STEPS[event.name])
        elif event.name in _REQUESTS:
            self._ask(event)
        else:
            raise Invalid(
                f"The recording knows no event {event.name!r} ({event.customer}, "
                f"{event.at.isoformat()})."
            )

    def _case(self, event: Event) -> str:
        with self._works.db.read() as tx:
            own = cases.cases_of(tx, [event.customer]).get(event.customer)
        if not own:
            raise NotFound(f"The customer {event.customer!r} has no remedy case.")
        return own[-1].id

    def _ask(self, event: Event) -> None:
        wanted, by, ground = _REQUESTS[event.name]
        with self._works.db.read() as tx:
            own = engine.of_subscriber(tx, event.customer)
        request = Request(
            by=by,
            ground=ground,
            verified=event.detail.get("verified") == "yes",
            reference=event.detail.get("ref", ""),
        )
        if own:
            orders.ask(self._office, own[0].serial, wanted, request)


def _held_before(recorded: Recording) -> Iterator[tuple[datetime, str, tuple[Document, ...]]]:
    """Yield the papers that the office held before the notice, those of one day together."""
    papers = sorted(recorded.documents, key=lambda each: (each[1].received_at, each[0]))
    for (at, who), group in groupby(papers, key=lambda each: (each[1].received_at, each[0])):
        yield at, who, tuple(paper for _, paper in group)


def _batches(events: tuple[Event, ...]) -> Iterator[tuple[Event, ...]]:
    """Yield events one by one, but the papers that one customer brought at one instant together."""

    def key(event: Event) -> tuple[object, ...]:
        papers = event.name == "document_received"
        return (event.at, event.customer) if papers else (id(event),)

    for _, group in groupby(events, key=key):
        yield tuple(group)


def _token_request(token: str) -> bytes:
    """Return the request for a new key; a stand-in for the token's own, which never leaves it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, token or "token")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name)
    return request.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
