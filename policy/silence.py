"""Orders that an authority wants kept from the subscriber: what of a history is not told outside.

Status lists show that a certificate is held or revoked to everyone; these orders' ground they do
not show, and neither do notices and look-up pages.
"""

from collections.abc import Sequence

from ca import history
from ca import records as engine
from ca.model import Act, Certificate, HoldSource, StatusEvent
from core.database import Tx
from policy.model import Decision
from policy.records import decisions


def ordered(decision: Decision) -> bool:
    """Whether an authority ordered that the subscriber is not told."""
    request = decision.facts.request
    return request is not None and request.silent


def kept_silent(tx: Tx, events: Sequence[StatusEvent]) -> set[str]:
    """Return the decisions behind a certificate's history of which the subscriber is not told."""
    by_authority = {
        each.decision
        for each in events
        if each.source is HoldSource.AUTHORITY or each.act is Act.REVOKE
    }
    found = decisions.kept(tx, by_authority)
    return {key for key, each in found.items() if isinstance(each, Decision) and ordered(each)}


def silent_holds(tx: Tx, certificate: Certificate) -> set[HoldSource]:
    """Return the sources of the open holds of which the subscriber is not told."""
    if HoldSource.AUTHORITY not in certificate.standing.sources:
        return set()
    events = engine.events(tx, certificate.id)
    silent = kept_silent(tx, events)
    return {
        each.source
        for each in history.holds(events)
        if each.lifted_at is None and each.decision in silent
    }
