"""The token's states, pure: an event either fits or is refused.

    STOCK -> PERSONALISED -> SHIPPED -> DELIVERED -> ACTIVATED <-> PIN_LOCKED
    any of these -> LOCK_PENDING -> LOCKED -> PERMANENTLY_LOCKED (final), or -> LOST

A lock is ordered, confirmed, and made permanent as three acts, because an offline token goes on
signing until it is locked: LOCK_PENDING is retried until the token answers, a LOST one too.
"""

from enum import StrEnum

from core.errors import Refused


class TokenState(StrEnum):
    """Where a token is; only PERMANENTLY_LOCKED is final."""

    STOCK = "stock"
    PERSONALISED = "personalised"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    ACTIVATED = "activated"
    PIN_LOCKED = "pin_locked"
    LOCK_PENDING = "lock_pending"
    LOCKED = "locked"
    PERMANENTLY_LOCKED = "permanently_locked"
    LOST = "lost"


class TokenEvent(StrEnum):
    """What happens to a token."""

    PERSONALISE = "personalise"
    SHIP = "ship"
    RETURN = "return"
    DELIVER = "deliver"
    ACTIVATE = "activate"
    LOCK_PIN = "lock_pin"
    UNLOCK_PIN = "unlock_pin"
    LOSE = "lose"
    ORDER_LOCK = "order_lock"
    CONFIRM_LOCK = "confirm_lock"
    LOCK_FOR_EVER = "lock_for_ever"


_IN_USE = frozenset(
    {
        TokenState.PERSONALISED,
        TokenState.SHIPPED,
        TokenState.DELIVERED,
        TokenState.ACTIVATED,
        TokenState.PIN_LOCKED,
    }
)
_NEXT: dict[tuple[TokenState, TokenEvent], TokenState] = {
    (TokenState.STOCK, TokenEvent.PERSONALISE): TokenState.PERSONALISED,
    (TokenState.PERSONALISED, TokenEvent.SHIP): TokenState.SHIPPED,
    (TokenState.SHIPPED, TokenEvent.RETURN): TokenState.PERSONALISED,
    (TokenState.SHIPPED, TokenEvent.DELIVER): TokenState.DELIVERED,
    (TokenState.DELIVERED, TokenEvent.ACTIVATE): TokenState.ACTIVATED,
    (TokenState.ACTIVATED, TokenEvent.LOCK_PIN): TokenState.PIN_LOCKED,
    (TokenState.PIN_LOCKED, TokenEvent.UNLOCK_PIN): TokenState.ACTIVATED,
    (TokenState.LOCK_PENDING, TokenEvent.CONFIRM_LOCK): TokenState.LOCKED,
    (TokenState.LOCKED, TokenEvent.LOCK_FOR_EVER): TokenState.PERMANENTLY_LOCKED,
    # Ordered again until the token answers.
    (TokenState.LOCK_PENDING, TokenEvent.ORDER_LOCK): TokenState.LOCK_PENDING,
    (TokenState.LOST, TokenEvent.ORDER_LOCK): TokenState.LOCK_PENDING,
    **{(state, TokenEvent.ORDER_LOCK): TokenState.LOCK_PENDING for state in _IN_USE},
    **{(state, TokenEvent.LOSE): TokenState.LOST for state in _IN_USE},
}


def advance(state: TokenState, event: TokenEvent) -> TokenState:
    """Return the state after `event`; raises Refused (token_event) when it does not fit."""
    following = _NEXT.get((state, event))
    if following is None:
        raise Refused(
            f"A token that is {state} does not take {event}; it takes {_taken(state)}.",
            code="token_event",
        )
    return following


def _taken(state: TokenState) -> str:
    taken = sorted(event for before, event in _NEXT if before is state)
    return " or ".join(taken) or "nothing more"
