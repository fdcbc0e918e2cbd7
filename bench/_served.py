"""The responder as a benchmark runs it; granian loads `app` in the server's process."""

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench._population import Population
from core.clock import SystemClock
from ocsp import garbage, preload
from ocsp.answer import Responder
from ocsp.follow import Follower
from ocsp.memory import Memory
from ocsp.model import Settings
from web.ocsp import OcspApp
from web.responder import health, router
from web.wsgi import Response, send

THREADS = 128


def app() -> WSGIApplication:
    """Build the responder over the population in BENCH_FOLDER."""
    garbage.keep_short()
    population = Population(
        folder=Path(os.environ["BENCH_FOLDER"]), url=os.environ["BENCH_DATABASE"], size=0
    )
    db = population.database(read_only=True)
    settings = Settings()
    responder = Responder(
        db, SystemClock(), population.index(db), settings, memory=Memory(settings.most_known)
    )
    Follower(responder).start()
    loading = preload.start(responder)

    def troubles() -> list[str]:
        return ["The memory is being filled."] if loading.is_alive() else []

    def counts(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = json.dumps({each: tally.count for each, tally in responder.meter.degraded.items()})
        return send(environ, start_response, Response(body=body.encode()))

    return router({"ocsp": OcspApp(responder), "health": health(troubles), "counts": counts})
