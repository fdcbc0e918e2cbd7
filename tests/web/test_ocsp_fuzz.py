"""Fuzzing: whatever octets come, by whatever method, there is an honest answer and no fault.

The short runs are part of every test run, the long ones take minutes. The corpus was grown by
coverage (`tests.support.corpus`) and is replayed each time.
"""

import base64
import gc
import os
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import der
from ocsp.memory import Memory
from ocsp.model import ResponseStatus
from ocsp.reader import Reader
from ocsp.request import Malformed, parse
from tests.support import corpus, relying
from tests.support.hostile import GOOD, HOSTILE
from tests.support.relying import Scene, ask, told
from tests.support.wsgi import call
from web.ocsp import OcspApp
from web.responder import router

LONG_SECONDS = float(os.environ.get("ANTIN_FUZZ_SECONDS", "60"))
SLOW_SECONDS = 1.0
_SETTINGS = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

_TAGS = st.sampled_from([0x02, 0x03, 0x04, 0x05, 0x06, 0x0A, 0x01, 0x30, 0x31, 0xA0, 0xA1, 0xA2])
_LEAVES = st.one_of(
    st.binary(max_size=40),
    st.just(der.oid("1.3.14.3.2.26")),
    st.just(der.oid("1.3.6.1.5.5.7.48.1.2")),
    st.integers(min_value=-(2**170), max_value=2**170).map(
        lambda n: der.element(der.INTEGER, n.to_bytes(n.bit_length() // 8 + 1, "big", signed=True))
    ),
)
_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.builds(lambda tag, parts: der.element(tag, *parts), _TAGS, st.lists(inner)),
    max_leaves=20,
)


@st.composite
def _mutants(draw: st.DrawFn) -> bytes:
    """A good or hostile request with some octets changed, put in, taken out or doubled."""
    data = bytearray(draw(st.sampled_from([GOOD, GOOD, *HOSTILE.values()])))
    for _ in range(draw(st.integers(min_value=1, max_value=6))):
        at = draw(st.integers(min_value=0, max_value=max(0, len(data) - 1)))
        act = draw(st.sampled_from(["set", "insert", "cut", "double"]))
        if act == "set" and data:
            data[at] = draw(st.integers(min_value=0, max_value=255))
        elif act == "insert":
            data[at:at] = draw(st.binary(max_size=4))
        elif act == "cut":
            del data[at : at + draw(st.integers(min_value=1, max_value=8))]
        else:
            data[at:at] = data[at : at + draw(st.integers(min_value=1, max_value=40))]
    return bytes(data)


_OCTETS = st.one_of(st.binary(max_size=300), _TREES, _mutants())


@given(_OCTETS)
@_SETTINGS
def test_parser_reads_or_refuses(data: bytes) -> None:
    """The parser gives a request or raises Malformed; nothing else comes out of it."""
    try:
        request = parse(data)
    except Malformed:
        return
    assert request.cert_ids
    for each in request.cert_ids:
        assert each.der in data
        assert each.algorithm in each.der


@given(st.lists(_TREES, min_size=1, max_size=3))
@_SETTINGS
def test_writer_and_reader_agree(parts: list[bytes]) -> None:
    """What the writer wraps the reader unwraps, octet for octet."""
    wrapped = der.element(der.SEQUENCE, *parts)
    found = Reader(wrapped)
    assert found.contents(der.SEQUENCE) == b"".join(parts)
    found.finish()


def _try(scene: Scene, app: object, data: bytes) -> None:
    replies = [
        call(app, "/ocsp", method="POST", body=data),  # type: ignore[arg-type]
        call(app, "/ocsp/" + base64.b64encode(data).decode()),  # type: ignore[arg-type]
        call(app, "/ocsp/" + data.decode("latin-1").replace("?", "")),  # type: ignore[arg-type]
    ]
    for reply in replies:
        assert reply.status in {200, 413, 414}
        if reply.status == 200 and relying.status_of(reply.body) == "successful":
            assert set(told(reply.body)) <= {"unknown"}


@given(data=_OCTETS)
@_SETTINGS
def test_app_answers_everything(scene: Scene, data: bytes) -> None:
    """The whole application answers whatever comes, and never says good of a stranger."""
    _try(scene, router({"ocsp": OcspApp(scene.responder())}), data)


@given(text=st.text(max_size=200))
@_SETTINGS
def test_paths(scene: Scene, text: str) -> None:
    """Any path is answered, never with a fault."""
    path = text.encode("utf-8", "surrogatepass").decode("latin-1").replace("?", "")
    app = router({"ocsp": OcspApp(scene.responder())})
    assert call(app, "/ocsp/" + path).status in {200, 414}


@given(nonce=st.binary(max_size=160), serial=st.integers(min_value=-(2**159), max_value=2**159 - 1))
@_SETTINGS
def test_every_well_formed_request(scene: Scene, nonce: bytes, serial: int) -> None:
    """A well-formed request is answered with its serial and nonce, or its nonce is refused."""
    answer = scene.responder().answer(ask(scene.issuer_der, serial, nonce=nonce))
    if 1 <= len(nonce) <= 128:
        data = relying.basic(answer.der)["tbs_response_data"]
        assert data["responses"][0]["cert_id"]["serial_number"].native == serial
        (extension,) = data["response_extensions"]
        assert extension["extn_value"].contents == der.element(der.OCTET_STRING, nonce)
    else:
        assert answer.status is ResponseStatus.MALFORMED_REQUEST


@pytest.mark.parametrize("path", sorted(corpus.FOLDER.glob("*")), ids=lambda path: path.stem)
def test_corpus(scene: Scene, path: Path) -> None:
    """What fuzzing found to take ways of its own is answered like everything else."""
    _try(scene, router({"ocsp": OcspApp(scene.responder())}), path.read_bytes())


@pytest.mark.long
@pytest.mark.timeout(int(LONG_SECONDS) * 3 + 120)
def test_long_fuzz(scene: Scene) -> None:
    """Minutes of it leave no fault behind, no slow answer, and no growth."""
    app = router({"ocsp": OcspApp(scene.responder())})
    slowest = 0.0

    def seconds(data: bytes) -> tuple[float, float]:
        began, worked = time.monotonic(), time.process_time()
        _try(scene, app, data)
        return time.monotonic() - began, time.process_time() - worked

    @given(data=_OCTETS)
    @settings(_SETTINGS, max_examples=2000)
    def batch(data: bytes) -> None:
        nonlocal slowest
        took, worked = seconds(data)
        if took >= SLOW_SECONDS:
            # The answer waits, or the machine is busy: only the first does so each time.
            took = min(took, *(seconds(data)[0] for _ in range(2)))
        slowest = max(slowest, took, worked)

    end = time.monotonic() + LONG_SECONDS
    batch()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.take_snapshot()
    while time.monotonic() < end:
        batch()
    gc.collect()
    grown = sum(
        each.size_diff
        for each in tracemalloc.take_snapshot().compare_to(before, "filename")
        if "/ocsp/" in each.traceback[0].filename or "/web/" in each.traceback[0].filename
    )
    tracemalloc.stop()
    assert grown < 1_000_000
    assert slowest < SLOW_SECONDS


def test_growth_by_strangers_is_bounded(scene: Scene) -> None:
    """Asking about ever new serials leaves nothing behind."""
    made = scene.responder()
    memory = Memory(100)
    made.memory = made._lookup._memory = memory
    memory.synced(time.monotonic(), [])
    app = router({"ocsp": OcspApp(made)})
    for serial in range(1, 300):
        call(app, "/ocsp", method="POST", body=ask(scene.issuer_der, serial))
    assert len(memory) == 0
