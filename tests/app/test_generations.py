"""The roll-over of the issuing CA: a second generation issues, the first goes on telling status."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from app import config, generations, worker
from app.authorities import load_index
from app.instance import OCSP_SUBSCRIBER
from app.wiring import Works
from ca import issue, records, rollover
from core.clock import SetClock
from core.errors import Conflict, Invalid, Refused
from hsm import ceremony as key_holder
from hsm.mechanisms import KeyKind
from tests.app.conftest import made
from tests.support import authority


@pytest.fixture
def home(tmp_path: Path, clock: SetClock, sqlite_template: Path) -> Path:
    """An instance with P-256 keys whose configuration names a key for `issuing-2`."""
    folder = tmp_path / "home"
    works = made(folder, sqlite_template, clock)
    works.instance.keyring.close()
    works.db.dispose()
    file = folder / config.FILE
    uri = works.instance.config.keys.issuing[0]
    next_uri = uri.replace("object=issuing", "object=issuing-2")
    assert next_uri != uri
    file.write_text(file.read_text() + f'\n[keys.issuers]\nissuing-2 = ["{next_uri}"]\n')
    return folder


def _establish(
    works: Works, name: str = "issuing-2", years: int = 10, *, wrappable: bool = False
) -> None:
    generations.establish_next(
        works,
        name,
        common_name="Antin Demo Issuing CA 2",
        years=years,
        kind=KeyKind.P_256,
        actor="operator:lan",
        wrappable=wrappable,
    )


def _close(works: Works) -> None:
    works.instance.keyring.close()
    works.db.dispose()


def test_wrappable(home: Path, clock: SetClock) -> None:
    """The next generation's key can be made to be copied, where its URI takes such a key."""
    works = Works(home, clock=clock)
    with pytest.raises(Invalid, match="is to be wrappable"):
        _establish(works, wrappable=True)
    _close(works)
    file = home / config.FILE
    file.write_text(file.read_text().replace("issuing-2?", "issuing-2?x-imported=true&"))
    works = Works(home, clock=clock)
    _establish(works, wrappable=True)
    role = config.issuer_role("issuing-2")
    record = key_holder.describe(works.instance.keyring, role, wrappable=True)
    assert record.findings == ()
    _close(works)


def test_roll_over(home: Path, clock: SetClock) -> None:
    """Established, taken into use, the older one retired: both have CRL and responder for years."""
    works = Works(home, clock=clock)
    old = issue.issue(works.db, clock, works.issuer(), authority.order("KH1", clock.now()))
    _establish(works)
    with pytest.raises(Conflict, match="already; choose another name"):
        _establish(works)
    _close(works)
    file = home / config.FILE
    text = file.read_text()
    first, second = works.instance.config.keys.issuing, works.instance.config.keys.issuers
    text = text.replace(f'issuing = ["{first[0]}"]', f'issuing = ["{second["issuing-2"][0]}"]')
    text = text.replace(f'issuing-2 = ["{second["issuing-2"][0]}"]', f'issuing = ["{first[0]}"]')
    file.write_text(f'issuer = "issuing-2"\n{text}')
    works = Works(home, clock=clock)
    before = works.issuer("issuing")
    rollover.retire(works.db, clock, "issuing", successor="issuing-2", actor="operator:lan")
    with pytest.raises(Refused, match="was retired at"):
        issue.issue(works.db, clock, before, authority.order("KH2", clock.now()))
    new = issue.issue(works.db, clock, works.issuer(), authority.order("KH2", clock.now()))
    assert new.issuer_id != old.issuer_id
    clock.move_to(clock.now() + timedelta(days=20))
    assert worker.once(works) == []
    with works.db.read() as tx:
        delegates = records.of_subscriber(tx, OCSP_SUBSCRIBER)
    assert sorted(each.issuer_id for each in delegates) == sorted(
        [old.issuer_id, new.issuer_id] * 2
    )
    for name in ("issuing", "issuing-2"):
        crl = x509.load_der_x509_crl((home / "crl" / f"{name}.crl").read_bytes())
        key = works.issuer(name).certificate.public_key()
        assert crl.is_signature_valid(key)  # type: ignore[arg-type] # a CA's key
    load_index(works.instance, works.db)
    _close(works)


def test_without_a_key(home: Path, clock: SetClock) -> None:
    """An issuer that the configuration does not know, or that outlives the root, is not made."""
    works = Works(home, clock=clock)
    with pytest.raises(Invalid, match="names no key for the issuer 'issuing-3'"):
        _establish(works, "issuing-3")
    with pytest.raises(Refused, match="after its issuer 'root'"):
        _establish(works, years=26)
    _establish(works)  # the key that was made is taken
    _close(works)
