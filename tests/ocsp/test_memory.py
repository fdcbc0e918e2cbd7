"""What a process remembers: bounded, and never told after it changed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.model import Entry, Stage, Status
from ocsp.bounded import Bounded
from ocsp.lease import Lease
from ocsp.memory import Memory
from ocsp.model import Answer, ResponseStatus, Source

_NOW = datetime(2024, 3, 1, tzinfo=UTC)
_KEY = (1, 77)


def _entry(serial: int = 77) -> Entry:
    return Entry(
        serial=serial,
        stage=Stage.ISSUED,
        status=Status.GOOD,
        reason=None,
        since=None,
        invalidity_date=None,
        not_after=_NOW,
    )


def _kept(algorithm: bytes = b"sha1") -> Answer:
    return Answer(
        head=b"",
        status=ResponseStatus.SUCCESSFUL,
        source=Source.CACHE,
        lease=Lease(algorithm, _NOW),
    )


def _withdrawn(kept: Answer) -> bool:
    return kept.lease.until < _NOW


def test_nothing_is_fresh_before_the_first_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Freshness begins with a look at the database and runs out by itself."""
    now = 50.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    memory = Memory(10)
    assert (memory.fresh(), memory.age()) == (False, None)
    memory.synced(now - 0.3, [])
    assert memory.fresh()
    assert memory.age() == pytest.approx(0.3)
    now += 0.45
    assert memory.fresh()
    now += 0.1
    assert not memory.fresh()


def test_change_withdraws_every_answer() -> None:
    """When a certificate changes, its status and all its answers are forgotten at once."""
    memory = Memory(10)
    known = memory.learn(_KEY, _entry(), memory.generation)
    answers = [_kept(b"sha1"), _kept(b"sha256")]
    for each in answers:
        memory.keep(_KEY, known, each)
    memory.synced(1.0, [(1, 5)])
    assert memory.find(_KEY) is known
    memory.synced(2.0, [_KEY])
    assert memory.find(_KEY) is None
    assert all(_withdrawn(each) for each in answers)


def test_status_read_before_a_change_is_not_kept() -> None:
    """A status read before a change that was followed meanwhile does not come into the memory."""
    memory = Memory(10)
    generation = memory.generation
    memory.synced(1.0, [_KEY])
    memory.learn(_KEY, _entry(), generation)
    assert memory.find(_KEY) is None


def test_answer_signed_for_an_older_status_is_withdrawn() -> None:
    """An answer whose signing took so long that the status changed meanwhile is never repeated."""
    memory = Memory(10)
    known = memory.learn(_KEY, _entry(), memory.generation)
    memory.synced(1.0, [_KEY])
    late = _kept()
    memory.keep(_KEY, known, late)
    assert _withdrawn(late)
    memory.learn(_KEY, _entry(), memory.generation)
    later = _kept()
    memory.keep(_KEY, known, later)
    assert _withdrawn(later)


def test_replaced_answer_is_withdrawn() -> None:
    """A newer answer to the same question takes the older one's place; a fifth form the first's."""
    memory = Memory(10)
    known = memory.learn(_KEY, _entry(), memory.generation)
    first, second = _kept(), _kept()
    memory.keep(_KEY, known, first)
    memory.keep(_KEY, known, second)
    assert (_withdrawn(first), _withdrawn(second)) == (True, False)
    for form in (b"a", b"b", b"c", b"d"):
        memory.keep(_KEY, known, _kept(form))
    assert len(known.kept) == 4
    assert _withdrawn(second)


def test_what_makes_room_is_withdrawn() -> None:
    """An answer that left the memory can no longer be withdrawn, so it is not repeated either."""
    memory = Memory(2)
    answers = []
    for serial in range(6):
        key = (1, serial)
        known = memory.learn(key, _entry(serial), memory.generation)
        answers.append(_kept())
        memory.keep(key, known, answers[-1])
    assert len(memory) == 2
    alive = [serial for serial, each in enumerate(answers) if not _withdrawn(each)]
    assert {serial for serial in range(6) if memory.find((1, serial))} == set(alive)
    assert len(alive) == 2


class _Value:
    def __init__(self) -> None:
        self.used = False


def test_what_is_asked_for_stays() -> None:
    """What is asked for again and again stays while strangers pass through."""
    kept: Bounded[int, _Value] = Bounded(8)
    kept.put(0, _Value())
    for stranger in range(1, 200):
        assert kept.get(0) is not None
        kept.put(stranger, _Value())
    assert len(kept) == 8


@given(
    st.integers(min_value=1, max_value=6),
    st.lists(st.tuples(st.sampled_from("gpd"), st.integers(min_value=0, max_value=12))),
)
def test_bounded_is_a_dictionary(most: int, acts: list[tuple[str, int]]) -> None:
    """Whatever is done, it holds at most its bound, and only what was put last under a key."""
    kept: Bounded[int, _Value] = Bounded(most)
    model: dict[int, _Value] = {}
    for act, key in acts:
        if act == "p":
            value = _Value()
            gone = kept.put(key, value)
            model = {k: v for k, v in model.items() if v is not gone} | {key: value}
        elif act == "d":
            assert kept.pop(key) is model.pop(key, None)
        else:
            assert kept.get(key) is model.get(key)
        assert len(kept) == len(model) <= most


def test_lease() -> None:
    """A withdrawn lease lies in the past, whatever it was."""
    lease = Lease(b"", _NOW + timedelta(days=1))
    lease.withdraw()
    assert lease.until < _NOW
