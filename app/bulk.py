"""Bulk issuance by several processes, each with its own database handle and sessions.

The rows are handed out in portions, and a process issues its portion batch by batch (policy.bulk).
While processors are left, each has another process beside it that signs. What was handed out when
a process or the machine dies is found again by its decision when the file is brought again.
"""

import gc
import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

from app.wiring import Works
from core.database import chunked
from core.errors import Unavailable
from policy import bulk
from policy.bulk import Asked, Result
from policy.enrol import Desk

BATCH = 100
"""How many certificates share their commits where one batch is signed while the next is made."""
BATCH_ALONE = 500
"""How many do where nothing goes on beside: more in one commit cost less each."""
MOST_BATCHES = 20
"""How many batches a process is handed out at once, in a long file."""
# How many new objects the cycle collector lets come together; 700 by itself.
_YOUNG = 10_000

_issuing: Callable[[Sequence[Asked]], list[Result]] | None = None


def issue(home: Path, actor: str, rows: Sequence[Asked], *, processes: int) -> Iterator[Result]:
    """Issue what the rows ask for by so many processes; yield the results as they come.

    Raises Unavailable when a process dies. Ending the iteration early lets what was handed out
    end, and hands out no more.
    """
    portions = chunked(rows, _portion(len(rows), processes))
    context = multiprocessing.get_context("spawn")
    ahead = to_spare(processes) and len(rows) > processes * BATCH
    pool = ProcessPoolExecutor(
        processes, mp_context=context, initializer=_open, initargs=(home, actor, ahead)
    )
    with pool:
        first = itertools.islice(portions, 2 * processes)
        running = {pool.submit(_issue, each) for each in first}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                for some in itertools.islice(portions, 1):
                    running.add(pool.submit(_issue, some))
                yield from _results(each)


def collect_seldom() -> None:
    """Tell the cycle collector that what this process has by now stays, and to look seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG)


def issue_here(desk: Desk, some: Sequence[Asked], *, ahead: bool) -> list[Result]:
    """Issue one portion here; with `ahead`, one batch is signed while the next is made."""
    batches = chunked(some, BATCH if ahead else BATCH_ALONE)
    return list(bulk.issue(desk, batches, ahead=ahead))


def to_spare(processes: int) -> bool:
    """Whether the machine has processors left to sign beside so many processes."""
    return processes < len(os.sched_getaffinity(0))


def _portion(rows: int, processes: int) -> int:
    """Return how many rows are handed out at once: the processes are to end together."""
    return max(BATCH, min(MOST_BATCHES * BATCH, rows // (4 * processes)))


def _results(done: Future[list[Result]]) -> list[Result]:
    try:
        return done.result()
    except BrokenProcessPool:
        raise Unavailable(
            "A process that issued certificates died; bring the same file again, and it goes on."
        ) from None


def _open(home: Path, actor: str, ahead: bool) -> None:  # noqa: FBT001 - a pool's initargs
    """Begin a process: the desk is its own. The keyboard stops the one that hands out."""
    global _issuing  # noqa: PLW0603 - what a pool's process has is its module's
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    works = Works(home)
    if ahead:
        works.sign_apart()
    _issuing = partial(issue_here, works.desk(actor), ahead=ahead)
    collect_seldom()


def _issue(some: list[Asked]) -> list[Result]:
    if _issuing is None:
        raise RuntimeError("A process issues after it was opened.")
    return _issuing(some)
