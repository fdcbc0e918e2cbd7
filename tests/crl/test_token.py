"""CRLs signed by keys on a token: the digest is made here, the signature there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from core.clock import SetClock
from core.database import Database
from hsm.keyring import Keyring
from hsm.mechanisms import KeyKind
from tests.crl.judges import agree
from tests.crl.stage import raise_stage
from tests.hsm import vendors


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyring]:
    """Keys of three kinds on a SoftHSM token of this test's own."""
    token = vendors.softhsm_token(tmp_path, label="crl")
    for name, value in token.environment.items():
        monkeypatch.setenv(name, value)
    keyring = Keyring({kind.name: [token.uri(kind.name)] for kind in _KINDS})
    yield keyring
    keyring.close()


_KINDS = (KeyKind.RSA_2048, KeyKind.P_256, KeyKind.P_384)


@pytest.mark.parametrize("kind", _KINDS)
def test_signed_on_token(
    keyring: Keyring, kind: KeyKind, sqlite_db: Database, clock: SetClock, tmp_path: Path
) -> None:
    """A CRL signed by a key on a token is accepted by everybody who judges CRLs here."""
    keyring.generate(kind.name, kind)
    key = keyring.key(kind.name)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    stage = raise_stage(sqlite_db, clock, tmp_path, key=key)
    revoked = stage.issue()
    stage.revoke(revoked)
    stage.publish()
    assert agree(stage) == {revoked.serial: "superseded"}
