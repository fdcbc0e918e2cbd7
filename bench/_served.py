"""The responder as a benchmark runs it; granian loads `app` in the server's process."""

import os
import sys
from pathlib import Path
from wsgiref.types import WSGIApplication

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench._population import Population

from core.clock import SystemClock
from ocsp.answer import Responder
from ocsp.follow import Follower
from ocsp.memory import Memory
from ocsp.model import Settings
from web.ocsp import OcspApp
from web.responder import health, router


def app() -> WSGIApplication:
    """Build the responder over the population in BENCH_FOLDER."""
    folder = Path(os.environ["BENCH_FOLDER"])
    population = Population(folder=folder, url=os.environ["BENCH_DATABASE"], size=0)
    db = population.database(read_only=True)
    settings = Settings()
    responder = Responder(
        db, SystemClock(), population.index(db), settings, memory=Memory(settings.most_known)
    )
    Follower(responder).start()
    if "BENCH_PROFILE" in os.environ:
        import cProfile, atexit, threading
    return router({"ocsp": OcspApp(responder), "health": health(list)})
