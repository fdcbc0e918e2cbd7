"""The remedy case's states, pure: an event either fits or is refused.

    OPENED -> PHOTOS_RECEIVED -> VIDEO_VERIFIED -> PAYMENT_REQUESTED -> PAID -> TOKEN_SHIPPED
           -> TOKEN_RECEIVED (the clock starts) -> DOSSIER_RECEIVED -> ACTIVATED

A representative of several companies leaves the self-service path (MULTI_COMPANY) until an officer
takes the case up for one company; a failed video call may be tried again or handed to an officer, a
failed courier tried again; an unpaid case is closed; a token that is refused or lost takes its
certificate with it, and a new one is sent; a missed date forfeits certificate and token.
"""

from enum import StrEnum

from core.errors import Refused
from policy.model import CaseState


class CaseEvent(StrEnum):
    """What happens in a remedy case."""

    PHOTOS_UPLOADED = "photos_uploaded"
    SEVERAL_COMPANIES = "several_companies"
    TAKEN_UP = "taken_up"
    VIDEO_VERIFIED = "video_verified"
    VIDEO_FAILED = "video_failed"
    HANDED_TO_OFFICER = "handed_to_officer"
    PAYMENT_REQUESTED = "payment_requested"
    PAYMENT_RECEIVED = "payment_received"
    PAYMENT_MISSED = "payment_missed"
    TOKEN_SHIPPED = "token_shipped"  # noqa: S105 - an event, no secret
    COURIER_FAILED = "courier_failed"
    TOKEN_REFUSED = "token_refused"  # noqa: S105 - an event, no secret
    TOKEN_LOST = "token_lost"  # noqa: S105 - an event, no secret
    TOKEN_RECEIVED = "token_received"  # noqa: S105 - an event, no secret
    DOSSIER_RECEIVED = "dossier_received"
    DOSSIER_REJECTED = "dossier_rejected"
    ACTIVATED = "activated"
    DEADLINE_MISSED = "deadline_missed"
    CERTIFICATE_REVOKED = "certificate_revoked"
    FORFEITED = "forfeited"
    EXTENSION_ASKED = "extension_asked"
    EXTENDED = "extended"
    CONTRACT_RETURNED = "contract_returned"


FINAL = frozenset({CaseState.ACTIVATED, CaseState.UNPAID, CaseState.FORFEITED})
"""The states that take no further event: a contract that goes back changes no state."""

_WITH_CERTIFICATE = (
    CaseState.TOKEN_SHIPPED,
    CaseState.COURIER_FAILED,
    CaseState.TOKEN_RECEIVED,
    CaseState.DOSSIER_RECEIVED,
)
_NEXT: dict[tuple[CaseState, CaseEvent], CaseState] = {
    (CaseState.OPENED, CaseEvent.PHOTOS_UPLOADED): CaseState.PHOTOS_RECEIVED,
    (CaseState.OPENED, CaseEvent.SEVERAL_COMPANIES): CaseState.MULTI_COMPANY,
    (CaseState.PHOTOS_RECEIVED, CaseEvent.SEVERAL_COMPANIES): CaseState.MULTI_COMPANY,
    (CaseState.MULTI_COMPANY, CaseEvent.TAKEN_UP): CaseState.PHOTOS_RECEIVED,
    (CaseState.PHOTOS_RECEIVED, CaseEvent.VIDEO_VERIFIED): CaseState.VIDEO_VERIFIED,
    (CaseState.PHOTOS_RECEIVED, CaseEvent.VIDEO_FAILED): CaseState.VIDEO_FAILED,
    (CaseState.VIDEO_FAILED, CaseEvent.VIDEO_VERIFIED): CaseState.VIDEO_VERIFIED,
    (CaseState.VIDEO_FAILED, CaseEvent.VIDEO_FAILED): CaseState.VIDEO_FAILED,
    (CaseState.VIDEO_FAILED, CaseEvent.HANDED_TO_OFFICER): CaseState.WITH_OFFICER,
    (CaseState.WITH_OFFICER, CaseEvent.VIDEO_VERIFIED): CaseState.VIDEO_VERIFIED,
    (CaseState.VIDEO_VERIFIED, CaseEvent.PAYMENT_REQUESTED): CaseState.PAYMENT_REQUESTED,
    (CaseState.PAYMENT_REQUESTED, CaseEvent.PAYMENT_RECEIVED): CaseState.PAID,
    (CaseState.PAYMENT_REQUESTED, CaseEvent.PAYMENT_MISSED): CaseState.UNPAID,
    (CaseState.PAID, CaseEvent.TOKEN_SHIPPED): CaseState.TOKEN_SHIPPED,
    # Lost or refused on the way: the clock does not start, the token is sent again.
    (CaseState.TOKEN_SHIPPED, CaseEvent.COURIER_FAILED): CaseState.COURIER_FAILED,
    (CaseState.COURIER_FAILED, CaseEvent.TOKEN_SHIPPED): CaseState.TOKEN_SHIPPED,
    (CaseState.TOKEN_SHIPPED, CaseEvent.TOKEN_RECEIVED): CaseState.TOKEN_RECEIVED,
    (CaseState.TOKEN_RECEIVED, CaseEvent.DOSSIER_RECEIVED): CaseState.DOSSIER_RECEIVED,
    # Papers that an officer rejects may be sent again while the clock runs.
    (CaseState.DOSSIER_RECEIVED, CaseEvent.DOSSIER_REJECTED): CaseState.TOKEN_RECEIVED,
    (CaseState.DOSSIER_RECEIVED, CaseEvent.ACTIVATED): CaseState.ACTIVATED,
    (CaseState.TOKEN_RECEIVED, CaseEvent.DEADLINE_MISSED): CaseState.DEADLINE_MISSED,
    (CaseState.DOSSIER_RECEIVED, CaseEvent.DEADLINE_MISSED): CaseState.DEADLINE_MISSED,
    # The certificate is revoked first, then the token is locked; only then is the case over.
    (CaseState.DEADLINE_MISSED, CaseEvent.FORFEITED): CaseState.FORFEITED,
    # The token is gone or not wanted: its certificate is revoked, a new one goes into a new token.
    **{(state, CaseEvent.TOKEN_REFUSED): CaseState.TOKEN_REFUSED for state in _WITH_CERTIFICATE},
    **{(state, CaseEvent.TOKEN_LOST): CaseState.TOKEN_LOST for state in _WITH_CERTIFICATE},
    (CaseState.TOKEN_REFUSED, CaseEvent.CERTIFICATE_REVOKED): CaseState.PAID,
    (CaseState.TOKEN_LOST, CaseEvent.CERTIFICATE_REVOKED): CaseState.PAID,
    # On another ground: forged papers, a lost key, the subscriber's own request.
    **{(state, CaseEvent.CERTIFICATE_REVOKED): CaseState.FORFEITED for state in _WITH_CERTIFICATE},
}


def advance(state: CaseState, event: CaseEvent) -> CaseState:
    """Return the state after `event`; raises Refused (case_event) when it does not fit."""
    following = _NEXT.get((state, event))
    if following is None:
        raise Refused(
            f"A remedy case that stands at {state} does not take {event}; it takes "
            f"{_taken(state)}.",
            code="case_event",
        )
    return following


def _taken(state: CaseState) -> str:
    taken = sorted(event for before, event in _NEXT if before is state)
    return " or ".join(taken) or "nothing more"
