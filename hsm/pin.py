"""PINs: read where the configuration points to, at the moment of a login, and wiped after it.

A PIN is never a `str` or `bytes` of ours for longer than its reading: it lives in a `Pin`, whose
`repr` shows nothing, and its buffer is overwritten when the login is done. No frame that an error
can pass through names its bytes, for some tracebacks print the locals. A process that reads one
leaves no core dump from then on.
"""

import ctypes
import getpass
import os
import stat
import sys
from pathlib import Path
from typing import Self

from core.errors import Invalid
from hsm import dumps

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_MOST_BYTES = 256


class Pin:
    """A PIN in a buffer that can be wiped: `with Pin(...) as buffer`; it prints as `Pin(...)`."""

    __slots__ = ("buffer",)

    def __init__(self, raw: bytes) -> None:
        """Copy `raw` into a buffer of our own; it does not end in a NUL."""
        self.buffer = (ctypes.c_char * len(raw)).from_buffer_copy(raw)

    def __enter__(self) -> Self:
        """Lend the PIN for the length of a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Wipe the PIN."""
        ctypes.memset(self.buffer, 0, len(self.buffer))

    def __repr__(self) -> str:
        """Show nothing."""
        return "Pin(...)"


def read(source: str, what: str = "PIN") -> Pin:
    """Return the PIN that `source` names: file:PATH, env:NAME, credential:NAME or prompt:.

    `what` is the word for it in sentences, where it is a secret of another kind.

    Raises Invalid when it is not there, is empty, or lies in a file that others may read.
    """
    dumps.forbid()
    scheme, _, rest = source.partition(":")
    found = Pin(_READERS[scheme](rest, what))
    if not 0 < len(found.buffer) <= _MOST_BYTES:
        raise Invalid(
            f"The {what} from {source} has {len(found.buffer)} bytes; it must have 1 to "
            f"{_MOST_BYTES}."
        )
    return found


def _from_file(name: str, what: str) -> bytes:
    path = Path(name)
    try:
        mode = path.stat().st_mode
        if stat.S_IMODE(mode) & _OTHERS:
            raise Invalid(
                f"The {what} file {path} has mode {stat.S_IMODE(mode):04o}, so that others may "
                f"use it; run chmod 0600 {path} and consider a new {what}."
            )
        return path.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise Invalid(f"The {what} file {path} cannot be read: {error.strerror}.") from None


def _from_environment(name: str, what: str) -> bytes:
    value = os.environ.get(name)
    if value is None:
        raise Invalid(f"The environment variable {name} that holds the {what} is not set.")
    return value.encode()


def _from_credential(name: str, what: str) -> bytes:
    """Read a systemd credential (systemd.exec, LoadCredential=); systemd keeps its mode."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder is None:
        raise Invalid(
            f"The {what} is the systemd credential {name}, but there is no CREDENTIALS_DIRECTORY; "
            f"add LoadCredential={name}:PATH to the unit."
        )
    if "/" in name:
        raise Invalid(f"The systemd credential {name!r} is no plain name.")
    try:
        return (Path(folder) / name).read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise Invalid(f"The systemd credential {name} cannot be read: {error.strerror}.") from None


def _from_terminal(_: str, what: str) -> bytes:
    if not sys.stdin.isatty():
        raise Invalid(
            f"The {what} is to be asked for, but there is no terminal; use another pin-source for "
            "a process that runs unattended."
        )
    return getpass.getpass(f"{what} of the token: ").encode()


_READERS = {
    "file": _from_file,
    "env": _from_environment,
    "credential": _from_credential,
    "prompt": _from_terminal,
}
