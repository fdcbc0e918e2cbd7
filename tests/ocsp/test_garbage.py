"""The cycle collector does not look at what a responder remembers."""

import gc
from collections.abc import Iterator

import pytest

from ocsp import garbage


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


class _Cycle:
    alive = 0

    def __init__(self) -> None:
        self.itself = self
        type(self).alive += 1

    def __del__(self) -> None:
        type(self).alive -= 1


def test_no_full_collection_while_memory_grows() -> None:
    """However much is remembered, only young objects are walked over."""
    seen: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            seen.append(info["generation"])

    garbage.keep_short()
    gc.callbacks.append(note)
    try:
        remembered = [[number] for number in range(500_000)]
    finally:
        gc.callbacks.remove(note)
    assert len(remembered) == 500_000
    assert set(seen) == {0, 1}


def test_young_cycles_are_collected() -> None:
    """What a request leaves behind in a cycle is freed soon."""
    garbage.keep_short()
    kept = []
    for _ in range(100_000):
        _Cycle()
        kept.append([None])
    assert _Cycle.alive < 50_000
