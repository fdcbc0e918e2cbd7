"""How soon a committed change is in the answers, measured from outside while others ask.

    bench/freshness.py [--quick] [--json]

The responder runs on one core under the load of wrk on the other. A change is a hold, committed as
the product commits it; its certificate's answer was asked for before, so that it is remembered. The
time runs from just before the commit to the end of the first answer that tells the hold.

Then thousands of certificates are held one after the other, as a campaign does, while samples of
them are asked about without pause: an answer is wrong when it tells a hold that was not begun, or
still none more than a second after its commit.
"""

import argparse
import http.client
import random
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Self

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import _population
from bench._web import Load, Server, report, responder, result
from bench.ocsp import Scripts
from ca import lifecycle
from ca.model import Act, Approval, HoldSource
from core.database import Database

SIZE = 20_000
_ASKERS = 4
_PAUSE = 0.002
# The CertStatus of a held certificate: revoked [1], with the reason certificateHold (6).
_HELD = b"\xa0\x03\x0a\x01\x06"


def main() -> None:
    """Measure and report."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="under a minute")
    arguments.add_argument("--json", action="store_true", help="one JSON object")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="antin-bench-") as name:
        results = measure(
            Path(name),
            single=100 if chosen.quick else 1000,
            mass=300 if chosen.quick else 10_000,
        )
    report(results, as_json=chosen.json)
    sys.exit(0 if all(each["met"] for each in results.values()) else 1)


def measure(folder: Path, single: int, mass: int) -> dict[str, dict[str, object]]:
    """Return the figures of `single` changes one by one, and of `mass` in one go."""
    population = _population.make(folder, SIZE)
    authority = population.authority()
    scripts = Scripts(folder, authority)
    with responder(folder, population.url) as server:
        world = World(population.database(), scripts, server)
        with _UnderLoad(server, scripts.get(SIZE)) as load:
            delays = world.hold_one_by_one(range(single))
        spread = quantiles(delays, n=100)
        with _UnderLoad(server, scripts.get(SIZE)) as load_of_mass:
            held = world.hold_all(range(single, single + mass))
    return {
        "hold_p50": result(spread[49] * 1000, "ms"),
        "hold_p99": result(spread[98] * 1000, "ms", at_most=1000),
        "hold_max": result(max(delays) * 1000, "ms", at_most=1000),
        "load": result(load().rate, "answers/s"),
        "load_failed": result(load().failed, "answers", at_most=0),
        "mass_holds": result(held.rate, "holds/s"),
        "mass_samples": result(held.samples, "answers"),
        "mass_wrong": result(held.wrong, "answers", at_most=0),
        "mass_load": result(load_of_mass().rate, "answers/s"),
        "mass_load_failed": result(load_of_mass().failed, "answers", at_most=0),
    }


class Mass:
    """What was seen while many were held."""

    def __init__(self) -> None:
        self.rate = 0.0
        self.samples = 0
        self.wrong = 0


class World:
    """The CA's side, which holds certificates, and a relying party's, which asks about them."""

    def __init__(self, db: Database, scripts: Scripts, server: Server) -> None:
        self._db = db
        self._scripts = scripts
        self._server = server
        self._begun: dict[int, float] = {}
        self._committed: dict[int, float] = {}

    def hold_one_by_one(self, numbers: range) -> list[float]:
        """Hold each and wait until that shows, a few at a time; return the seconds it took."""
        with ThreadPoolExecutor(_ASKERS) as pool:
            return list(pool.map(self._hold_and_wait, numbers))

    def hold_all(self, numbers: range) -> Mass:
        """Hold all of them without pause while others look; return what they saw."""
        seen, stop = Mass(), threading.Event()
        askers = [threading.Thread(target=self._look, args=(numbers, seen, stop)) for _ in range(2)]
        for each in askers:
            each.start()
        began = time.perf_counter()
        for number in numbers:
            self._hold(number)
        seen.rate = len(numbers) / (time.perf_counter() - began)
        time.sleep(1.5)
        stop.set()
        for each in askers:
            each.join()
        return seen

    def _hold_and_wait(self, number: int) -> float:
        ask = Asker(self._server, self._scripts.request(number))
        if ask.held():
            raise SystemExit(f"Certificate {number} is held before it was.")
        self._hold(number)
        while not ask.held():
            time.sleep(_PAUSE)
        return time.perf_counter() - self._begun[number]

    def _hold(self, number: int) -> None:
        approval = Approval(
            decision=f"hold-{number}",
            act=Act.SUSPEND,
            subscriber=f"KH{number}",
            serial=_population.serial(number),
            actor="bench:freshness",
            clause="-",
            because="The benchmark holds it.",
            rulebook="bench/1",
            at=datetime.now(UTC),
        )
        with self._db.begin() as tx:
            lifecycle.suspend(tx, approval, HoldSource.AUTHORITY, datetime.now(UTC))
            self._begun[number] = time.perf_counter()
        self._committed[number] = time.perf_counter()

    def _look(self, numbers: range, seen: Mass, stop: threading.Event) -> None:
        luck = random.Random()
        while not stop.is_set():
            number = luck.choice(numbers)
            began = time.perf_counter()
            held = Asker(self._server, self._scripts.request(number)).held()
            ended = time.perf_counter()
            late = began > self._committed.get(number, ended) + 1.0
            early = ended < self._begun.get(number, ended + 1)
            seen.samples += 1
            seen.wrong += (held and early) or (not held and late)


class Asker:
    """Asks about one certificate over a connection of its own."""

    def __init__(self, server: Server, request: bytes) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        self._request = request

    def held(self) -> bool:
        """Ask, and return whether the answer tells a hold."""
        self._connection.request("POST", "/ocsp", self._request)
        reply = self._connection.getresponse()
        body = reply.read()
        if reply.status != http.HTTPStatus.OK:
            raise SystemExit(f"The responder answered {reply.status}.")
        return _HELD in body


class _UnderLoad:
    """A `with` block during which wrk asks; what it saw is had by calling the value."""

    def __init__(self, server: Server, script: Path) -> None:
        self._server, self._script = server, script
        self._stop = threading.Event()
        self._loads: list[Load] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        time.sleep(2.0)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def __call__(self) -> Load:
        """Return the last whole run of wrk, with the failures of all."""
        last = self._loads[-1]
        return Load(
            rate=last.rate,
            p50=last.p50,
            p99=last.p99,
            failed=sum(each.failed for each in self._loads),
            answers=last.answers,
            cpu=last.cpu,
        )

    def _run(self) -> None:
        while not self._stop.is_set():
            self._loads.append(self._server.load("/", 5, script=self._script, connections=8))


if __name__ == "__main__":
    main()
