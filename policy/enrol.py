"""Enrolment: the register, the decision to issue (committed either way), then the engine."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ca import csr, names
from ca.issue import Order, issue
from ca.issuers import SigningIssuer
from ca.model import Act, Certificate, HoldSource
from ca.profiles import Profiles
from core import audit
from core.database import Tx
from core.errors import Refused
from policy import decisions, facts, identifiers, register, rules
from policy.model import Decision, Refusal, Wanted
from policy.office import Office
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


def enrol(
    desk: Desk, subscriber_id: str, request: bytes, *, years: int, case: Case | None = None
) -> Certificate:
    """Issue a certificate for `years` calendar years less a second, from now.

    With a remedy `case` it is issued on hold, not activated. Raises Refused with the reasons (they
    are stored), Invalid for a malformed request, SigningUnavailable.
    """
    office = desk.office
    now = office.clock.now()
    checked = csr.load(request)
    with office.db.read() as tx:
        subscriber = subscribers.subscriber_of(tx, office.vault, subscriber_id)
    rulebook = office.rulebook(now)
    _check_years(years, rulebook)
    subject = names.build(register.subject(subscriber, rulebook))
    key, decision = _decide(office, subscriber_id, case, now)  # COMMIT 1: the decision either way
    order = Order(
        approval=decisions.approval(key, decision, Act.ISSUE, office.actor),
        profile=desk.profiles[subscriber.kind],
        subject=subject,
        public_key=checked.public_key,
        not_before=now,
        not_after=_years_later(now, years) - timedelta(seconds=1),
        on_hold=decision.source is HoldSource.NOT_ACTIVATED,
    )
    return issue(office.db, office.clock, desk.issuer, order)  # COMMITS 2 and 3


def _decide(
    office: Office, subscriber_id: str, case: Case | None, now: datetime
) -> tuple[str, Decision]:
    wanted = Wanted.ISSUE if case is None else Wanted.ISSUE_ON_HOLD
    with office.db.begin() as tx:
        known = facts.of_wanted(tx, subscriber_id, case=case)
        ruling = rules.admit(wanted, known, office.rulebook(now, known), now)
        key = decisions.record(tx, ruling, office.actor)
    return key, allowed(ruling)


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
