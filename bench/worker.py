"""How long each task of the worker takes in a round in which nothing is due.

    bench/worker.py [--quick] [--json]

Beside a million certificates of a million subscribers (`--quick`: 20,000) on PostgreSQL, half of
them expired, with the OCSP reserve of all; entered as rows (see `_rows`). The cluster is the tests'
own, which does not wait for its disk (fsync off). The aim is 20 ms for each task.
"""

import argparse
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlalchemy import text

from app import worker
from app.create import Plan, create
from app.wiring import Works
from bench import _rows
from bench._web import report, result
from tests.support import postgres

ROUNDS = 5
AIM_MS = 20
_EXPIRED = """
UPDATE certificate SET not_after = :ends - id * interval '1 second'
WHERE id % 2 = 0 AND subscriber LIKE 'KH%'
"""


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="antin-bench-") as name:
        results = measure(Path(name), 20_000 if given.quick else 1_000_000)
    report(results, as_json=given.json)
    sys.exit(0 if all(each["met"] for each in results.values()) else 1)


def measure(folder: Path, size: int) -> dict[str, dict[str, object]]:
    """Return the milliseconds of each task, the median of some rounds."""
    with postgres.cluster() as cluster:
        works = create(folder / "home", Plan(database_url=cluster.create_database("bench")))
        enter(works, size)
        found = rounds(works)
        works.instance.keyring.close()
        works.db.dispose()
    return found


def enter(works: Works, size: int) -> None:
    """Enter the register and the reserve; let the worker do what is due at first."""
    now = works.clock.now()
    _rows.enter(works, size, now - timedelta(days=60))
    with works.db.begin() as tx:
        tx.execute(text(_EXPIRED), {"ends": now - timedelta(days=30)})
    worker.once(works)
    _rows.reserve(works, now)
    _rows.tidy(works)
    worker.once(works)


def rounds(works: Works) -> dict[str, dict[str, object]]:
    """Time each task of some rounds."""
    taken: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, task in worker.tasks(works):
            began = time.perf_counter()
            task()
            taken.setdefault(name, []).append((time.perf_counter() - began) * 1000)
    return {name: result(median(each), "ms", at_most=AIM_MS) for name, each in taken.items()}


if __name__ == "__main__":
    main()
