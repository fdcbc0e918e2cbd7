"""The engine's queries: a transaction in, values out; never commits."""

from ca.records.acts import (
    acts_before,
    add_event,
    add_events,
    all_events,
    events,
)
from ca.records.authorities import add_issuer, issuer_named, issuers, retire_issuer
from ca.records.certificates import (
    alive_by_subscriber,
    by_decision,
    by_id,
    by_ids,
    by_serial,
    count,
    created_between,
    lock,
    of_key,
    of_profiles,
    of_subscriber,
    of_subscribers,
    unconfirmed,
    unknown_serials,
)
from ca.records.inherited import add_taken_over, by_serials, set_standings
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
from ca.records.periods import alive, ending, events_between, events_of, renewals
from ca.records.plans import add_plan, close_plan, open_plan, open_plans, was_planned
from ca.records.standings import (
    extend_hold,
    held_by,
    holds_ended,
    lift_holds,
    set_confirmed,
    set_standing,
)
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
    "Begun", "acts_before", "add_event", "add_events", "add_issuer", "add_pending", "add_plan",
    "add_succession", "add_taken_over", "alive", "alive_by_subscriber", "all_events", "begun",
    "block_keys", "blocked", "by_decision", "by_id", "by_ids", "by_serial", "by_serials",
    "changes", "claim_keys", "close_plan", "count", "created_between", "ending",
    "entries_not_good", "entry", "event_numbers", "events", "events_between", "events_of",
    "extend_hold", "held_by",
    "holds_ended", "horizon", "issuer_named", "issuers", "key_of", "last_event_id",
    "lift_holds", "live", "lock", "lock_pending", "mark_issued", "mark_lost", "of_key",
    "of_profiles", "of_subscriber", "of_subscribers", "open_plan", "open_plans", "owners_of",
    "pending_since", "predecessor", "renewals", "retire_issuer", "set_confirmed",
    "set_standing", "set_standings", "successors", "unconfirmed", "unknown_serials",
    "was_planned",
]  # fmt: skip
