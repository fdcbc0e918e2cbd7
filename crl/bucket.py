"""CRLs in S3-compatible storage: conditional writes, so that two publishers cannot cross.

Current objects carry the CRL's number and key in their metadata; an object without them was not
written by us and is read to find out what it is. Old and new are told apart by the entity tag: the
write happens only if the object is still the one that was looked at.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from core.errors import Conflict, Invalid, Unavailable
from crl import reading
from crl.model import Heading
from crl.targets import Parcel, refuse_to_step_back

if TYPE_CHECKING:
    from obstore import PutMode  # exists in the type stubs alone

_MEDIA_TYPE = "application/pkix-crl"
_NUMBER, _KEY_ID, _ISSUER = "crl-number", "crl-key-id", "crl-issuer"
_PATIENCE = timedelta(seconds=60)


def connect(bucket: str, *, region: str, endpoint: str | None = None) -> S3Store:
    """Return a handle on a bucket; nothing is sent yet.

    Credentials come from where S3 clients look for them (the AWS_ variables, the machine's role);
    `endpoint` is the address of another provider than AWS.
    """
    return S3Store(
        bucket,
        region=region,
        endpoint=endpoint,
        client_options={"allow_http": (endpoint or "").startswith("http://")},
        retry_config={"max_retries": 3, "retry_timeout": _PATIENCE},
    )


class Bucket:
    """A bucket that is shown as `/crl/`, directly or through a cache."""

    def __init__(self, store: S3Store, *, name: str = "bucket") -> None:
        """Use `store`, which `connect` gave."""
        self._store = store
        self._name = name

    @property
    def name(self) -> str:
        """The name under which deliveries to this bucket are recorded."""
        return self._name

    def keep(self, parcel: Parcel) -> None:
        """Create the history object, if it is not there with the same content."""
        with _told(parcel.history):
            try:
                self._put(parcel.history, parcel, mode="create")
            except AlreadyExistsError as error:
                if self.read(parcel.history) != parcel.content:
                    raise Conflict(
                        f"{parcel.history} in {self._name} is another CRL with the number "
                        f"{parcel.heading.number}; two databases publish into one bucket."
                    ) from error

    def show(self, parcel: Parcel) -> None:
        """Replace the current object if it is still the one that was looked at; read it back."""
        with _told(parcel.current):
            try:
                self._replace(parcel)
            except (AlreadyExistsError, PreconditionError) as error:
                raise Conflict(
                    f"{parcel.current} in {self._name} was replaced while number "
                    f"{parcel.heading.number} was on its way."
                ) from error
            if self.read(parcel.current) != parcel.content:
                raise Unavailable(
                    f"{parcel.current} in {self._name} does not read back as it was written."
                )

    def tidy(self, parcel: Parcel) -> None:
        """There is nothing that may wait: whoever serves the bucket compresses."""

    def read(self, path: str) -> bytes | None:
        """Return the object's content."""
        with _told(path):
            try:
                return bytes(obstore.get(self._store, path).bytes())
            except FileNotFoundError:
                return None

    def forget(self, path: str) -> None:
        """Delete the history object."""
        with _told(path):
            obstore.delete(self._store, path)

    def _replace(self, parcel: Parcel) -> None:
        try:
            found = obstore.get(self._store, parcel.current, options={"head": True})
        except FileNotFoundError:
            self._put(parcel.current, parcel, mode="create")
            return
        refuse_to_step_back(
            self._shown(parcel, dict(found.attributes)),
            parcel.heading,
            f"{parcel.current} in {self._name}",
        )
        tag = found.meta["e_tag"]
        if tag is None:
            raise Unavailable(
                f"{self._name} gives no entity tags, so writes cannot be made conditional."
            )
        self._put(parcel.current, parcel, mode={"e_tag": tag})

    def _shown(self, parcel: Parcel, attributes: dict[str, str]) -> Heading | None:
        """Return the heading of the object that is shown, None when it is no CRL."""
        try:
            return Heading(
                issuer=bytes.fromhex(attributes[_ISSUER]),
                key_id=bytes.fromhex(attributes[_KEY_ID]),
                number=int(attributes[_NUMBER]),
                this_update=parcel.heading.this_update,
                next_update=parcel.heading.next_update,
            )
        except (KeyError, ValueError):
            try:
                return reading.outline(self.read(parcel.current) or b"").heading
            except Invalid:
                return None

    def _put(self, path: str, parcel: Parcel, *, mode: "PutMode") -> None:
        attributes = {
            "Content-Type": _MEDIA_TYPE,
            _NUMBER: str(parcel.heading.number),
            _KEY_ID: parcel.heading.key_id.hex(),
            _ISSUER: parcel.heading.issuer.hex(),
        }
        obstore.put(
            self._store, path, parcel.content, attributes=attributes, mode=mode,
            use_multipart=False,
        )  # fmt: skip


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Turn the storage's refusals into ours, with the path."""
    try:
        yield
    except (AlreadyExistsError, PreconditionError, FileNotFoundError):
        raise
    except BaseError as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
        raise Unavailable(f"{path} cannot be reached in the bucket: {first}") from error
