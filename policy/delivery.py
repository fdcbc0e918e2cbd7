"""The way of a notice from channel to channel: states, pauses and when a channel is given up. Pure.

    WAITING -> SENT -> DELIVERED          the channel took it; the channel says that it arrived
    WAITING -> BOUNCED | FAILED           refused for good; tried too often or for too long
    SENT | DELIVERED -> BOUNCED           it came back later
    PUBLISHED                             no channel is left: the look-up site says so

Whatever bounced or failed goes to the next channel that reaches the subscriber.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

PUBLISHED = "published"
"""The name under which the look-up site stands among the channels, always the last."""


class State(StrEnum):
    """How one channel fared with one notice."""

    WAITING = "waiting"
    SENT = "sent"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    FAILED = "failed"
    PUBLISHED = "published"


DONE = frozenset({State.SENT, State.DELIVERED})
GIVEN_UP = frozenset({State.BOUNCED, State.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One notice on one channel; `sentence` says how the last try went, without personal data.

    `attempts` counts the tries that were begun, `begun_at` is when the first was, `reference` is
    the channel's own word for the message.
    """

    notice_id: int
    channel: str
    state: State
    attempts: int
    begun_at: datetime
    changed_at: datetime
    sentence: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How often one channel is tried, with which pauses, and for how long at most."""

    tries: int = 6
    first_pause: timedelta = timedelta(minutes=1)
    most_pause: timedelta = timedelta(hours=6)
    give_up: timedelta = timedelta(hours=24)

    def pause(self, attempts: int) -> timedelta:
        """Return how long to wait after so many tries: each pause is four times the one before."""
        times = 4.0 ** min(max(attempts - 1, 0), 15)
        return min(self.first_pause * times, self.most_pause)

    def spent(self, delivery: Delivery, now: datetime) -> bool:
        """Whether this channel is given up when its try at `now` fails too."""
        return delivery.attempts >= self.tries or now - delivery.begun_at >= self.give_up


def next_channel(order: Sequence[str], reach: Collection[str], made: Sequence[Delivery]) -> str:
    """Return the channel to try: the first in `order` within `reach` that was not given up.

    PUBLISHED when there is none.
    """
    over = {each.channel for each in made if each.state in GIVEN_UP}
    return next((name for name in order if name in reach and name not in over), PUBLISHED)
