"""The files of documents: encrypted, each under a key of its own, found again by a keyed address.

The bytes are stored before the commit that names them: an orphan is harmless, a name without its
bytes would not be. Every reading is in the audit trail before a byte is given out.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from core import audit, durable
from core.errors import Invalid, NotFound, Refused
from policy import scans
from policy.office import Office
from policy.records import documents
from policy.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """A file as it was stored: its keyed address, what it is, how many bytes it had."""

    address: str
    media_type: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """The folder of sealed files; it holds no name, no key and no readable byte."""

    folder: Path
    vault: Vault

    def put(self, owner: str, content: bytes) -> Filed:
        """Seal and store a file for a subscriber; raises Invalid for what is no document.

        The same file of the same subscriber is stored once. The address is keyed, so that nobody
        who sees the folder can tell whether a file they have is among them.
        """
        media = scans.media_type(content)
        digest = hashlib.sha256(content).hexdigest()
        address = self.vault.mark(f"file|{owner}|{digest}").hex()
        path = self._path(address)
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            durable.write(path, self.vault.seal_file(address, content), mode=0o600)
        return Filed(address=address, media_type=media, size=len(content))

    def get(self, address: str) -> bytes:
        """Return a file's bytes; raises NotFound, or Invalid when they were changed or moved."""
        try:
            sealed = self._path(address).read_bytes()
        except FileNotFoundError:
            raise NotFound(f"The file {address} is not in {self.folder}.") from None
        return self.vault.open_file(address, sealed)

    def drop(self, address: str) -> None:
        """Remove a file for ever; one that is gone already is no fault."""
        self._path(address).unlink(missing_ok=True)

    def _path(self, address: str) -> Path:
        return self.folder / address[:2] / address


def read(
    office: Office, store: Store, document_id: int, because: str, *, readers: Collection[str]
) -> tuple[Filed, bytes]:
    """Return the file of a document, after the reading is in the audit trail.

    `readers` names the operators with the role; a refused reading is in the trail as well. Raises
    Refused (role), Invalid without a reason, NotFound for a document without a file.
    """
    if not because.strip():
        raise Invalid("A document is read for a reason; say it.")
    allowed = office.actor in {f"operator:{each}" for each in readers}
    with office.db.begin() as tx:
        owner, address, media, size = documents.file_of(tx, document_id)
        audit.append(
            tx,
            at=office.clock.now(),
            actor=office.actor,
            act="document.read" if allowed else "document.read_refused",
            subject=f"subscriber:{owner}",
            document=document_id,
            because=because,
        )
    if not allowed:
        raise Refused(
            f"{office.actor} has not the role to read scans; the configuration names who has "
            "(documents.readers).",
            code="role",
        )
    return Filed(address=address, media_type=media, size=size), store.get(address)
