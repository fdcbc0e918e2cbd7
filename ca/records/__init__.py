"""The engine's queries: a transaction in, values out; never commits."""

from ca.records.acts import add_event, add_events, all_events, event_of_decision, events
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
from ca.records.issuance import (
    Begun,
    add_pending,
    add_succession,
    begun,
    lock_pending,
    mark_issued,
    mark_lost,
    pending_since,
    predecessor,
    successors,
)
from ca.records.keys import block_keys, blocked, claim_keys, key_of, owners_of
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
    "Begun", "add_event", "add_events", "add_issuer", "add_pending", "add_succession",
    "all_events", "begun", "block_keys", "blocked", "by_decision", "by_id", "by_ids",
    "by_serial", "changes", "claim_keys", "count", "entries_not_good", "entry",
    "event_numbers", "event_of_decision", "events", "horizon", "issuer_named", "issuers",
    "key_of", "last_event_id", "lift_holds", "live", "lock", "lock_pending", "mark_issued",
    "mark_lost", "of_profiles", "of_subscriber", "of_subscribers", "owners_of",
    "pending_since", "predecessor", "set_standing", "successors",
]  # fmt: skip
