"""Where CRLs are published: each target keeps every CRL by its number and shows the newest.

A target only moves forward and never shows another issuer's CRL in an issuer's place.
"""

import contextlib
import mmap
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from core import durable
from core.errors import Conflict, Invalid, Unavailable
from crl import compressed, reading
from crl.model import Heading

_PIECE = 1024 * 1024
# Shorter ones fit into a few packets either way.
_WORTH_COMPRESSING = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A CRL on its way: its bytes, the heading they carry, and its two paths below `/crl/`."""

    current: str
    history: str
    heading: Heading
    content: bytes


class Target(Protocol):
    """A place of publication; `name` is its stable name in the records."""

    @property
    def name(self) -> str:
        """The name under which deliveries to this target are recorded."""
        ...

    def keep(self, parcel: Parcel) -> None:
        """Put the CRL durably under its history path; doing it again changes nothing.

        Raises Conflict when other bytes have that number already, Unavailable when the target
        cannot be written.
        """
        ...

    def show(self, parcel: Parcel) -> None:
        """Make the CRL, kept before, the one that the current path shows; durable, read back.

        Raises Conflict when a newer CRL or another issuer's is shown there.
        """
        ...

    def tidy(self, parcel: Parcel) -> None:
        """Do what may wait until the CRL is out."""
        ...

    def read(self, path: str) -> bytes | None:
        """Return what stands under a path, None when nothing does; raises Unavailable."""
        ...

    def forget(self, path: str) -> None:
        """Remove an old CRL from the history; nothing changes when it is gone."""
        ...


class Directory:
    """A folder that a web server shows as `/crl/`.

    The current file is a second name of the history file, so that the bytes are written and synced
    once; replacing the name is atomic, and a reader that has the old file open reads it to its end.
    """

    def __init__(self, folder: Path, *, name: str = "directory") -> None:
        """Use `folder`, which is made when it does not exist."""
        self.folder = folder
        self._name = name

    @property
    def name(self) -> str:
        """The name under which deliveries to this folder are recorded."""
        return self._name

    def keep(self, parcel: Parcel) -> None:
        """Write the history file: content synced, name synced."""
        path = self.folder / parcel.history
        with _told(path):
            if path.exists():
                if not _reads(path, parcel.content):
                    raise Conflict(
                        f"{path} holds another CRL with the number {parcel.heading.number}; "
                        "two databases publish into one folder."
                    )
                return
            _make_folder(path.parent)
            durable.write(path, parcel.content)

    def show(self, parcel: Parcel) -> None:
        """Point the current name at the history file, and read back what it shows."""
        path = self.folder / parcel.current
        with _told(path):
            _make_folder(path.parent)
            refuse_to_step_back(_shown(path), parcel.heading, str(path))
            _replace_by_link(self.folder / parcel.history, path)
            if not _reads(path, parcel.content):
                raise Unavailable(f"{path} does not read back as it was written; check the disk.")

    def tidy(self, parcel: Parcel) -> None:
        """Put a compressed copy beside a long CRL, for clients that ask for one."""
        path = self.folder / f"{parcel.current}.gz"
        with _told(path):
            if len(parcel.content) >= _WORTH_COMPRESSING:
                durable.write(path, compressed.pack(parcel.content))
            else:
                path.unlink(missing_ok=True)

    def read(self, path: str) -> bytes | None:
        """Return the file's content."""
        with _told(self.folder / path):
            try:
                return (self.folder / path).read_bytes()
            except FileNotFoundError:
                return None

    def forget(self, path: str) -> None:
        """Remove the history file."""
        with _told(self.folder / path):
            (self.folder / path).unlink(missing_ok=True)


def refuse_to_step_back(shown: Heading | None, coming: Heading, where: str) -> None:
    """Raise Conflict when `coming` may not take the place of `shown`."""
    if shown is None:
        return
    if (shown.issuer, shown.key_id) != (coming.issuer, coming.key_id):
        raise Conflict(f"{where} shows the CRL of another issuer or key; it is left as it is.")
    if shown.number > coming.number:
        raise Conflict(
            f"{where} shows number {shown.number} already; number {coming.number} would be a step "
            "back and is not shown."
        )


def _shown(path: Path) -> Heading | None:
    """Return the heading of the CRL at `path`, None when there is no file or no CRL."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return reading.outline(data[:]).heading
    except (FileNotFoundError, Invalid, ValueError):
        # An empty or foreign file is no CRL that anybody could step back from.
        return None


def _reads(path: Path, content: bytes) -> bool:
    """Whether the file's content is this, read in pieces."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size != len(content):
            return False
        pieces = iter(partial(file.read, _PIECE), b"")
        return all(
            piece == content[at * _PIECE : at * _PIECE + _PIECE] for at, piece in enumerate(pieces)
        )


def _replace_by_link(source: Path, path: Path) -> None:
    """Give the file `source` the second name `path` in one step, durably."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    temporary.unlink(missing_ok=True)  # a crash may have left it
    os.link(source, temporary)
    try:
        temporary.replace(path)
    finally:
        # Renaming one name of a file to another of the same file leaves both in place.
        temporary.unlink(missing_ok=True)
    durable.sync_folder(path.parent)


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    durable.sync_folder(folder.parent)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn the disk's refusals into ours, with the path."""
    try:
        yield
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error}.") from error
