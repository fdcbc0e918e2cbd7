"""The run's clock for programs that tests start: the machine's, or the one that was moved ahead.

`make test-future` preloads libfaketime. A program that is given an environment of its own keeps the
run's clock with KEPT; one that is told its own time must not have it.
"""

import os
from collections.abc import Mapping

_NAMES = ("LD_PRELOAD", "FAKETIME", "FAKETIME_DONT_FAKE_MONOTONIC")

KEPT: Mapping[str, str] = {name: os.environ[name] for name in _NAMES if name in os.environ}


def without() -> dict[str, str]:
    """Return this process's environment, less what moves the clock."""
    return {name: value for name, value in os.environ.items() if name not in _NAMES}
