"""A campaign over a whole register, from its plan to what relying parties see, as production does.

An instance on SoftHSM and PostgreSQL, its register entered as rows (see `_rows`). The campaign is
planned, simulated, signed, approved by a second person and announced by the product's own code, on
a clock that stands at the dates when that is done. Two processes of `antin campaign enforce` then
hold whose papers lack, while `antin worker` and `antin serve responder` run beside them.

The reminders between announcement and hold are left out, and the notices of the announcement are
entered as delivered, the OCSP reserve as signed: to do that is another measurement.
"""

import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).parents[1]))

from cryptography import x509
from sqlalchemy import text

from app import shipped
from app.authorities import load_index
from app.create import Plan, create
from bench import _rows
from bench._web import Server, free_port, result
from bench.freshness import Asker
from ca import records as engine
from ca.model import Act
from core import der
from core.clock import SetClock
from policy import planning, sweep
from policy.records import plans
from tests.support import postgres

NAME = "spring"
WORKERS = 2
LIMIT = 600.0
_ROOT = Path(__file__).parents[1]
_SAMPLES = 200
_PAUSE = 0.005
_PATIENCE = 180.0
_MOST_ACTS = ("most_acts = 50000 ", "most_acts = 500000 ")

T = TypeVar("T")
Results = dict[str, dict[str, object]]


def measure(folder: Path, size: int) -> Results:
    """Return the figures of a campaign over `size` dossiers."""
    with postgres.cluster() as cluster:
        world = World(folder / "home", cluster.create_database("bench"))
        found = world.prepare(size)
        with world.services():
            found |= world.sweep()
        return found | world.account()


def timed(name: str, act: Callable[[], T]) -> tuple[T, float]:
    """Do it, and return what it gives with the seconds it took; they are told at once."""
    began = time.monotonic()
    given = act()
    took = time.monotonic() - began
    print(f"{name}: {took:.1f} s", file=sys.stderr, flush=True)
    return given, took


class World:
    """The instance, its register and its campaign; `now` is when it holds."""

    def __init__(self, home: Path, url: str) -> None:
        self._home = home
        self._hold_at = datetime.now(UTC).replace(microsecond=0)
        self._clock = SetClock(self._hold_at - timedelta(days=60))
        self._port = free_port()
        texts = {name: each.replace(*_MOST_ACTS) for name, each in shipped.rulebooks().items()}
        plan = Plan(database_url=url, rulebooks=texts)
        self._works = create(home, plan, clock=self._clock)
        with (home / "antin.toml").open("a") as config:
            config.write(f'\n[listen]\nresponder = "127.0.0.1:{self._port}"\n')
        self._approved: dict[int, int] = {}

    def prepare(self, size: int) -> Results:
        """Enter the register; plan, simulate, approve and announce the campaign."""
        works, at = self._works, self._hold_at
        timed("enter", lambda: _rows.enter(works, size, self._clock.now()))
        self._clock.move_to(at - timedelta(days=31))
        office, director = works.office("operator:lan"), works.office("operator:mai")
        planning.plan(office, NAME, hold_at=at, revoke_at=at + timedelta(days=12))
        simulation, simulated = timed("simulate", lambda: planning.simulate(office, NAME))
        print(f"{len(simulation.holds)} of {simulation.scope} to hold", file=sys.stderr)
        del simulation
        _, approved = timed("approve", lambda: planning.approve(director, NAME))
        _, announced = timed("announce", lambda: sweep.announce(office, NAME))
        _rows.reserve(works, at)
        _rows.tidy(works)
        with works.db.begin() as tx:
            tx.execute(text("UPDATE notice SET due_at = NULL"))
            acts = [each for each in plans.acts_of(tx, NAME) if each.act is Act.SUSPEND]
            self._approved = {each.certificate_id: int(each.serial, 16) for each in acts}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {
            "dossiers": result(size, ""),
            "to_hold": result(len(self._approved), ""),
            "simulate": result(simulated, "s"),
            "approve": result(approved, "s"),
            "announce": result(announced, "s"),
            "preparing_memory": result(peak, "MB"),
        }

    @contextmanager
    def services(self) -> Iterator[None]:
        """Run worker and responder; they are ready, with a CRL of now, when the block begins."""
        self._request = self._requests()
        began = datetime.now(UTC)
        with self._running("worker"):
            timed("first CRL", lambda: _await(lambda: self._crl_time() >= began))
            with self._running("serve", "responder") as server:
                self._server = Server(self._port, server.pid)
                _await(self._ready)
                yield

    def sweep(self) -> Results:
        """Hold by two processes; return how long it took, and until the world was told."""
        samples = sorted(self._approved)[:: max(1, len(self._approved) // _SAMPLES)]
        seen = Freshness(self, samples)
        began = datetime.now(UTC)
        seen.start()
        runs = [self._enforce(f"{each}/{WORKERS}") for each in range(1, WORKERS + 1)]
        for each in runs:
            if each.wait() != 0:
                raise SystemExit(f"A run ended with {each.returncode}.")
        first, last = self._span()
        timed("CRL", lambda: _await(lambda: self._listed() == set(self._approved.values())))
        told = (datetime.now(UTC) - last).total_seconds()
        seen.join()
        took = (last - began).total_seconds()
        return {
            "sweep": result(took, "s", at_most=LIMIT),
            "sweep_until_first_hold": result((first - began).total_seconds(), "s"),
            "sweep_rate": result(len(self._approved) / took, "holds/s"),
            "crl_true_after": result(told, "s", at_most=60),
            "ocsp_samples": result(len(seen.delays), ""),
            "ocsp_early": result(seen.early, "", at_most=0),
            "ocsp_p50": result(quantiles(seen.delays, n=100)[49] * 1000, "ms"),
            "ocsp_max": result(max(seen.delays) * 1000, "ms", at_most=1000),
        }

    def account(self) -> Results:
        """Return what differs from the approved plan, in certificates or in what belongs to one."""
        size = len(self._approved)
        with self._works.db.read() as tx:
            held = tx.execute(text("SELECT id FROM certificate WHERE status = 'hold'")).scalars()
            wrong = len(set(held) ^ self._approved.keys())
            for query in _BESIDE:
                wrong += abs(tx.execute(text(query)).scalar_one() - size)
        return {"not_as_approved": result(wrong, "", at_most=0)}

    def told(self, certificate_id: int) -> bool:
        """Whether the responder tells that the certificate is held."""
        return Asker(self._server, self._request(self._approved[certificate_id])).held()

    def held(self, certificate_id: int) -> bool:
        """Whether the database has the certificate on hold."""
        with self._works.db.read() as tx:
            return bool(engine.by_id(tx, certificate_id).standing.holds)

    def _requests(self) -> Callable[[int], bytes]:
        """Return what makes OCSP requests; the token is at rest afterwards."""
        index = load_index(self._works.instance, self._works.db)
        authority = next(each for each in index.authorities() if each.name == "issuing")
        self._works.instance.keyring.close()

        def request(serial: int) -> bytes:
            content = authority.cert_id("sha1", serial).der
            for _ in range(4):
                content = der.element(der.SEQUENCE, content)
            return content

        return request

    def _enforce(self, share: str) -> subprocess.Popen[bytes]:
        words = self._antin("--as", "lan", "campaign", "enforce", NAME, "--share", share)
        return subprocess.Popen(words, cwd=_ROOT, stdout=subprocess.DEVNULL)

    def _antin(self, *words: str) -> Sequence[str]:
        return [sys.executable, "-m", "app.cli", "--home", str(self._home), *words]

    @contextmanager
    def _running(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        log = (self._home / f"{words[-1]}.log").open("w")
        with (
            log,
            subprocess.Popen(self._antin(*words), cwd=_ROOT, stdout=log, stderr=log) as process,
        ):
            try:
                yield process
            finally:
                process.terminate()

    def _ready(self) -> bool:
        try:
            self._server.get("/health/ready")
        except OSError:
            return False
        return True

    def _crl(self) -> x509.CertificateRevocationList:
        content = (self._home / "crl" / "issuing.crl").read_bytes()
        return x509.load_der_x509_crl(content)

    def _crl_time(self) -> datetime:
        try:
            return self._crl().last_update_utc + timedelta(seconds=1)
        except FileNotFoundError:
            return datetime.min.replace(tzinfo=UTC)

    def _listed(self) -> set[int]:
        return {each.serial_number for each in self._crl()}

    def _span(self) -> tuple[datetime, datetime]:
        query = "SELECT min(at), max(at) FROM status_event WHERE act = 'suspend'"
        with self._works.db.read() as tx:
            first, last = tx.execute(text(query)).one()
        return first, last


_BESIDE = [
    "SELECT count(*) FROM status_event WHERE act = 'suspend'",
    "SELECT count(DISTINCT certificate_id) FROM hold WHERE lifted_at IS NULL",
    "SELECT count(*) FROM decision JOIN status_event ON status_event.decision = decision.id",
    "SELECT count(*) FROM audit_entry WHERE act = 'certificate.suspend'",
    "SELECT count(*) FROM audit_entry WHERE act = 'decision.hold'",
    "SELECT count(*) FROM notice WHERE template = 'hold'",
    "SELECT count(DISTINCT certificate_id) FROM crl_change WHERE status = 'hold'",
]


class Freshness(threading.Thread):
    """Measures of samples, in the order in which they are held, how soon the responder tells."""

    def __init__(self, world: World, samples: Sequence[int]) -> None:
        super().__init__(daemon=True)
        self._world, self._samples = world, samples
        self.delays: list[float] = []
        self.early = 0

    def run(self) -> None:
        """Wait for each hold, and then until it is told."""
        for each in self._samples:
            if self._world.told(each):
                self.early += not self._world.held(each)
                continue
            looked = time.perf_counter()
            while not self._world.held(each):
                time.sleep(_PAUSE)
                looked = time.perf_counter() - _PAUSE
            while not self._world.told(each):
                time.sleep(_PAUSE)
            self.delays.append(time.perf_counter() - looked)


def _await(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit(f"It did not come within {_PATIENCE:.0f} s.")
        time.sleep(0.1)
