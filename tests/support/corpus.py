"""Grows the corpus of OCSP requests: what takes a new way through the parser is kept.

    python -m tests.support.corpus SECONDS

Coverage-guided: an input is kept when it runs a line after another line that no kept input did.
Each is given to the whole WSGI application, which must answer in time and without a fault.
The kept inputs are files in tests/data/ocsp-requests, named by their hash; the tests replay them.
"""

import base64
import hashlib
import random
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Any
from wsgiref.types import WSGIApplication

import web.ocsp
from app import schema
from core.clock import SystemClock
from core.database import Database
from ocsp import answer, compose, index, reader, request, response, verdict
from tests.support import relying
from tests.support.hostile import GOOD, HOSTILE
from tests.support.wsgi import call
from web.ocsp import OcspApp
from web.responder import router

FOLDER = Path(__file__).parents[1] / "data" / "ocsp-requests"
_MOST_BYTES = 2048
_SLOW_SECONDS = 1.0
_FILES = {
    each.__file__ for each in (answer, compose, index, reader, request, response, verdict, web.ocsp)
}

Edge = tuple[str, int, int]


def edges(app: WSGIApplication, data: bytes) -> frozenset[Edge]:
    """Return which lines of the responder followed which while it answered `data`."""
    found: set[Edge] = set()

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        name = frame.f_code.co_filename
        if name not in _FILES:
            return None
        last = frame.f_code.co_firstlineno

        def line(frame: FrameType, event: str, _argument: object) -> Any:
            nonlocal last
            if event == "line":
                found.add((name, last, frame.f_lineno))
                last = frame.f_lineno
            return line

        return line if event == "call" else None

    sys.settrace(trace)
    try:
        _answered(app, data)
    finally:
        sys.settrace(None)
    return frozenset(found)


def mutant(luck: random.Random, kept: list[bytes]) -> bytes:
    """Return one of the kept inputs with some octets changed, or spliced with another."""
    data = bytearray(luck.choice(kept))
    for _ in range(luck.randint(1, 4)):
        at = luck.randrange(len(data) + 1)
        match luck.randrange(6):
            case 0 if data:
                data[at % len(data)] = luck.randrange(256)
            case 1 if data:
                data[at % len(data)] ^= 1 << luck.randrange(8)
            case 2:
                del data[at : at + luck.randint(1, 8)]
            case 3:
                data[at:at] = luck.randbytes(luck.randint(1, 4))
            case 4:
                data[at:at] = data[at : at + luck.randint(1, 40)]
            case _:
                other = luck.choice(kept)
                start = luck.randrange(len(other) + 1)
                data[at:] = other[start:]
    return bytes(data[:_MOST_BYTES])


def grow(seconds: float) -> tuple[int, int]:
    """Try inputs for so long, keep what is new; return how many were tried and are kept."""
    luck = random.Random()
    kept = [GOOD, *HOSTILE.values(), *(each.read_bytes() for each in sorted(FOLDER.glob("*")))]
    kept = [each for each in kept if len(each) <= _MOST_BYTES]
    seen: set[Edge] = set()
    with tempfile.TemporaryDirectory() as folder:
        app = _app(Path(folder))
        for each in kept:
            seen |= edges(app, each)
        tried, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            data = mutant(luck, kept)
            tried += 1
            new = edges(app, data) - seen
            if new:
                seen |= new
                kept.append(data)
                (FOLDER / f"{hashlib.sha256(data).hexdigest()[:16]}.der").write_bytes(data)
    return tried, len(kept)


def _app(folder: Path) -> WSGIApplication:
    db = Database(f"sqlite:///{folder}/fuzz.db")
    schema.upgrade(db)
    scene = relying.scene(db, SystemClock())
    return router({"ocsp": OcspApp(scene.responder())})


def _answered(app: WSGIApplication, data: bytes) -> None:
    """Raise AssertionError, with the input, for a fault or an answer that took too long."""
    began = time.process_time()
    replies = [
        call(app, "/ocsp", method="POST", body=data),
        call(app, "/ocsp/" + base64.b64encode(data).decode()),
    ]
    statuses = {each.status for each in replies}
    if not statuses <= {200, 413, 414} or time.process_time() - began > _SLOW_SECONDS:
        raise AssertionError(f"{statuses} after {time.process_time() - began:.2f} s: {data.hex()}")


def main() -> None:
    """Grow the corpus for as long as the command line says."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    tried, kept = grow(float(sys.argv[1]))
    sys.stdout.write(f"{tried} inputs tried, {kept} kept.\n")


if __name__ == "__main__":
    main()
