"""Without a database or a key the answer is an honest error."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from core.database import Database
from core.errors import SigningUnavailable
from ocsp.answer import Responder
from ocsp.model import ResponseStatus, Settings, Source
from tests.support.relying import Scene, ask


def test_database_away(scene: Scene) -> None:
    """Without a database the answer is tryLater, never a guess."""
    db = Database("sqlite:////nowhere/at/all.db", read_only=True)
    responder = Responder(db, scene.clock, scene.index(), Settings())
    answer = responder.answer(ask(scene.issuer_der, scene.issue().serial))
    assert (answer.status, answer.source) == (ResponseStatus.TRY_LATER, Source.ERROR)
    assert answer.der == b"\x30\x03\x0a\x01\x03"


class _AwayKey:
    """A key whose token is away, or broken in a way nobody foresaw."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.curve = ec.SECP256R1()

    def sign(self, *_: object) -> bytes:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (SigningUnavailable("The token is away."), ResponseStatus.TRY_LATER),
        (RuntimeError("A bug."), ResponseStatus.INTERNAL_ERROR),
    ],
)
def test_key_away(scene: Scene, error: Exception, status: ResponseStatus) -> None:
    """Without a key the answer is tryLater; a fault of ours is internalError, not a crash."""
    responder = scene.responder()
    (authority_,) = [each for each in responder.index.authorities() if each.signers]
    object.__setattr__(authority_.signers[0], "key", _AwayKey(error))
    assert responder.answer(ask(scene.issuer_der, 1)).status is status
