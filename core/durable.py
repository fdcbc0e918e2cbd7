"""Files that are either wholly there or not at all, also after a power cut."""

import contextlib
import os
import tempfile
from pathlib import Path


def write(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Put `content` at `path` atomically and durably: write, fsync, rename, fsync the folder.

    A reader sees the old file or the new one, never a part. `mode` is set before the file has its
    name, so that a secret (0o600) is never readable by others.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable (a rename is not, until its folder is synced)."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
