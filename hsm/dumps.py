"""Keeps the memory of a process that has read a PIN out of core dumps and others' reach."""

import ctypes
import resource
from contextlib import suppress

_PR_SET_DUMPABLE = 4


def forbid() -> None:
    """Let this process leave no core dump and be traced by nobody but root; cheap to repeat.

    The limit alone does not hold where core dumps are piped to a program (core(5)); that is what
    prctl is for. A program that is executed later has it not, but neither has it our memory.
    """
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
