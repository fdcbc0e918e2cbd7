"""A lease: the permission to give one signed answer again."""

from datetime import UTC, datetime

_PAST = datetime.min.replace(tzinfo=UTC)


class Lease:
    """Says until when an answer may be given again; it is withdrawn when the status changes.

    `algorithm`, the AlgorithmIdentifier of the CertID's hash, tells the answer from others about
    the same certificate: the rest of a CertID follows from the certificate, and its encoding allows
    no second form. `used` tells the memory that somebody still asks for the answer.
    """

    __slots__ = ("algorithm", "until", "used")

    def __init__(self, algorithm: bytes, until: datetime) -> None:
        """Let the answer be repeated before `until`."""
        self.algorithm = algorithm
        self.until = until
        self.used = True

    def withdraw(self) -> None:
        """Let nobody give the answer again."""
        self.until = _PAST


NEVER = Lease(b"", _PAST)
"""The lease of every answer that is given once."""
