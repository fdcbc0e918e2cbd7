"""Bulk issuance by several processes, each with its own database handle and sessions.

The rows are handed out in portions; a process issues the halves of a portion at the same time, so
that one half is decided, drafted and committed while the token signs the other. What was handed
out when a process or the machine dies is found again by its decision when the file is brought
again (see policy.bulk).
"""

import itertools
import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from app.wiring import Works
from core.database import chunked
from core.errors import Unavailable
from policy import bulk
from policy.bulk import Asked, Result
from policy.enrol import Desk

BATCH = 50
"""How many certificates share their commits."""
AT_ONCE = 2
"""How many batches a process has in hand at the same time."""

_desk: Desk | None = None


def issue(home: Path, actor: str, rows: Sequence[Asked], *, processes: int) -> Iterator[Result]:
    """Issue what the rows ask for by so many processes; yield the results as they come.

    Raises Unavailable when a process dies. Ending the iteration early lets what was handed out
    end, and hands out no more.
    """
    portions = chunked(rows, BATCH * AT_ONCE)
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        processes, mp_context=context, initializer=_open, initargs=(home, actor)
    )
    with pool:
        running = {pool.submit(_issue, each) for each in itertools.islice(portions, 2 * processes)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                running.update(pool.submit(_issue, some) for some in itertools.islice(portions, 1))
                yield from _results(each)


def issue_here(desk: Desk, some: Sequence[Asked]) -> list[Result]:
    """Issue one portion in this process, its batches at the same time."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        batches = threads.map(lambda batch: bulk.issue(desk, batch), chunked(some, BATCH))
        return list(itertools.chain.from_iterable(batches))


def _results(done: Future[list[Result]]) -> list[Result]:
    try:
        return done.result()
    except BrokenProcessPool:
        raise Unavailable(
            "A process that issued certificates died; bring the same file again, and it goes on."
        ) from None


def _open(home: Path, actor: str) -> None:
    """Begin a process: the desk is its own. The keyboard stops the one that hands out."""
    global _desk  # noqa: PLW0603 - what a pool's process has is its module's
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _desk = Works(home).desk(actor)


def _issue(some: list[Asked]) -> list[Result]:
    if _desk is None:
        raise RuntimeError("A process issues after it was opened.")
    return issue_here(_desk, some)
