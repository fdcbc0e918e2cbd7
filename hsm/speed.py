"""How fast something is done again and again, by threads of one process and by processes."""

import os
import threading
import time
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from core.errors import Unavailable
from hsm.keys import Ed25519Key, PrivateKey, RsaKey

Act = Callable[[], object]

_SHA256 = hashes.SHA256()
_WARM_UP_SECONDS = 0.1
_START_SECONDS = 0.5


def signing(key: PrivateKey) -> Act:
    """Return what makes one signature of a short message in the key's usual way."""
    message = b"How fast does this key sign?"
    if isinstance(key, Ed25519Key):
        return lambda: key.sign(message)
    if isinstance(key, RsaKey):
        return lambda: key.sign(message, padding.PKCS1v15(), _SHA256)
    return lambda: key.sign(message, ec.ECDSA(_SHA256))


def by_threads(make: Callable[[], Act], *, threads: int, seconds: float) -> float:
    """Return how many acts per second so many threads do; `make` is called in each of them.

    Raises what an act raises, in any thread.
    """
    counts: list[int] = []
    errors: list[BaseException] = []
    begins: list[float] = []
    start = threading.Barrier(threads, lambda: begins.append(time.perf_counter()))

    def work() -> None:
        try:
            act = make()
            act()
            start.wait()
            counts.append(_count(act, begins[0] + _WARM_UP_SECONDS, seconds))
        except threading.BrokenBarrierError:
            return  # another thread did not come to the start, and says why
        except BaseException as error:  # noqa: BLE001 - raised below, where somebody waits
            errors.append(error)
            start.abort()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise errors[0]
    return sum(counts) / seconds


def by_processes(make: Callable[[], Act], *, processes: int, seconds: float) -> float:
    """Return how many acts per second so many child processes do, begun at the same moment."""
    begin = time.monotonic() + _START_SECONDS
    children = [_child(make, begin, seconds) for _ in range(processes)]
    rates = [_result(process, pipe) for process, pipe in children]
    return sum(rates)


def _count(act: Act, begin: float, seconds: float) -> int:
    """Return how many acts end in the time from `begin`, the same for all threads."""
    while time.perf_counter() < begin:
        act()
    end, count = begin + seconds, 0
    while True:
        act()
        if time.perf_counter() > end:
            return count
        count += 1


def _child(make: Callable[[], Act], begin: float, seconds: float) -> tuple[int, int]:
    """Start a child that opens its own sessions, waits for `begin`, and tells its rate."""
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return process, reading
    try:
        act = make()
        act()
        time.sleep(max(0.0, begin - time.monotonic()))
        told = str(_count(act, time.perf_counter() + _WARM_UP_SECONDS, seconds) / seconds)
    except BaseException as error:  # noqa: BLE001 - told to the parent, which raises it
        told = f"{type(error).__name__}: {error}"
    os.write(writing, told.encode())
    os._exit(0)


def _result(process: int, pipe: int) -> float:
    with os.fdopen(pipe) as stream:
        told = stream.read()
    os.waitpid(process, 0)
    try:
        return float(told)
    except ValueError:
        raise Unavailable(f"A process of the measurement could not do it: {told}") from None
