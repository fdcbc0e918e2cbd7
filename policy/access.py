"""Look-up codes: who has one reads the look-up pages as the subscriber."""

import secrets
from datetime import timedelta

from core.errors import NotFound
from policy import notices
from policy.office import Office
from policy.records import codes, subscribers

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that is taken for another
_LENGTH = 12
_LASTS = timedelta(days=90)


def give_code(office: Office, subscriber_id: str, *, send: bool = False) -> str:
    """Return a new look-up code for a subscriber, told once and kept as a hash; raises NotFound.

    It is sent as notices are, or handed over by a contact that is the subscriber's own.
    """
    code = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    now = office.clock.now()
    with office.db.begin() as tx:
        if not subscribers.kinds_of(tx, [subscriber_id]):
            raise NotFound(f"The register has no subscriber {subscriber_id!r}.")
        codes.put(tx, subscriber_id, code, now, now + _LASTS)
        if send:
            notices.queue_code(tx, office, subscriber_id, "lookup_code", code, ends_at=now + _LASTS)
        office.note(tx, "lookup.code", f"subscriber:{subscriber_id}")
    return code
