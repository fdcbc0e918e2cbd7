"""One certificate follows another: renewed, with a new key, or with changed data.

The new one is decided and issued like any other, from the register as it is now; what it may
follow is the engine's to judge (ca.order). A renewed certificate runs to its own end. What a new
key or new data replaces is revoked at the subscriber's request, in a commit of its own, once the
new one is there. The same command again is the same act, and goes on where it was interrupted.
"""

import hashlib
from datetime import timedelta

from ca import records as engine
from ca.model import Act, Certificate, Succession
from ca.order import Replacement
from core import serials
from core.errors import AntinError, Refused
from core.reasons import Reason
from policy import facts, orders, rules
from policy.enrol import Desk, Wish, allowed, enrol_all
from policy.model import Party, Request, Wanted
from policy.rulebook import Rulebook

_USUAL = {
    Succession.RENEWAL: Reason.SUPERSEDED,
    Succession.REKEY: Reason.SUPERSEDED,
    Succession.REISSUE: Reason.AFFILIATION_CHANGED,
}


def follow(
    desk: Desk,
    serial: int,
    request: bytes,
    kind: Succession,
    *,
    years: int,
    verified: bool,
    reason: Reason | None = None,
) -> Certificate:
    """Issue what follows the certificate `serial`, for the key of a PKCS#10 request.

    `verified` says that the subscriber's wish was verified, without which nothing is replaced;
    `reason` is what the older one is revoked for, if not the usual one. Raises Refused with the
    reasons, Invalid for a malformed request, NotFound, SigningUnavailable.
    """
    office = desk.office
    with office.db.read() as tx:
        old = engine.by_serial(tx, serial)
        known = facts.of_certificate(tx, old)
    rulebook = office.rulebook(office.clock.now(), known)
    why = reason or _USUAL[kind]
    ends = None
    if kind is not Succession.RENEWAL:
        ends = Request(by=Party.SUBSCRIBER, ground=_ground(rulebook, why), verified=verified)
        if not old.revoked:
            _refuse_unless_it_may_end(desk, old, ends)
    window = timedelta(days=rulebook.limits.renewal_days_before_end)
    replaces = Replacement(serial=old.serial, kind=kind, reason=why, window=window)
    made = _issue(desk, old.subscriber, request, years, replaces)
    if ends is not None and not old.revoked:
        orders.ask(office, serial, Wanted.REVOKE, ends)
    return made


def _issue(
    desk: Desk, subscriber: str, request: bytes, years: int, replaces: Replacement
) -> Certificate:
    told = b"\0".join((serials.to_bytes(replaces.serial), replaces.kind.encode(), request))
    wish = Wish(
        subscriber=subscriber,
        request=request,
        years=years,
        decision=f"follow-{hashlib.sha256(told).hexdigest()[:40]}",
        replaces=replaces,
    )
    (outcome,) = enrol_all(desk, [wish])
    if isinstance(outcome, AntinError):
        raise outcome
    return outcome


def _refuse_unless_it_may_end(desk: Desk, old: Certificate, ends: Request) -> None:
    """Ask the rules before anything is issued; the answer that counts is given at the act."""
    office, now = desk.office, desk.office.clock.now()
    with office.db.read() as tx:
        known = facts.of_certificate(tx, old, request=ends)
    allowed(rules.admit(Wanted.REVOKE, known, office.rulebook(now, known), now))


def _ground(rulebook: Rulebook, reason: Reason) -> str:
    """Return the ground on which a subscriber has a certificate revoked for `reason`."""
    names = [
        name
        for name, each in rulebook.grounds.items()
        if each.act is Act.REVOKE and each.reason is reason and Party.SUBSCRIBER in each.by
    ]
    if len(names) != 1:
        raise Refused(
            f"{rulebook.reference} has {len(names)} grounds on which a subscriber may end a "
            f"certificate for {reason}; one is needed to replace it.",
            code="no_ground_to_replace",
        )
    return names[0]
