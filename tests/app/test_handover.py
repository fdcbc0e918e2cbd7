"""The audit trail handed over to a key in the token, and what else that key signs."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app import config, handover, statements, trail, worker
from app.wiring import AUDIT_FOLDER, Works
from ca import issue
from core import sealing
from core.clock import SetClock
from core.errors import Conflict, Invalid, Refused
from tests.app.conftest import antin, made
from tests.support import authority


@pytest.fixture
def works(tmp_path: Path, clock: SetClock, sqlite_template: Path) -> Iterator[Works]:
    """A new instance whose configuration names a next audit key."""
    works = made(tmp_path / "home", sqlite_template, clock)
    trail.seal(works)
    assert worker.once(works) == []
    yield works
    works.instance.keyring.close()
    works.db.dispose()


def _configured(works: Works, **roles: str | None) -> Works:
    """Return the instance with other URIs of roles in its configuration."""
    file = works.instance.home / config.FILE
    own = works.instance.config.keys.audit[0]
    lines = [
        line
        for line in file.read_text().splitlines()
        if line.split("=")[0].strip() not in {"audit", "audit_next"}
    ]
    at = lines.index("[keys]") + 1
    for role, label in roles.items():
        if label is not None:
            uri = own.replace("object=audit-2", "object=audit").replace("object=audit", label)
            lines.insert(at, f'{role} = ["{uri}"]')
    file.write_text("\n".join(lines) + "\n")
    return Works(works.instance.home, clock=works.clock)


def _close(works: Works) -> None:
    works.instance.keyring.close()
    works.db.dispose()


def test_hand_over(works: Works, clock: SetClock) -> None:
    """The next key is made and signs on; the first one proves all; statements get a certificate."""
    first = trail.public_key(works)
    certificate = issue.issue(works.db, clock, works.issuer(), authority.order("KH1", clock.now()))
    with pytest.raises(Invalid, match="names no next audit key"):
        handover.hand_over(works, actor="operator:lan")
    plan = works.office("operator:lan").seal.sign({"sha256": "x"})
    both = _configured(works, audit="object=audit", audit_next="object=audit-2")
    clock.move_to(clock.now() + timedelta(minutes=1))
    with pytest.raises(Invalid, match="'audit_next' is to be wrappable"):
        handover.hand_over(both, actor="operator:lan", wrappable=True)
    signed = handover.hand_over(both, actor="operator:lan")
    with pytest.raises(Conflict, match="signs the audit trail already"):
        handover.hand_over(both, actor="operator:lan")
    clock.move_to(clock.now() + timedelta(hours=2))
    with pytest.raises(Conflict, match="not by the audit key"):
        trail.seal(both, sign_now=True)
    _close(both)
    after = _configured(works, audit="object=audit-2")
    assert worker.once(after) == []
    pem = after.instance.home / AUDIT_FOLDER / handover.PUBLIC
    assert trail.public_key(after) == trail.public_key(after, pem) != first
    for key in (first, trail.public_key(after)):
        report = trail.examine(after, key)
        assert report.findings == ()
        assert report.signed > signed.position
    assert statements.sign(after, certificate.serial, clock.now(), actor="operator:lan")
    assert not statements.renew(after)
    assert after.office("operator:lan").seal.read(plan) == {"sha256": "x"}
    former = next((after.instance.home / AUDIT_FOLDER).glob("former-*.pub"))
    former.unlink()
    with pytest.raises(Refused, match="not by the key"):
        after.office("operator:lan").seal.read(plan)
    _close(after)


def test_interrupted(works: Works, clock: SetClock) -> None:
    """A command that ended between the handover and the new key's signature is given again."""
    both = _configured(works, audit="object=audit", audit_next="object=audit-2")
    new = handover._next_key(both)
    handover._seal(both, "operator:lan", "audit.hand_over", {})
    sealing.hand_over(both.db, clock.now(), both.audit_key(), new.public_key())
    said = antin("--home", both.instance.home, "audit", "hand-over")
    assert said.returncode == 0, said.stderr
    assert "name it as audit" in said.stdout
    assert trail.kept_here(both, trail.line(both, new.public_key())) is not None
    assert trail.examine(both, new.public_key()).findings == ()
    _close(both)
