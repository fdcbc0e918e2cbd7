"""The issuers' certificates as the responder serves them."""

import pytest

from app import authorities
from app.authorities import Certificates
from core.clock import SetClock
from core.database import Database
from tests.support import authority
from tests.support.office import ca_key


def test_issuer_of_the_day(db: Database, clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """An issuer that was established meanwhile is found; a stranger costs one look in a second."""
    monkeypatch.setattr(authorities, "_PAUSE_SECONDS", 600.0)
    found = Certificates(db)
    assert dict(found) == {}
    issuer = authority.establish(db, clock, ca_key("root"), ca_key("issuing"))
    assert found.get("issuing") is None, "it was looked for a moment ago"
    monkeypatch.setattr(authorities, "_PAUSE_SECONDS", 0.0)
    later = Certificates(db)
    assert later["issuing"] == issuer.issuer.der
    assert sorted(later) == ["issuing", "root"]
    db.engine.dispose()
    monkeypatch.setattr(later, "_db", Database("postgresql+psycopg://nobody@127.0.0.1:1/none"))
    assert later.get("stranger") is None, "a database that is away is no fault"
    assert later["root"]
