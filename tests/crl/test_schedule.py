"""When CRLs are made, by whom, what is noticed, and what is kept."""

from datetime import timedelta
from pathlib import Path

import pytest

import ca.records
from core.errors import Refused, Unavailable
from core.reasons import Reason
from crl import build, schedule, watch
from crl.authority import authority, sign
from crl.model import Cause, Heading, Published, Settings
from crl.records import numbers
from crl.schedule import LEASE, due, tick
from crl.takeover import continue_after
from crl.targets import Directory, Parcel
from tests.crl.judges import agree
from tests.crl.stage import WITH_DELTAS, Stage


def _due(stage: Stage) -> Cause | None:
    with stage.db.read() as tx:
        return due(tx, stage.clock.now(), issuer="issuing", settings=stage.settings)


def _tick(stage: Stage, holder: str = "one") -> Published | None:
    return tick(
        stage.db, stage.clock.now(), holder=holder, issuer="issuing", key=stage.key,
        settings=stage.settings, targets=stage.targets,
    )  # fmt: skip


def _alarms(stage: Stage) -> list[str]:
    with stage.db.read() as tx:
        state = watch.look(
            tx, stage.clock.now(), issuer="issuing", settings=stage.settings,
            targets=[target.name for target in stage.targets],
        )  # fmt: skip
    return [alarm.rule for alarm in state.alarms]


def _check(stage: Stage) -> list[str]:
    found = watch.check(
        stage.db, stage.clock.now(), issuer="issuing", settings=stage.settings,
        targets=stage.targets,
    )  # fmt: skip
    return [alarm.rule for alarm in found]


def test_due(both: Stage) -> None:
    """A CRL is due at first, after each interval, and after a change once changes have settled."""
    assert _due(both) is Cause.FIRST
    both.publish()
    assert _due(both) is None
    both.pass_time(both.settings.interval)
    assert _due(both) is Cause.INTERVAL
    both.publish()
    both.suspend(both.issue())
    assert _due(both) is None, "changes are gathered"
    both.pass_time(both.settings.settle)
    assert _due(both) is Cause.CHANGED
    both.publish()
    assert _due(both) is None


def test_urgent(both: Stage) -> None:
    """A compromised key is published at once, and fully, also where changes go out as deltas."""
    both.settings = WITH_DELTAS
    both.publish()
    revoked = both.issue()
    both.revoke(revoked, Reason.KEY_COMPROMISE)
    assert _due(both) is Cause.URGENT
    assert _tick(both) is not None
    assert both.listed() == {revoked.serial: "keyCompromise"}


def test_change_goes_out_as_delta(both: Stage) -> None:
    """Where the settings say so, a change goes out as a delta, and the interval brings the full."""
    both.settings = WITH_DELTAS
    both.publish()
    both.pass_time()
    held = both.issue()
    both.suspend(held)
    assert _tick(both) is not None
    assert (both.listed(), set(both.listed("issuing-delta.crl"))) == ({}, {held.serial})
    assert _due(both) is None
    both.pass_time(both.settings.interval)
    assert _tick(both) is not None
    assert set(both.listed()) == {held.serial}


def test_change_within_a_minute(both: Stage) -> None:
    """With a tick every ten seconds a change is published within 60 s, ten changes in one CRL."""
    both.publish()
    for each in [both.issue() for _ in range(10)]:
        both.suspend(each)
    made = []
    for _ in range(6):
        both.pass_time(timedelta(seconds=10))
        made.append(_tick(both))
    assert sum(each is not None for each in made) == 1
    assert len(both.listed()) == 10


def test_one_leader(both: Stage) -> None:
    """One process publishes; when it is silent for the time of the lease, another takes over."""
    assert _tick(both, "one") is not None
    both.pass_time(both.settings.interval)
    assert _tick(both, "one") is not None
    both.pass_time(LEASE - timedelta(seconds=1))
    assert _tick(both, "two") is None
    both.pass_time(both.settings.interval)
    assert _tick(both, "two") is not None
    assert _tick(both, "one") is None, "the old leader finds itself replaced"


def test_lease_at_first(both: Stage) -> None:
    """Of two that ask for the first time in one moment, one gets the lease."""
    assert _tick(both, "one") is not None
    both.suspend(both.issue())
    both.pass_time(timedelta(seconds=29))
    assert _tick(both, "two") is None


def test_alarms(both: Stage) -> None:
    """Whoever looks is told of a missing, late, or expired CRL, and of changes that wait."""
    assert _alarms(both) == ["none"]
    both.publish()
    assert _alarms(both) == []
    both.suspend(both.issue())
    both.pass_time(timedelta(seconds=91))
    assert _alarms(both) == ["waiting"]
    both.publish()
    both.pass_time(timedelta(hours=16))
    assert _alarms(both) == ["late"]
    both.pass_time(timedelta(hours=33))
    assert _alarms(both) == ["expired"]


class Away(Directory):
    """A folder that cannot be reached."""

    def keep(self, parcel: Parcel) -> None:
        """Fail."""
        raise Unavailable(f"{parcel.history} cannot be written.")


def test_alarm_for_target(stage: Stage, tmp_path: Path) -> None:
    """A target that lags behind is named."""
    stage.targets.append(Away(tmp_path / "away", name="mirror"))
    with pytest.raises(Unavailable, match="mirror"):
        stage.publish()
    assert _alarms(stage) == []
    stage.pass_time(timedelta(minutes=2))
    assert _alarms(stage) == ["undelivered"]


def test_check(stage: Stage) -> None:
    """A check from outside finds a published CRL that is missing, old, foreign or spoilt."""
    stage.suspend(stage.issue())
    stage.publish()
    assert _check(stage) == []
    old = stage.path().read_bytes()
    stage.pass_time()
    stage.publish()
    new = stage.path().read_bytes()
    for content, rule in (
        (old, "stale"),
        (b"<html>", "unreadable"),
        (new[:-1] + bytes([new[-1] ^ 1]), "signature"),
    ):
        stage.path().unlink()
        stage.path().write_bytes(content)
        assert _check(stage) == [rule]
    stage.path().unlink()
    assert _check(stage) == ["missing"]


def test_check_compares_with_the_engine(stage: Stage) -> None:
    """A check finds a list that lost an entry, whatever the CRLs say of each other."""
    stage.suspend(stage.issue())
    stage.publish()
    with stage.db.begin() as tx:
        tx.exec_driver_sql("DELETE FROM crl_entry")
    assert _check(stage) == ["database"]


def test_retention(stage: Stage) -> None:
    """Old CRLs leave the history after the retention time; what is still needed stays."""
    stage.settings = Settings(retention=timedelta(days=1))
    root = {"issuer": "root", "key": stage.root_key}
    for _ in range(5):
        stage.publish(**root)
        _tick(stage)
        stage.pass_time(timedelta(hours=13))
    history = stage.path("issuing/history")
    assert sorted(path.name for path in history.iterdir()) == ["4.crl", "5.crl"]
    stage.pass_time(timedelta(days=30))
    schedule.retain(
        stage.db, stage.clock.now(), issuer="issuing",
        settings=stage.settings, targets=stage.targets,
    )  # fmt: skip
    assert [path.name for path in history.iterdir()] == ["5.crl"], "the newest is always kept"
    assert stage.read().extensions
    assert len(list(stage.path("root/history").iterdir())) == 5, "the root has its own settings"


def test_root(stage: Stage) -> None:
    """The root has its own CRL, numbers and history beside the issuing CA's."""
    stage.publish()
    stage.publish()
    root = {"issuer": "root", "key": stage.root_key, "settings": Settings(interval=timedelta(90))}
    assert stage.publish(**root).number == 1
    assert agree(stage, "root.crl", "root") == {}
    with stage.db.read() as tx:
        subordinate = ca.records.by_serial(tx, stage.issuer.certificate.serial_number)
    stage.revoke(subordinate, Reason.CA_COMPROMISE)
    stage.pass_time()
    assert stage.publish(**root).number == 2
    assert list(agree(stage, "root.crl", "root").values()) == ["cACompromise"]


def test_numbers_go_on(both: Stage) -> None:
    """After a take-over the numbers go on above the former CA's last one; nothing else is taken."""
    both.publish()
    theirs = both.path().read_bytes()
    with pytest.raises(Refused, match="published a CRL here already"):
        continue_after(
            both.db, both.clock.now(), issuer="issuing", last=theirs, actor="operator:test"
        )
    with pytest.raises(Refused, match="its issuer field differs"):
        continue_after(both.db, both.clock.now(), issuer="root", last=theirs, actor="operator:test")
    former = _crl_of_former_root(both, number=4_711)
    last = continue_after(
        both.db, both.clock.now(), issuer="root", last=former, actor="operator:test"
    )
    assert last == 4_711
    root = {"issuer": "root", "key": both.root_key}
    assert both.publish(**root).number == 4_712
    with both.db.begin() as tx:
        numbers.raise_to(tx, both.issuer.issuer.id, 0)
    assert both.publish().number == 2, "a lower number changes nothing"


def _crl_of_former_root(stage: Stage, *, number: int) -> bytes:
    """A former root's CRL with this number."""
    with stage.db.read() as tx:
        root = ca.records.issuer_named(tx, "root")
    signer = authority(root.der, stage.root_key)
    heading = Heading(
        issuer=signer.subject, key_id=signer.key_id, number=number,
        this_update=stage.clock.now().replace(microsecond=0),
        next_update=stage.clock.now().replace(microsecond=0) + timedelta(days=1),
    )  # fmt: skip
    tbs = build.to_be_signed(heading, signer.algorithm, b"")
    return build.assemble(tbs, signer.algorithm, sign(signer, tbs))
