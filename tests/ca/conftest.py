"""Fixtures of the engine's tests: a root and an issuing CA with keys in memory."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ca.issuers import SigningIssuer
from core.clock import SetClock
from core.database import Database
from tests.support import authority, postgres


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


@pytest.fixture
def copies(sqlite_template: Path, tmp_path: Path) -> Callable[[], Database]:
    """Opens a fresh copy of a migrated SQLite database at each call; the one before is gone."""

    def fresh() -> Database:
        for each in tmp_path.glob("engine.db*"):
            each.unlink()
        shutil.copy(sqlite_template, tmp_path / "engine.db")
        return Database(f"sqlite:///{tmp_path / 'engine.db'}")

    return fresh


@pytest.fixture
def postgres_copies(
    postgres_cluster: postgres.Cluster, postgres_template: str
) -> Iterator[Callable[[], Database]]:
    """Opens a fresh migrated PostgreSQL database at each call; the end removes them."""
    names: list[str] = []

    def fresh() -> Database:
        names.append(f"engine_{uuid.uuid4().hex}")
        return Database(postgres_cluster.create_database(names[-1], template=postgres_template))

    yield fresh
    for each in names:
        postgres_cluster.drop_database(each)
