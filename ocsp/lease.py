"""A lease: the permission to give one signed answer again."""

from datetime import UTC, datetime

_PAST = datetime.min.replace(tzinfo=UTC)


class Lease:
    """Says until when an answer may be given again; it is withdrawn when the status changes.

    `used` tells the memory that somebody still asks for the answer.
    """

    __slots__ = ("until", "used")

    def __init__(self, until: datetime) -> None:
        """Let the answer be repeated before `until`."""
        self.until = until
        self.used = True

    def withdraw(self) -> None:
        """Let nobody give the answer again."""
        self.until = _PAST
