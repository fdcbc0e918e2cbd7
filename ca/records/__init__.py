"""The engine's queries: a transaction in, values out; never commits."""

from ca.records.acts import add_event, all_events, event_of_decision, events
from ca.records.authorities import add_issuer, issuer_named, issuers
from ca.records.certificates import (
    by_decision,
    by_id,
    by_ids,
    by_serial,
    count,
    lock,
    of_profiles,
    of_subscriber,
    of_subscribers,
)
from ca.records.issuance import add_pending, claim_key, mark_issued, mark_lost, pending_since
from ca.records.standings import lift_holds, set_standing
from ca.records.statuses import (
    changes,
    entries_not_good,
    entry,
    event_numbers,
    horizon,
    last_event_id,
    live,
)

__all__ = [
    "add_event", "add_issuer", "add_pending", "all_events", "by_decision", "by_id", "by_ids",
    "by_serial", "changes", "claim_key", "count", "entries_not_good", "entry",
    "event_numbers", "event_of_decision", "events", "horizon", "issuer_named", "issuers",
    "last_event_id", "lift_holds", "live", "lock", "mark_issued", "mark_lost", "of_profiles",
    "of_subscriber", "of_subscribers", "pending_since", "set_standing",
]  # fmt: skip
