"""Tokens for the tests of hsm: of a vendor in turn, shared by tests, or behind a shim."""

import contextlib
import os
import subprocess
import time
from pathlib import Path

import pytest

from core.errors import Refused
from hsm import modules
from hsm.codes import Mechanism
from hsm.keyring import Keyring
from hsm.mechanisms import KeyKind
from tests.hsm import vendors

KINDS = {"rsa": KeyKind.RSA_2048, "p256": KeyKind.P_256, "p384": KeyKind.P_384}
TIME_LIMIT_SECONDS = 20.0


@pytest.fixture(scope="session")
def compiled_shim(tmp_path_factory) -> Path:
    """The shim, compiled once for each run."""
    built: Path = tmp_path_factory.mktemp("shim") / "shim.so"
    source = Path(__file__).with_name("shim.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", built, source], check=True)
    return built


@pytest.fixture(scope="session")
def shared_tokens(tmp_path_factory) -> dict[str, vendors.Token]:
    """One token of each vendor for each process, made when it is first asked for."""
    return {}


_MAKERS = {"softhsm": vendors.softhsm_token, "nss": vendors.nss_token}
_NAMES = [*_MAKERS, *(["named"] if vendors.NAMED in os.environ else [])]


@pytest.fixture(params=_NAMES)
def vendor(request, shared_tokens, tmp_path_factory, monkeypatch) -> vendors.Token:
    """A token of each vendor in turn, with keys on it that every test of the contract uses."""
    name = request.param
    if name not in shared_tokens:
        if name == "named":
            shared_tokens[name] = vendors.named_token()
        else:
            shared_tokens[name] = _MAKERS[name](tmp_path_factory.mktemp(name))
        _enter(shared_tokens[name], monkeypatch)
        _make_keys(shared_tokens[name])
    token: vendors.Token = shared_tokens[name]
    _enter(token, monkeypatch)
    return token


@pytest.fixture
def keyring(vendor):
    """A keyring over the vendor's token, closed after the test."""
    keyring = open_keyring(vendor)
    yield keyring
    keyring.close()


@pytest.fixture
def shim(compiled_shim, tmp_path) -> vendors.Shim:
    """A shim that nothing has been put behind yet."""
    return vendors.Shim(tmp_path, compiled_shim)


@pytest.fixture
def shimmed(shim, vendor, monkeypatch):
    """The vendor's token, seen through the shim."""
    token = vendor.behind(shim)
    _rest(vendor)
    _enter(token, monkeypatch)
    yield token
    shim.release()
    shim.mend()
    _rest(token)


def open_keyring(token: vendors.Token, **settings) -> Keyring:
    """Return a keyring with one role for each key on the token."""
    settings = {"time_limit_seconds": TIME_LIMIT_SECONDS} | settings
    return Keyring({role: [token.uri(role)] for role in (*KINDS, "vault")}, **settings)


def kinds_of(keyring: Keyring) -> list[str]:
    """Return the roles whose keys this token could make."""
    return [role for role in KINDS if not _missing(keyring, KINDS[role])]


def _missing(keyring: Keyring, kind: KeyKind) -> bool:
    wanted = Mechanism.RSA_PKCS if kind is KeyKind.RSA_2048 else Mechanism.ECDSA
    return wanted not in mechanisms_of(keyring)


def mechanisms_of(keyring: Keyring) -> frozenset[int]:
    """Return the mechanisms of the keyring's token."""
    pool = keyring.places("rsa")[0].pool
    return pool.run(lambda session: session.mechanisms, time.monotonic() + 9, lambda: "look")


def _rest(token: vendors.Token) -> None:
    """Finalise a token's module: one that is initialised twice does not lock."""
    loaded = modules.loaded_already(token.place.module_path)
    assert loaded is None or loaded.rest()


def _enter(token: vendors.Token, monkeypatch) -> None:
    for name, value in token.environment.items():
        monkeypatch.setenv(name, value)


def _make_keys(token: vendors.Token) -> None:
    keyring = open_keyring(token)
    try:
        for role in kinds_of(keyring):
            keyring.generate(role, KINDS[role])
        with contextlib.suppress(Refused):
            keyring.generate_secret("vault")
    finally:
        keyring.close()
