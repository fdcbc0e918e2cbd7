"""Counts what a responder does, cheaply enough for every answer.

Plain integers under the interpreter's lock: a count lost in a race does no harm, a lock on the hot
path would. `metrics` shows them to the world.
"""

from bisect import bisect_left
from dataclasses import dataclass, field

from ocsp.model import Answer, CertStatus, Degraded, ResponseStatus, Source

LATENCY_BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0)
"""The upper bounds of the latency histogram's buckets, in seconds."""


class Tally:
    """One count that only grows."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


@dataclass(slots=True)
class Latency:
    """A histogram of the seconds between a request's arrival at our code and its answer."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS) + 1))
    total: float = 0.0

    def observe(self, seconds: float) -> None:
        """Count one answer."""
        self.buckets[bisect_left(LATENCY_BOUNDS, seconds)] += 1
        self.total += seconds


class Meter:
    """The counts of one process."""

    def __init__(self) -> None:
        """Begin at zero, with every series in place."""
        self.told = {
            (status, source): Tally()
            for status in CertStatus
            for source in (Source.LIVE, Source.CACHE, Source.RESERVE)
        }
        self.responses = {status: Tally() for status in ResponseStatus}
        self.degraded = {kind: Tally() for kind in Degraded}
        self.latency = Latency()
        self.signing = 0

    def count(self, answer: Answer) -> None:
        """Count an answer: its response status, and what it says of each certificate."""
        self.responses[answer.status].count += 1
        for status in answer.statuses:
            self.told[status, answer.source].count += 1
        if answer.degraded is not None:
            self.degraded[answer.degraded].count += 1

    def repeats(self, status: CertStatus) -> tuple[Tally, Tally]:
        """Return the counts to raise when a kept answer with this status is given again."""
        return self.responses[ResponseStatus.SUCCESSFUL], self.told[status, Source.CACHE]
