"""Enrolment: the register, the decision to issue (committed either way), then the engine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from ca import csr, issue, names
from ca.issue import Order, Outcome
from ca.issuers import SigningIssuer
from ca.model import Act, Certificate, HoldSource
from ca.order import Replacement
from ca.profiles import Profiles
from core import audit
from core.database import Tx
from core.errors import AntinError, NotFound, Refused
from policy import decisions, facts, identifiers, register, rules
from policy.model import Decision, Facts, Refusal, Wanted
from policy.office import Office
from policy.records import decisions as stored
from policy.records import subscribers
from policy.records.cases import Case
from policy.register import Subscriber
from policy.rulebook import Rulebook


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What issuance needs beside the office: the issuer with its key, and the profiles."""

    office: Office
    issuer: SigningIssuer
    profiles: Profiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One certificate that is asked for: whose, for which key (PKCS#10), for how many years.

    With a remedy `case` it is issued on hold. `decision` names the decision to issue in advance,
    so that the same wish, brought again, is the same act. `replaces` says which one it follows.
    """

    subscriber: str
    request: bytes
    years: int
    case: Case | None = None
    decision: str = ""
    replaces: Replacement | None = None


class _Work:
    """One wish on its way; `outcome` is set when it has ended."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.key = wish.decision or decisions.new_key()
        self.public_key: csr.PublicKey | None = None
        self.subscriber: Subscriber | None = None
        self.subject: x509.Name | None = None
        self.facts: Facts | None = None
        self.decision: Decision | None = None
        self.outcome: Outcome | None = None

    @property
    def wanted(self) -> Wanted:
        return Wanted.ISSUE if self.wish.case is None else Wanted.ISSUE_ON_HOLD

    def settle(self, ruling: Decision | Refusal) -> None:
        try:
            self.decision = allowed(ruling)
        except Refused as refusal:
            self.outcome = refusal


def enter(office: Office, new: Subscriber) -> tuple[str, ...]:
    """Enter a subscriber in the register; raises Conflict when the id is taken.

    Returns what looks wrong in the entry; it is stored for the officer and refuses nothing.
    """
    with office.db.begin() as tx:
        return add(tx, office, new)


def add(tx: Tx, office: Office, new: Subscriber) -> tuple[str, ...]:
    """Enter a subscriber within the caller's commit; see `enter`."""
    now = office.clock.now()
    found = identifiers.warnings(new, office.day(now))
    subscribers.add_subscriber(tx, office.vault, new, found)
    audit.append(
        tx,
        at=now,
        actor=office.actor,
        act="subscriber.register",
        subject=f"subscriber:{new.id}",
        kind=new.kind,
        warnings=len(found),
    )
    return found


def amend(tx: Tx, office: Office, new: Subscriber, changed: Sequence[str]) -> tuple[str, ...]:
    """Write what changed in a subscriber's entry, within the caller's commit.

    `changed` names the columns, for the audit trail, which holds no values. Certificates keep the
    data that they were issued with until they are re-issued. Returns what looks wrong.
    """
    now = office.clock.now()
    found = identifiers.warnings(new, office.day(now))
    subscribers.amend_subscriber(tx, office.vault, new, found)
    audit.append(
        tx,
        at=now,
        actor=office.actor,
        act="subscriber.amend",
        subject=f"subscriber:{new.id}",
        changed=list(changed),
        warnings=len(found),
    )
    return found


def enrol(
    desk: Desk, subscriber_id: str, request: bytes, *, years: int, case: Case | None = None
) -> Certificate:
    """Issue a certificate for `years` calendar years less a second, from now.

    With a remedy `case` it is issued on hold, not activated. Raises Refused with the reasons (they
    are stored), Invalid for a malformed request, SigningUnavailable.
    """
    wish = Wish(subscriber=subscriber_id, request=request, years=years, case=case)
    (outcome,) = enrol_all(desk, [wish])
    if isinstance(outcome, AntinError):
        raise outcome
    return outcome


def enrol_all(desk: Desk, wishes: Sequence[Wish]) -> list[Outcome]:
    """Issue many certificates with shared commits; return what became of each wish, in order.

    A refusal stops no other, and is stored with its reasons. A wish whose `decision` was made by
    an earlier try goes on from there; no two of them may name the same.
    """
    begun = begin(desk, wishes)
    begun.sign()
    return begun.end()


def begin(desk: Desk, wishes: Sequence[Wish]) -> "Enrolment":
    """Decide on many wishes and record what is to be signed for them; see `enrol_all`."""
    office, works = desk.office, [_Work(wish) for wish in wishes]
    now = office.clock.now()
    rulebook = office.rulebook(now)
    _each(works, lambda work: _check(work, rulebook))
    _look_up(office, works, rulebook)
    _decide(office, _open(works), now)  # COMMIT 1: the decisions either way
    allowed_ones = _open(works)
    orders = [_order(desk, work, now) for work in allowed_ones]
    begun = issue.begin(office.db, office.clock, desk.issuer, orders)  # COMMIT 2: pending
    return Enrolment(works, allowed_ones, begun)


class Enrolment:
    """Wishes that were decided, and what was allowed of them recorded: to be signed, then ended."""

    def __init__(self, works: list[_Work], ordered: list[_Work], issuance: issue.Issuance) -> None:
        """Keep the wishes, those that were allowed, and these on their way; made by `begin`."""
        self._works, self._ordered, self._issuance = works, ordered, issuance

    def sign(self) -> None:
        """Have the token sign what was recorded; reaches no database."""
        self._issuance.sign()

    def end(self) -> list[Outcome]:
        """Record what was signed as issued; return what became of each wish, in order."""
        for work, outcome in zip(self._ordered, self._issuance.end(), strict=True):  # COMMIT 3
            work.outcome = outcome
        return [_outcome(work) for work in self._works]


def _open(works: Sequence[_Work]) -> list[_Work]:
    return [work for work in works if work.outcome is None]


def _outcome(work: _Work) -> Outcome:
    if work.outcome is None:
        raise RuntimeError("A wish was left without an outcome.")
    return work.outcome


def _each(works: Sequence[_Work], step: Callable[[_Work], None]) -> None:
    """Do a step for each open work; an error is that work's outcome."""
    for work in _open(works):
        try:
            step(work)
        except AntinError as error:
            work.outcome = error


def _check(work: _Work, rulebook: Rulebook) -> None:
    work.public_key = csr.load(work.wish.request)
    _check_years(work.wish.years, rulebook)


def _look_up(office: Office, works: Sequence[_Work], rulebook: Rulebook) -> None:
    """Find subscribers, earlier decisions, and the facts for those that are to be made."""
    open_works = _open(works)
    with office.db.read() as tx:
        known = subscribers.subscribers_of(
            tx, office.vault, {work.wish.subscriber for work in open_works}
        )
        made = stored.earlier(tx, [work.key for work in open_works if work.wish.decision])
        for work in open_works:
            work.subscriber = known.get(work.wish.subscriber)
            work.decision = made.get(work.key)
        undecided = [work for work in open_works if work.decision is None]
        wanted = [(work.wish.subscriber, work.wish.case) for work in undecided]
        for work, found in zip(undecided, facts.of_all_wanted(tx, wanted), strict=True):
            work.facts = found
    _each(works, lambda work: _name(work, rulebook))


def _name(work: _Work, rulebook: Rulebook) -> None:
    """Find the certificate's name, which comes from the register."""
    if work.subscriber is None:
        raise NotFound(f"The register has no subscriber {work.wish.subscriber!r}.")
    work.subject = names.build(register.subject(work.subscriber, rulebook))


def _decide(office: Office, works: Sequence[_Work], now: datetime) -> None:
    rulings = {}
    for work in works:
        if work.decision is not None or work.facts is None:
            continue
        ruling = rules.admit(work.wanted, work.facts, office.rulebook(now, work.facts), now)
        if not isinstance(ruling, Decision):
            # Named by chance: the same wish may be allowed another time.
            work.key = decisions.new_key()
        rulings[work.key] = ruling
        work.settle(ruling)
    if rulings:
        with office.db.begin() as tx:
            decisions.record_all(tx, rulings, office.actor)


def _order(desk: Desk, work: _Work, now: datetime) -> Order:
    if not (work.decision and work.public_key and work.subscriber and work.subject):
        raise RuntimeError("Nothing is ordered before it is decided.")
    return Order(
        approval=decisions.approval(work.key, work.decision, Act.ISSUE, desk.office.actor),
        profile=desk.profiles[work.subscriber.kind],
        subject=work.subject,
        public_key=work.public_key,
        not_before=now,
        not_after=_years_later(now, work.wish.years) - timedelta(seconds=1),
        on_hold=work.decision.source is HoldSource.NOT_ACTIVATED,
        replaces=work.wish.replaces,
    )


def allowed(ruling: Decision | Refusal) -> Decision:
    """Return the decision; raises Refused with every reason when it is a refusal."""
    if isinstance(ruling, Decision):
        return ruling
    reasons = " ".join((ruling.sentence, *ruling.reasons))
    raise Refused(f"{reasons} ({ruling.clause}, {ruling.rulebook})", code=ruling.code)


def _check_years(years: int, rulebook: Rulebook) -> None:
    most = rulebook.limits.certificate_years
    if not 1 <= years <= most:
        raise Refused(
            f"A certificate for {years} years is not allowed; {rulebook.reference} allows "
            f"1 to {most}.",
            code="validity_too_long",
        )


def _years_later(start: datetime, years: int) -> datetime:
    try:
        return start.replace(year=start.year + years)
    except ValueError:  # 29 February, in a year that has none
        return start.replace(year=start.year + years, day=28)
