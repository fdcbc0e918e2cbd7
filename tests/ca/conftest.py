"""Fixtures of the engine's tests: a root and an issuing CA with keys in memory."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ca.issuers import SigningIssuer
from core.clock import SetClock
from core.database import Database
from tests.support import authority


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    """An RSA-2048 key, made once per run."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def issuer(db: Database, clock: SetClock, rsa_key: rsa.RSAPrivateKey) -> SigningIssuer:
    """An issuing CA named `issuing` under a P-256 root, recorded in `db`."""
    root_key = ec.generate_private_key(ec.SECP256R1())
    made = authority.establish(db, clock, root_key, rsa_key)
    clock.move_to(clock.now() + timedelta(seconds=1))
    return made
