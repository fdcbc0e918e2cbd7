"""Long lists of keys in pieces that every database takes as parameters of one query."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

_MOST = 500

T = TypeVar("T")


def batches(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield `values` in lists of at most 500."""
    wanted = list(values)
    for start in range(0, len(wanted), _MOST):
        yield wanted[start : start + _MOST]
