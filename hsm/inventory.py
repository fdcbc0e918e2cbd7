"""What keys are on the tokens that a keyring names. Reads only."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hsm import mechanisms, objects
from hsm.codes import Attribute, ObjectClass
from hsm.keyring import Keyring
from hsm.mechanisms import PublicKey
from hsm.objects import KeyName
from hsm.place import Place
from hsm.session import Session

T = TypeVar("T")

AES = "AES"
"""The kind of every secret key: tokens do not all tell the length of one that was unwrapped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLine:
    """One key on one token: its name, kind, and the roles that name it.

    `fingerprint` is the SHA-256 of the SubjectPublicKeyInfo in hex, empty for a secret key.
    """

    token: str
    key: str
    kind: str
    roles: tuple[str, ...]
    fingerprint: str
    findings: tuple[str, ...]


def keys(keyring: Keyring) -> list[KeyLine]:
    """Return every private and secret key on the tokens of the keyring's roles.

    Raises SigningUnavailable when a token is away.
    """
    roles = {place: role for role in keyring.roles for place in keyring.places(role)}
    lines: list[KeyLine] = []
    for pool in dict.fromkeys(place.pool for place in roles):
        named = [(place, role) for place, role in roles.items() if place.pool is pool]
        lines += look_at(named[0][0], keyring, partial(_lines, named=named))
    return lines


def look_at(place: Place, keyring: Keyring, look: Callable[[Session], T]) -> T:
    """Return what `look` sees in a session with the place's token."""
    deadline = time.monotonic() + keyring.time_limit_seconds
    return place.pool.run(look, deadline, lambda: "be looked at")


def kind_of(public: PublicKey | None) -> str:
    """Return the kind of a key as we write it, nothing for an unknown public half."""
    if isinstance(public, rsa.RSAPublicKey):
        return f"RSA-{public.key_size}"
    if isinstance(public, ec.EllipticCurvePublicKey):
        return {"secp256r1": "P-256", "secp384r1": "P-384"}.get(public.curve.name, "EC")
    return "" if public is None else "Ed25519"


def fingerprint(public: PublicKey | None) -> str:
    """Return the SHA-256 of the SubjectPublicKeyInfo in hex, nothing for an unknown one."""
    return "" if public is None else hashlib.sha256(mechanisms.spki(public)).hexdigest()


def _lines(session: Session, named: list[tuple[Place, str]]) -> list[KeyLine]:
    module, handle = session.module, session.handle
    lines = [
        _line(session, class_, key, named)
        for class_ in (ObjectClass.PRIVATE_KEY, ObjectClass.SECRET_KEY)
        for key in module.find(handle, {Attribute.CLASS: class_, Attribute.TOKEN: True})
    ]
    return sorted(lines, key=lambda line: line.key)


def _line(
    session: Session, class_: ObjectClass, handle: int, named: list[tuple[Place, str]]
) -> KeyLine:
    label = session.module.attribute(session.handle, handle, Attribute.LABEL)
    name = KeyName(
        None if label is None else label.decode("utf-8", "replace"),
        session.module.attribute(session.handle, handle, Attribute.ID) or None,
    )
    meant = [(place, role) for place, role in named if _means(place.name, name)]
    found = objects.describe(session, handle, name, class_)
    # A secret key that no role names may be one for wrapping.
    judged = class_ is ObjectClass.PRIVATE_KEY or meant
    imported = any(place.imported for place, _ in meant)
    return KeyLine(
        token=session.name,
        key=str(name),
        kind=AES if class_ is ObjectClass.SECRET_KEY else kind_of(found.public),
        roles=tuple(role for _, role in meant),
        fingerprint=fingerprint(found.public),
        findings=tuple(objects.findings(found)) if judged and not imported else (),
    )


def _means(wanted: KeyName, name: KeyName) -> bool:
    return wanted.label in (None, name.label) and wanted.id in (None, name.id)
