"""Keeps Python's cycle collector from stopping a responder that remembers much.

A full collection walks over everything that is remembered, with all requests waiting: 100 ms at
20,000 certificates, and more with each. What is remembered is in no cycle: it is freed when nobody
refers to it any more. Young objects are collected as ever.
"""

import gc

_YOUNG, _MIDDLE = 10_000, 10
_NEVER = 1_000_000_000


def keep_short() -> None:
    """Let no collection of this process look at more than what was made lately."""
    gc.set_threshold(_YOUNG, _MIDDLE, _NEVER)
