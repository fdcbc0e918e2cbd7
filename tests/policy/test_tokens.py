"""The token: its way to the customer, and the lock that is retried until it is done."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Refused
from policy.tokens import TokenEvent, TokenState, advance

STRAIGHT = [
    (TokenEvent.PERSONALISE, TokenState.PERSONALISED),
    (TokenEvent.SHIP, TokenState.SHIPPED),
    (TokenEvent.DELIVER, TokenState.DELIVERED),
    (TokenEvent.ACTIVATE, TokenState.ACTIVATED),
]
FINAL = TokenState.PERMANENTLY_LOCKED


def test_a_token_goes_from_stock_to_its_holder():
    """Personalised, shipped, delivered, activated: each follows the one before it."""
    state = TokenState.STOCK
    for event, following in STRAIGHT:
        state = advance(state, event)
        assert state is following


@pytest.mark.parametrize("skipped", range(len(STRAIGHT) - 1))
def test_no_step_is_skipped(skipped: int):
    """A token is not shipped unpersonalised, nor activated before it was delivered."""
    state = TokenState.STOCK if skipped == 0 else STRAIGHT[skipped - 1][1]
    with pytest.raises(Refused) as refusal:
        advance(state, STRAIGHT[skipped + 1][0])
    assert refusal.value.code == "token_event"


def test_a_returned_parcel_can_be_sent_again():
    """What the courier brings back is shipped anew."""
    back = advance(TokenState.SHIPPED, TokenEvent.RETURN)
    assert advance(back, TokenEvent.SHIP) is TokenState.SHIPPED


def test_a_locked_pin_is_unlocked_again():
    """A holder who forgot the PIN gets the same token back."""
    locked = advance(TokenState.ACTIVATED, TokenEvent.LOCK_PIN)
    assert advance(locked, TokenEvent.UNLOCK_PIN) is TokenState.ACTIVATED


@pytest.mark.parametrize(
    "state",
    [
        TokenState.PERSONALISED,
        TokenState.SHIPPED,
        TokenState.DELIVERED,
        TokenState.ACTIVATED,
        TokenState.PIN_LOCKED,
        TokenState.LOST,
    ],
)
def test_every_token_in_use_can_be_locked_for_ever(state: TokenState):
    """Ordered, confirmed, for ever: three acts, from every state in which a token can sign."""
    pending = advance(state, TokenEvent.ORDER_LOCK)
    assert pending is TokenState.LOCK_PENDING
    locked = advance(pending, TokenEvent.CONFIRM_LOCK)
    assert locked is TokenState.LOCKED
    assert advance(locked, TokenEvent.LOCK_FOR_EVER) is FINAL


def test_a_lock_is_ordered_again_until_the_token_answers():
    """An offline token goes on signing, so the order is repeated, and only an answer ends it."""
    assert advance(TokenState.LOCK_PENDING, TokenEvent.ORDER_LOCK) is TokenState.LOCK_PENDING
    with pytest.raises(Refused):
        advance(TokenState.LOCK_PENDING, TokenEvent.LOCK_FOR_EVER)


def test_a_lock_that_is_pending_is_not_undone():
    """Between order and answer a token is neither activated nor declared lost."""
    for event in (TokenEvent.ACTIVATE, TokenEvent.UNLOCK_PIN, TokenEvent.LOSE):
        with pytest.raises(Refused, match="is lock_pending does not take"):
            advance(TokenState.LOCK_PENDING, event)


@pytest.mark.parametrize("event", sorted(TokenEvent))
def test_permanently_locked_is_final(event: TokenEvent):
    """A token that is locked for ever takes nothing more."""
    with pytest.raises(Refused, match="takes nothing more"):
        advance(FINAL, event)


@given(st.lists(st.sampled_from(TokenEvent), max_size=30))
def test_a_token_signs_again_only_before_its_lock_was_ordered(events: list[TokenEvent]):
    """Whatever happens in whatever order, after a lock was ordered no token is activated again."""
    state, ordered = TokenState.STOCK, False
    for event in events:
        try:
            state = advance(state, event)
        except Refused:
            continue
        ordered = ordered or event is TokenEvent.ORDER_LOCK
        if ordered:
            assert state in {TokenState.LOCK_PENDING, TokenState.LOCKED, FINAL}
