"""How fast dossiers are decided, and how fast a sweep holds them on PostgreSQL.

    bench/policy.py [--quick | --million] [--json]

Deciding is measured in processor time of one process, on a mix as a CA has it: most dossiers are
complete. The sweep runs the product's own campaign: each hold is one commit with decision, status
event, audit entry and notice, by one process and by two that share it. The aim of the two is the
rate at which 100,000 holds end within ten minutes. `--million` does that itself, and nothing else:
a campaign over 1,000,000 dossiers of which 100,000 lack papers, by two processes beside the worker
and the responder, until CRL and OCSP tell it (see `_sweep`); it takes about 20 minutes.
The database is the tests' own cluster, which does not wait for its disk (fsync off).
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from app import schema
from bench import _sweep
from ca.model import Act
from core.clock import SetClock
from core.database import Database
from policy import rules, sweep
from policy.judgement import judge
from policy.model import Facts
from policy.office import Office
from policy.scope import Scope
from policy.sweep import Share
from tests.support import dossiers, postgres
from tests.support.dossiers import ANNOUNCED_AT, HOLD_AT, ISSUED_AT, RULES
from tests.support.office import Bureau

DECISIONS_AIM = 50_000
HOLDS_AIM = 100_000 / 600
WORKERS = 2

Counts = SimpleQueue[int]


def population(size: int) -> list[Facts]:
    """Return dossiers in campaign, nine complete of ten, the others without their contract."""
    whole, lacking = dossiers.papers(), dossiers.papers(without=["contract"])
    return [dossiers.facts(lacking if n % 10 == 0 else whole) for n in range(size)]


def per_second(act: Callable[[Facts], object], known: list[Facts]) -> float:
    """Return how many dossiers `act` does in a second of processor time; the best of three."""
    best = 0.0
    for _ in range(3):
        start = time.process_time()
        for each in known:
            act(each)
        best = max(best, len(known) / (time.process_time() - start))
    return best


def holds_per_second(alone: int, shared: int) -> tuple[float, float]:
    """Return how many certificates a sweep holds in a second: by one process, then by WORKERS.

    One commit each; reading the whole scope and deciding it first is part of the time.
    """
    with postgres.cluster() as cluster:
        url = cluster.create_database("bench")
        db = Database(url)
        schema.upgrade(db)
        bureau = Bureau(db, SetClock(ISSUED_AT))
        for number in range(alone + shared):
            bureau.enter(f"KH{number:05}", reseller="alone" if number < alone else "shared")
            bureau.issue(f"KH{number:05}")
        bureau.move(ANNOUNCED_AT)
        for name in ("alone", "shared"):
            bureau.campaign(name, scope=Scope(reseller=name))
        bureau.move(HOLD_AT)
        start = time.monotonic()
        held = len(sweep.enforce(bureau.office, "alone", Act.SUSPEND))
        single = held / (time.monotonic() - start)
        db.dispose()  # no connection is shared with the workers
        return single, _by_workers(bureau.office, url)


def _by_workers(office: Office, url: str) -> float:
    fork = multiprocessing.get_context("fork")
    begin, held = fork.Barrier(WORKERS + 1), fork.SimpleQueue()
    workers = [
        fork.Process(target=_work, args=(office, url, Share(number, WORKERS), begin, held))
        for number in range(1, WORKERS + 1)
    ]
    for each in workers:
        each.start()
    begin.wait()
    start = time.monotonic()
    for each in workers:
        each.join()
    took = time.monotonic() - start
    return float(sum(held.get() for _ in workers)) / took


def _work(office: Office, url: str, share: Share, begin: Barrier, held: Counts) -> None:
    own = replace(office, db=Database(url))
    begin.wait()
    held.put(len(sweep.enforce(own, "shared", Act.SUSPEND, share=share)))


def finding(
    value: float, unit: str, aim: float | None, peer: tuple[str, float] | None = None
) -> dict[str, object]:
    """Return one measurement in the form that all benchmarks share."""
    return {
        "value": round(value, 1),
        "unit": unit,
        "peer": peer[0] if peer else None,
        "peer_value": round(peer[1], 1) if peer else None,
        "ratio": round(value / peer[1], 2) if peer else None,
        "aim": None if aim is None else round(aim, 1),
        "met": aim is None or value >= aim,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="less than a minute")
    extent.add_argument("--million", action="store_true", help="a campaign over 1,000,000")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = parser.parse_args()
    found = a_million() if options.million else rates(quick=options.quick)
    for name, each in found.items():
        print(f"{name}: {each['value']} {each['unit']} (aim {each['aim']}, met: {each['met']})")
    if options.json:
        print(json.dumps(found))


def a_million() -> dict[str, dict[str, object]]:
    """Return the figures of a campaign over a million dossiers."""
    with tempfile.TemporaryDirectory(prefix="antin-bench-") as folder:
        return _sweep.measure(Path(folder), 1_000_000)


def rates(*, quick: bool) -> dict[str, dict[str, object]]:
    """Return how fast dossiers are decided and held, a few of them."""
    known = population(20_000 if quick else 200_000)
    now = HOLD_AT + timedelta(seconds=1)
    decided = per_second(lambda each: rules.decide(each, RULES, now), known)
    judged = per_second(lambda each: judge(each.kind, each.documents, RULES), known)
    held, together = holds_per_second(*((200, 1_000) if quick else (2_000, 10_000)))
    return {
        "decide": finding(decided, "dossiers/s", DECISIONS_AIM, ("judgement alone", judged)),
        "sweep": finding(held, "holds/s", None),
        "sweep_2_workers": finding(together, "holds/s", HOLDS_AIM, ("one process", held)),
    }


if __name__ == "__main__":
    main()
