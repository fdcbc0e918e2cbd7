"""The key holder's part of a ceremony: make a key, look at it, and say exactly what was made.

Certificates are none of its business: whoever leads the ceremony brings keys and certificates
together (ETSI EN 319 411-1 GEN-6.5.1: a script, a report, an inventory of keys and devices).
"""

import time
from dataclasses import dataclass

from core.errors import Conflict, Invalid, NotFound, Refused
from hsm import objects
from hsm.codes import ObjectClass
from hsm.cryptoki import Token
from hsm.inventory import AES, fingerprint, kind_of
from hsm.keyring import Keyring
from hsm.keys import PrivateKey
from hsm.mechanisms import KeyKind
from hsm.objects import Found
from hsm.place import Place
from hsm.session import Session

_LOOK_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """A key as it stands on its token: the inventory line of the transcript.

    `fingerprint` is the SHA-256 of the SubjectPublicKeyInfo in hex, empty for a secret key;
    `wrappable` whether the key was to be one that can be backed up; `attributes` is what the token
    says of the key (None where it says nothing); `findings` what is wrong with it, if anything.
    """

    role: str
    key: str
    kind: str
    token: str
    manufacturer: str
    model: str
    serial: str
    firmware: str
    fingerprint: str
    wrappable: bool
    attributes: tuple[tuple[str, bool | None], ...]
    findings: tuple[str, ...]


def make_key(keyring: Keyring, role: str, kind: KeyKind, *, wrappable: bool = False) -> KeyRecord:
    """Generate the role's key and return its record; raises Conflict when there is one already.

    Raises Refused when the token made another key than was asked for (one that can be read out).
    """
    keyring.generate(role, kind, wrappable=wrappable)
    return _as_asked(keyring, role, wrappable=wrappable)


def make_secret(keyring: Keyring, role: str, *, wrappable: bool = False) -> KeyRecord:
    """Generate the role's AES key and return its record; raises Conflict and Refused likewise."""
    keyring.generate_secret(role, wrappable=wrappable)
    return _as_asked(keyring, role, wrappable=wrappable)


def key_or_make(
    keyring: Keyring, role: str, kind: KeyKind, *, wrappable: bool = False
) -> PrivateKey:
    """Return the role's key, made if it is not there: after a crash the same act goes on.

    Raises Invalid when it is to be `wrappable` and the configuration does not take such a key.
    """
    if wrappable:
        require_named_imported(keyring, role)
    try:
        return keyring.key(role)
    except NotFound:
        make_key(keyring, role, kind, wrappable=wrappable)
        return keyring.key(role)


def describe(keyring: Keyring, role: str, *, wrappable: bool = False) -> KeyRecord:
    """Return the record of a role's key as it stands on its first token now."""
    place = keyring.places(role)[0]
    found, token = _look(place)
    if found.public is None and found.kind is ObjectClass.PRIVATE_KEY:
        raise NotFound(f"The token tells no public half of the key {place.name}.")
    return KeyRecord(
        role=role,
        key=str(place.name),
        kind=kind_of(found.public) or AES,
        token=token.label if token else "",
        manufacturer=token.manufacturer if token else "",
        model=token.model if token else "",
        serial=token.serial if token else "",
        firmware=token.firmware if token else "",
        fingerprint=fingerprint(found.public),
        wrappable=wrappable,
        attributes=tuple((name.name, has) for name, has in sorted(found.flags.items())),
        findings=tuple(objects.findings(found, wrappable=wrappable)),
    )


def require_no_key(keyring: Keyring, role: str) -> None:
    """Raise Conflict when the role's key exists already: a ceremony overwrites nothing."""
    if exists(keyring, role):
        raise Conflict(
            f"The key of the role {role!r} exists already; a ceremony overwrites nothing."
        )


def exists(keyring: Keyring, role: str) -> bool:
    """Whether the role's key is on its first token, whatever its attributes."""
    try:
        _look(keyring.places(role)[0])
    except NotFound:
        return False
    return True


def require_named_imported(keyring: Keyring, role: str) -> None:
    """Raise Invalid unless the configuration takes a key of this role that is wrappable."""
    if not keyring.places(role)[0].imported:
        raise Invalid(
            f"The key of the role {role!r} is to be wrappable, and its URI does not say so; add "
            "x-imported=true to it, else the key is refused whenever it is loaded."
        )


def _as_asked(keyring: Keyring, role: str, *, wrappable: bool) -> KeyRecord:
    record = describe(keyring, role, wrappable=wrappable)
    if record.findings:
        raise Refused(
            f"The token {record.token!r} made the key of the role {role!r} otherwise than asked: "
            f"{'; '.join(record.findings)}.",
            code="key_attributes",
        )
    return record


def _look(place: Place) -> tuple[Found, Token | None]:
    def look(session: Session) -> tuple[Found, Token | None]:
        return objects.find_key(session, place.name), session.token

    return place.pool.run(
        look, time.monotonic() + _LOOK_SECONDS, lambda: f"look at the key {place.name}"
    )
