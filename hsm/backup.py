"""Copies of keys on another token: wrapped on the one, unwrapped on the other, never in the clear.

Both tokens hold the same AES-256 wrapping key (hsm.wrapping). A key that was generated as wrappable
leaves the first token under it and enters the second. Tokens that do not allow this refuse here
with a sentence; nothing falls back to a key in our memory.
"""

import base64
import json
import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from core.errors import Conflict, Invalid, NotFound, Refused
from hsm import mechanisms, objects, proof
from hsm.codes import Attribute, KeyType, Mechanism, ObjectClass
from hsm.cryptoki import CryptokiError
from hsm.keyring import Keyring
from hsm.layout import MechanismCall, Template
from hsm.mechanisms import PublicKey
from hsm.objects import KeyName
from hsm.place import Place
from hsm.session import Session
from hsm.wrapping import find_wrapping_key, run_once

_FORMAT = "antin key backup 1"
_IV_BYTES = 16
# The better first: RFC 5649, RFC 3394 (lengths of 8 bytes only), and what older tokens have.
_WRAPPINGS = (Mechanism.AES_KEY_WRAP_PAD, Mechanism.AES_KEY_WRAP, Mechanism.AES_CBC_PAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyBackup:
    """One wrapped private key with its public half; worth nothing without the wrapping key."""

    name: str
    public: bytes
    mechanism: Mechanism
    iv: bytes
    wrapped: bytes

    def to_json(self) -> str:
        """Return the backup as the text of its file."""
        return json.dumps(
            {
                "format": _FORMAT,
                "key": self.name,
                "public_key": base64.b64encode(self.public).decode(),
                "mechanism": self.mechanism.name,
                "iv": self.iv.hex(),
                "wrapped_key": base64.b64encode(self.wrapped).decode(),
            },
            indent=2,
        )


def from_json(text: str) -> KeyBackup:
    """Return the backup in a file's text; raises Invalid when it is none."""
    try:
        values = json.loads(text)
        return KeyBackup(
            name={_FORMAT: values["key"]}[values["format"]],
            public=base64.b64decode(values["public_key"], validate=True),
            mechanism=Mechanism[values["mechanism"]],
            iv=bytes.fromhex(values["iv"]),
            wrapped=base64.b64decode(values["wrapped_key"], validate=True),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Invalid(f"The file is no key backup of this format ({error!r}).") from None


def export(keyring: Keyring, role: str, under: str) -> KeyBackup:
    """Return the role's key, wrapped on its token under the key of the role `under`.

    Raises Refused for a key that may not leave (made without `wrappable`) and for a token that
    cannot wrap.
    """
    place, wrapping = keyring.places(role)[0], keyring.places(under)[0]
    _same_token(place, wrapping)

    def act(session: Session) -> KeyBackup:
        found = objects.find_private(session, place.name)
        if found.public is None:
            raise NotFound(f"The token {session.name!r} does not give the key's public half.")
        mechanism, iv = _choose(session), secrets.token_bytes(_IV_BYTES)
        handle = find_wrapping_key(session, wrapping.name)
        try:
            wrapped = session.module.wrap_key(
                session.handle, _wrapping_call(mechanism, iv), handle, found.handle
            )
        except CryptokiError as error:
            raise Refused(
                f"The token {session.name!r} does not let the key {place.name} be backed up "
                f"({error}); it must have been generated as wrappable, and be of a kind that "
                "the token wraps.",
                code="key_not_wrappable",
            ) from None
        return KeyBackup(
            name=str(place.name),
            public=_spki(found.public),
            mechanism=mechanism,
            iv=iv,
            wrapped=wrapped,
        )

    return run_once(place, act, f"back up the key {place.name}")


def restore(keyring: Keyring, role: str, under: str, backup: KeyBackup) -> None:
    """Put a backed up key onto the token of `role`, prove it by a signature, or remove it again.

    The copy is no longer extractable; its URI needs x-imported=true, for it was not made there.
    Raises Conflict when the role has a key already.
    """
    place, wrapping = keyring.places(role)[0], keyring.places(under)[0]
    _same_token(place, wrapping)
    public = mechanisms.load_public(backup.public)

    def act(session: Session) -> None:
        if session.module.find(session.handle, place.name.template(ObjectClass.PRIVATE_KEY)):
            raise Conflict(f"There is a key {place.name} on the token {session.name!r} already.")
        handle = find_wrapping_key(session, wrapping.name)
        call = _wrapping_call(backup.mechanism, backup.iv)
        template = _private_template(place.name, public)
        with session.writable():
            module, writing = session.module, session.handle
            try:
                key = module.unwrap_key(writing, call, handle, backup.wrapped, template)
            except CryptokiError as error:
                raise Refused(
                    f"The token {session.name!r} cannot unwrap the key {place.name} ({error}); it "
                    f"needs CKM_{backup.mechanism.name} and the same wrapping key.",
                    code="key_not_unwrappable",
                ) from None
            half = module.create_object(writing, objects.public_template(place.name, public))
            if proof.fault(session, key, public):
                module.destroy_object(writing, key)
                module.destroy_object(writing, half)
                raise Refused(
                    f"The key {place.name} that the token {session.name!r} unwrapped is not the "
                    "one that was backed up; it is removed again.",
                    code="key_unlike",
                )

    run_once(place, act, f"restore the key {place.name}")


def _same_token(place: Place, wrapping: Place) -> None:
    if place.pool is not wrapping.pool:
        raise Invalid(
            f"The key {place.name} and the wrapping key {wrapping.name} must be on one token; "
            "their URIs name two, or give two pin-sources."
        )


def _choose(session: Session) -> Mechanism:
    for mechanism in _WRAPPINGS:
        if mechanism in session.mechanisms:
            return mechanism
    raise Refused(
        f"The token {session.name!r} wraps no keys: it has none of "
        f"{', '.join(f'CKM_{mechanism.name}' for mechanism in _WRAPPINGS)}.",
        code="mechanism_not_on_token",
    )


def _wrapping_call(mechanism: Mechanism, iv: bytes) -> MechanismCall:
    return MechanismCall(mechanism, iv if mechanism is Mechanism.AES_CBC_PAD else None)


def _private_template(name: KeyName, public: PublicKey) -> Template:
    key_type = KeyType.EC_EDWARDS
    if isinstance(public, rsa.RSAPublicKey):
        key_type = KeyType.RSA
    elif isinstance(public, ec.EllipticCurvePublicKey):
        key_type = KeyType.EC
    return {
        **name.template(ObjectClass.PRIVATE_KEY),
        Attribute.KEY_TYPE: key_type,
        Attribute.TOKEN: True,
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.SIGN: True,
    }


def _spki(public: PublicKey) -> bytes:
    return public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
