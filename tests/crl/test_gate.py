"""The gate: each rule is shown to fire by a planted fault, and what it then leaves in place."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ca.model import Entry
from core import audit
from core.errors import Refused, SigningUnavailable
from core.reasons import Reason
from crl import (
    authority,
    build,
    entries,
    gate,
    journal,
    partitions,
    publish,
    reading,
    snapshot,
    watch,
)
from crl.diff import Difference
from crl.entries import Region
from crl.model import Heading, Kind, Published, Settings
from crl.records import lists
from crl.schedule import publish_if_due
from tests.crl.stage import URL, WITH_DELTAS, Stage


def _assert_refused(stage: Stage, rule: str, **changes: object) -> None:
    """Publishing is refused by this rule, says so in the audit trail, and changes nothing."""
    before = stage.path().read_bytes()
    with pytest.raises(Refused, match="was not published; the one before stays") as caught:
        stage.publish(**changes)
    assert caught.value.code == "gate"
    assert stage.path().read_bytes() == before
    with stage.db.read() as tx:
        last = audit.entries(tx)[-1]
    assert last.act == "crl.refuse"
    assert f'"{rule}"' in last.detail, last.detail


@pytest.fixture
def running(stage: Stage) -> Stage:
    """A CA whose first CRL, of a hold and two revocations, is out since a minute."""
    for act in (stage.suspend, stage.revoke, stage.revoke):
        act(stage.issue())
    stage.publish()
    stage.pass_time()
    return stage


_SHA256 = bytes.fromhex("06082a8648ce3d040302")
_SHA384 = bytes.fromhex("06082a8648ce3d040303")
Spoil = Callable[[Heading], Heading]


@pytest.mark.parametrize(
    ("rule", "spoil"),
    [
        ("number", lambda h: replace(h, number=h.number + 1)),
        ("this_update", lambda h: replace(h, this_update=h.this_update - timedelta(1))),
        ("next_update", lambda h: replace(h, next_update=h.next_update + timedelta(1))),
        ("issuer", lambda h: replace(h, key_id=b"\x01" * 20)),
        ("base_number", lambda h: replace(h, base_number=1)),
        ("distribution_point", lambda h: replace(h, distribution_point=f"{URL}/other.crl")),
        ("heading", lambda h: replace(h, freshest=f"{URL}/other.crl")),
        ("heading", lambda h: replace(h, expired_since=h.this_update)),
    ],
)
def test_heading(running: Stage, monkeypatch: pytest.MonkeyPatch, rule: str, spoil: Spoil) -> None:
    """A CRL that says something else than was drawn up is held back."""
    right = build.to_be_signed

    def wrong(heading: Heading, algorithm: bytes, listed: bytes) -> bytes:
        return right(spoil(heading), algorithm, listed)

    monkeypatch.setattr(build, "to_be_signed", wrong)
    _assert_refused(running, rule)


@pytest.mark.parametrize(
    ("rule", "spoil"),
    [
        ("readable", lambda der: der[:-1]),
        ("readable", lambda der: der + b"\0"),
        ("readable", lambda der: b"-----BEGIN X509 CRL-----"),
        ("signature", lambda der: der[:-1] + bytes([der[-1] ^ 1])),
        ("algorithm", lambda der: der.replace(_SHA256, _SHA384)),
    ],
)
def test_bytes(
    running: Stage, monkeypatch: pytest.MonkeyPatch, rule: str, spoil: Callable[[bytes], bytes]
) -> None:
    """A CRL that came out of signing spoilt is held back."""
    right = build.assemble
    monkeypatch.setattr(build, "assemble", lambda *parts: spoil(right(*parts)))
    _assert_refused(running, rule)


@pytest.mark.parametrize("critical", [True, False])
def test_critical(running: Stage, monkeypatch: pytest.MonkeyPatch, critical: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Just deltaCRLIndicator and issuingDistributionPoint are critical, and they always are."""
    right = build._extension
    monkeypatch.setattr(
        build, "_extension", lambda oid, value, **_given: right(oid, value, critical=critical)
    )
    if critical:
        _assert_refused(running, "critical")
    else:
        _assert_refused(running, "critical", settings=WITH_DELTAS, kind=Kind.DELTA)


def test_wrong_key(running: Stage) -> None:
    """A key that is not the issuer's is refused before anything is signed."""
    with pytest.raises(Exception, match="not that of the issuer"):
        running.publish(key=ec.generate_private_key(ec.SECP256R1()))


def test_faulty_token(running: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token whose signature does not verify publishes nothing."""
    monkeypatch.setattr(authority, "verifies", lambda *_: False)
    with pytest.raises(SigningUnavailable, match="does not verify"):
        running.publish()


def _spoil_list(monkeypatch: pytest.MonkeyPatch, spoil: Callable[[list[bytes]], object]) -> None:
    """Let the list that comes from the database be spoilt."""
    right = lists.listed

    def wrong(*given: object, **more: object) -> object:
        regions = right(*given, **more)  # type: ignore[arg-type] # passed on
        lines = [line for region in regions for line in reading.lines(region.content)]
        spoil(lines)
        yield Region(b"".join(lines), len(lines))

    monkeypatch.setattr(lists, "listed", wrong)


def test_lost_entry(running: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that vanished without a ground is noticed by the previous CRL and the database."""
    _spoil_list(monkeypatch, lambda lines: lines.pop())
    _assert_refused(running, "removed")
    _assert_refused(running, "database")


def test_lost_entry_in_long_list(running: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The previous CRL guards a list that is too long to be compared each time."""
    _spoil_list(monkeypatch, lambda lines: lines.pop())
    long = Settings(compared_up_to=0)
    _assert_refused(running, "removed", settings=long)


def test_lost_tenth(running: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that lost nearly everything names a few serials and counts the rest."""
    for _ in range(8):
        running.revoke(running.issue())
    running.publish()
    running.pass_time()
    _spoil_list(monkeypatch, lambda lines: lines.__delitem__(slice(1, None)))
    with pytest.raises(Refused, match=r"10 entries: .* and 5 more left the CRL without a ground"):
        running.publish()


def test_foreign_entry(running: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry for a certificate that was never issued is growth without a ground."""
    now = running.clock.now()
    line = entries.line(2**130, now, Reason.SUPERSEDED)
    _spoil_list(monkeypatch, lambda lines: lines.append(line))
    _assert_refused(running, "added")


@pytest.mark.parametrize("change", [{"reason": Reason.SUPERSEDED}, {"days": 1}])
def test_changed_entry(
    running: Stage, monkeypatch: pytest.MonkeyPatch, change: dict[str, object]
) -> None:
    """An entry with another reason or date than the database's is held back."""
    held = running.issued[0]
    since = running.clock.now() - timedelta(days=int(str(change.get("days", 0))))
    reason = Reason(str(change.get("reason", Reason.CERTIFICATE_HOLD)))
    line = entries.line(held.serial, since, reason)

    def spoil(lines: list[bytes]) -> None:
        lines[:] = [line if _serial(each) == held.serial else each for each in lines]

    _spoil_list(monkeypatch, spoil)
    _assert_refused(running, "added")
    _assert_refused(running, "database")


def _serial(line: bytes) -> int:
    return int.from_bytes(reading.serial_octets(line), "big")


def test_unsorted(running: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list out of order is held back, for clients that search it by halves."""
    _spoil_list(monkeypatch, lambda lines: lines.reverse())
    _assert_refused(running, "sorted")


@pytest.mark.parametrize("many", [0, 50_000])
def test_twice(running: Stage, monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    """A serial that stands twice is held back, in short lists and long ones (RFC 5280 5.1.2.6)."""
    _spoil_list(monkeypatch, lambda lines: lines.append(lines[-1]))
    _assert_refused(running, "sorted", settings=Settings(compared_up_to=many))


def test_change_that_was_not_noted(running: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A revocation that the list missed is found by comparing it with the engine's tables."""
    monkeypatch.setattr(journal, "_take", lambda *_given, **_more: None)
    running.revoke(running.issue())
    monkeypatch.setattr(lists, "waiting_serials", lambda *_: set())
    _assert_refused(running, "database")
    running.pass_time(timedelta(hours=13))
    _assert_refused(running, "database", settings=Settings(compared_up_to=0))


def test_count(running: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A count that `cryptography` does not confirm is held back."""
    monkeypatch.setattr(snapshot, "Region", lambda content, count: Region(content, count + 1))
    _assert_refused(running, "count")


def test_removal_in_full(running: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason removeFromCRL never stands in a full CRL (5.3.1)."""
    now = running.clock.now()
    line = entries.line(2**130, now, Reason.REMOVE_FROM_CRL)
    _spoil_list(monkeypatch, lambda lines: lines.append(line))
    _assert_refused(running, "remove_from_crl")


def test_delta_that_misses_a_change(running: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A delta that does not turn its base into the full list is held back."""
    running.settings = WITH_DELTAS
    running.publish()
    running.pass_time()
    running.restore(running.issued[0])
    monkeypatch.setattr(snapshot, "_changed_lines", lambda *_given: [])
    _assert_refused(running, "delta", kind=Kind.DELTA)


def test_partition_that_misses_an_entry(running: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Partitions that together list less than the full CRL are held back."""
    right = partitions.split

    def wrong(lines: Iterable[bytes], count: int) -> list[Region]:
        parts = right(lines, count)
        return [Region(b"", 0) if part.count else part for part in parts]

    monkeypatch.setattr(partitions, "split", wrong)
    with running.db.begin() as tx:
        tx.exec_driver_sql("UPDATE crl_sequence SET partitions = 2")
    _assert_refused(running, "partitions", settings=Settings(url=URL, partitions=2))


def test_clock_goes_back(running: Stage) -> None:
    """A CRL dated before the last one is held back (5.1.2.4)."""
    past = running.clock.now() - timedelta(hours=1)
    with pytest.raises(Refused, match="the clock went back"):
        publish.publish(
            running.db, past, issuer="issuing", key=running.key,
            settings=running.settings, targets=running.targets,
        )  # fmt: skip


def test_future_change(running: Stage) -> None:
    """A change dated hours ahead, by another machine's clock, is not published as past."""
    now = running.clock.now()
    running.pass_time(timedelta(hours=3))
    running.revoke(running.issue())
    with pytest.raises(Refused, match="check the clocks"):
        publish.publish(
            running.db, now, issuer="issuing", key=running.key,
            settings=running.settings, targets=running.targets,
        )  # fmt: skip


def test_change_a_moment_ahead(running: Stage) -> None:
    """A change that committed while publishing began moves thisUpdate to its date."""
    now = running.clock.now()
    running.pass_time(timedelta(seconds=5))
    running.revoke(running.issue())
    made = publish.publish(
        running.db, now, issuer="issuing", key=running.key,
        settings=running.settings, targets=running.targets,
    )  # fmt: skip
    assert made.crls[0].this_update == running.clock.now().replace(microsecond=0)


def test_next_run_after_refusal(running: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal raises an alarm and is not tried again at once; the next sound run tells all."""
    revoked = running.issue()
    running.revoke(revoked, Reason.KEY_COMPROMISE)
    with monkeypatch.context() as spoilt:
        _spoil_list(spoilt, lambda lines: lines.pop())
        _assert_refused(running, "database")
    assert _alarms(running) == ["refused"]
    running.pass_time(timedelta(minutes=4))
    assert _run(running) is None, "a person has to look meanwhile"
    running.pass_time(timedelta(minutes=1))
    made = _run(running)
    assert made is not None
    assert made.number == 3
    assert revoked.serial in running.listed()
    assert _alarms(running) == []


def _run(stage: Stage) -> Published | None:
    return publish_if_due(
        stage.db, stage.clock.now(), issuer="issuing", key=stage.key,
        settings=stage.settings, targets=stage.targets,
    )  # fmt: skip


def _alarms(stage: Stage) -> list[str]:
    with stage.db.read() as tx:
        state = watch.look(
            tx, stage.clock.now(), issuer="issuing", settings=stage.settings, targets=[]
        )
    return [alarm.rule for alarm in state.alarms]


def test_order_by_itself(running: Stage) -> None:
    """A number that is not above the last one is found, also when the database gave it."""
    last = running.publish().crls[0]
    outline = reading.outline(running.path().read_bytes())
    found = list(gate.order(outline.heading, previous=last, latest=None))
    assert [each.rule for each in found] == ["number"]


def test_facts_are_needed() -> None:
    """A difference of which the database knows nothing has no ground."""
    difference = Difference(removed={1: b""}, added={2: b""}, changed={3: (b"", b"")})
    facts: dict[int, Entry] = {}
    found = list(gate.changes(difference, facts, last_regular=None, unsettled=()))
    assert [each.rule for each in found] == ["removed", "added"]
    assert not list(gate.changes(difference, facts, last_regular=None, unsettled={1, 2, 3}))
