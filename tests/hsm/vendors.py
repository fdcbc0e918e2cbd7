"""The PKCS#11 modules that the contract is tried on, each made ready in a folder of its own.

SoftHSM and NSS softoken are always there. Any other module joins by the environment: set
ANTIN_TEST_PKCS11 to a PKCS#11 URI without object= (module-path, token, pin-source) of an
initialised token that may be written on.
"""

import itertools
import mmap
import os
import secrets
import shutil
import struct
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from hsm import softhsm, uri
from hsm.uri import KeyUri

NAMED = "ANTIN_TEST_PKCS11"
NSS_MODULE = Path("/usr/lib/x86_64-linux-gnu/libsoftokn3.so")
_copies = itertools.count(1)
_INIT, _SLOTS, _OPEN, _LOGIN, _SIGN_INIT, _SIGN = 0, 4, 12, 18, 42, 43


@dataclass(frozen=True)
class Token:
    """A token to test on: where it is, and what its module wants in the environment."""

    name: str
    place: KeyUri
    environment: dict[str, str] = field(default_factory=dict)
    prefix: str = ""

    def uri(self, label: str, **changes: object) -> str:
        """Return the URI of the key `label` on this token."""
        values = {name: getattr(self.place, name) for name in KeyUri.__dataclass_fields__}
        return str(KeyUri(**(values | {"label": self.prefix + label} | changes)))

    def behind(self, shim: "Shim") -> "Token":
        """Return the same token as seen through a shim."""
        values = {name: getattr(self.place, name) for name in KeyUri.__dataclass_fields__}
        place = KeyUri(**(values | {"module_path": shim.path}))
        settings = {"REAL_MODULE": str(self.place.module_path), "SHIM_CONTROL": str(shim.file)}
        return Token(self.name, place, self.environment | settings, self.prefix)


def own_copy(module: Path, folder: Path) -> Path:
    """Copy a module, so that it is loaded as one of its own and shares no state with another."""
    copy = folder / f"{module.stem}-{next(_copies)}.so"
    shutil.copy(module, copy)
    return copy


def softhsm_token(folder: Path, label: str = "contract", module: Path | None = None) -> Token:
    """Make a SoftHSM token; the module is a copy of its own, unless it is another token's."""
    module = module or own_copy(softhsm.module_path(), folder)
    made = softhsm.create_token(folder / "softhsm", label, module=module)
    environment = {"SOFTHSM2_CONF": str(made.configuration)}
    return Token("softhsm", uri.parse(made.uri("x")), environment)


def nss_token(folder: Path) -> Token:
    """Make an NSS certificate database with a password."""
    database = folder / "nss"
    database.mkdir()
    pin = folder / "nss-pin"
    pin.write_text(secrets.token_hex(8))
    pin.chmod(0o600)
    # Each use of a key derives the database's key from the password: 10,000 rounds otherwise.
    environment = {"NSS_MAX_MP_PBE_ITERATION_COUNT": "1"}
    subprocess.run(
        ["certutil", "-N", "-d", f"sql:{database}", "-f", pin],
        check=True,
        env=os.environ | environment,
    )
    reserved = f"configdir='sql:{database}' certPrefix='' keyPrefix='' secmod='secmod.db' flags="
    place = KeyUri(
        module_path=NSS_MODULE,
        token="NSS Certificate DB",
        pin_source=f"file:{pin}",
        init_reserved=reserved,
    )
    return Token("nss", place, environment)


def pin_of(token: Token) -> str:
    """Return the PIN of a token that keeps it in a file."""
    source = token.place.pin_source or ""
    return Path(source.removeprefix("file:")).read_text()


def named_token() -> Token:
    """Return the token that the environment names."""
    prefix = f"antin-{time.time_ns()}-"
    return Token("named", uri.parse(os.environ[NAMED]), prefix=prefix)


class Shim:
    """A module before another one, and the levers that make it fail."""

    FIELDS = (
        "hang", "hanging", "removed", "fail", "fail_times", "fail_with", "no_locks", "overlaps",
        "most_sessions", "sessions",
    )  # fmt: skip
    INITIALIZE, GET_SLOT_LIST, OPEN_SESSION, LOGIN = _INIT, _SLOTS, _OPEN, _LOGIN
    SIGN_INIT, SIGN = _SIGN_INIT, _SIGN

    def __init__(self, folder: Path, compiled: Path) -> None:
        """Copy the compiled shim, so that it reads its environment anew, and lay out the levers."""
        self.path = own_copy(compiled, folder)
        self.file = folder / f"{self.path.stem}.control"
        self.file.write_bytes(bytes(4096))
        with self.file.open("r+b") as stream:
            self._memory = mmap.mmap(stream.fileno(), 4096)

    def get(self, name: str) -> int:
        """Return the value of a lever or counter."""
        return int(struct.unpack_from("i", self._memory, 4 * self.FIELDS.index(name))[0])

    def set(self, name: str, value: int) -> None:
        """Move a lever."""
        struct.pack_into("i", self._memory, 4 * self.FIELDS.index(name), value)

    def calls(self, function: int) -> int:
        """Return how often a function was called."""
        return int(struct.unpack_from("i", self._memory, 4 * (len(self.FIELDS) + function))[0])

    def hang(self, function: int) -> None:
        """Let the function not return, until `release`."""
        self.set("hang", function + 1)

    def release(self) -> None:
        """Let the calls that hang return."""
        self.set("hang", 0)

    def fail(self, function: int, rv: int, *, times: int = -1) -> None:
        """Let the function return `rv`, so many times or (-1) until `mend`."""
        self.set("fail_with", rv)
        self.set("fail_times", times)
        self.set("fail", function + 1)

    def mend(self) -> None:
        """Let the function work again."""
        self.set("fail", 0)
