"""Copies of keys on another token: wrapped on the one, unwrapped on the other, never in the clear.

Both tokens hold the same AES-256 wrapping key (hsm.wrapping). A key that was generated as wrappable
leaves the first token under it and enters the second. Tokens that do not allow this refuse here
with a sentence; nothing falls back to a key in our memory.
"""

import base64
import json
import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from core.errors import Invalid, NotFound, Refused
from hsm import generation, mechanisms, objects, proof, secret
from hsm.codes import Attribute, KeyType, Mechanism, ObjectClass
from hsm.cryptoki import CryptokiError
from hsm.keyring import Keyring
from hsm.layout import MechanismCall, Template
from hsm.mechanisms import PublicKey
from hsm.objects import KeyName
from hsm.place import Place
from hsm.session import Session
from hsm.wrapping import find_wrapping_key

_FORMAT = "antin key backup 1"
_IV_BYTES = 16
# The better first: RFC 5649 by both its names, RFC 3394 (lengths of 8 bytes only), what older
# tokens have.
_WRAPPINGS = (
    Mechanism.AES_KEY_WRAP_KWP,
    Mechanism.AES_KEY_WRAP_PAD,
    Mechanism.AES_KEY_WRAP,
    Mechanism.AES_CBC_PAD,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyBackup:
    """One wrapped key, and by what its copy is known; worth nothing without the wrapping key.

    A private key is known by its `public` half, a secret key by a `probe` that it sealed; the other
    of the two is empty.
    """

    name: str
    public: bytes = b""
    probe: bytes = b""
    mechanism: Mechanism
    iv: bytes
    wrapped: bytes

    def to_json(self) -> str:
        """Return the backup as the text of its file."""
        known = ("public_key", self.public) if self.public else ("probe", self.probe)
        return json.dumps(
            {
                "format": _FORMAT,
                "key": self.name,
                known[0]: base64.b64encode(known[1]).decode(),
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
        public = base64.b64decode(values.get("public_key", ""), validate=True)
        return KeyBackup(
            name={_FORMAT: values["key"]}[values["format"]],
            public=public,
            probe=b"" if public else base64.b64decode(values["probe"], validate=True),
            mechanism=Mechanism[values["mechanism"]],
            iv=bytes.fromhex(values["iv"]),
            wrapped=base64.b64decode(values["wrapped_key"], validate=True),
        )
    except (AttributeError, ValueError, KeyError, TypeError) as error:
        raise Invalid(f"The file is no key backup of this format ({error!r}).") from None


def export(keyring: Keyring, role: str, under: str) -> KeyBackup:
    """Return the role's private or secret key, wrapped on its token under the role `under`'s key.

    Raises Refused for a key that may not leave (made without `wrappable`) and for a token that
    cannot wrap.
    """
    place, wrapping = keyring.places(role)[0], keyring.places(under)[0]
    _same_token(place, wrapping)

    def act(session: Session) -> KeyBackup:
        found = objects.find_key(session, place.name)
        public = probe = b""
        if found.kind is ObjectClass.SECRET_KEY:
            probe = proof.probe(session, found.handle)
        elif found.public is None:
            raise NotFound(f"The token {session.name!r} does not give the key's public half.")
        else:
            public = mechanisms.spki(found.public)
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
                "the token wraps. A key that was not stays as it is: docs/hsm.md, Copies of keys, "
                "says how each role comes to another one.",
                code="key_not_wrappable",
            ) from None
        return KeyBackup(
            name=str(place.name),
            public=public,
            probe=probe,
            mechanism=mechanism,
            iv=iv,
            wrapped=wrapped,
        )

    return place.once(act, f"back up the key {place.name}")


def restore(keyring: Keyring, role: str, under: str, backup: KeyBackup) -> None:
    """Put a backed up key onto the token of `role`, let it prove itself, or remove it again.

    A private key signs, a secret one opens the backup's probe. The copy is no longer extractable;
    its URI needs x-imported=true, for it was not made there. Raises Conflict when the role has a
    key already.
    """
    place, wrapping = keyring.places(role)[0], keyring.places(under)[0]
    _same_token(place, wrapping)
    public = mechanisms.load_public(backup.public) if backup.public else None
    kind = ObjectClass.PRIVATE_KEY if public else ObjectClass.SECRET_KEY

    def act(session: Session) -> None:
        objects.require_free(session, place.name, kind)
        handle = find_wrapping_key(session, wrapping.name)
        with session.writable():
            made = [_unwrap(session, place.name, handle, backup, public)]
            try:
                _require_proof(session, place.name, made, backup, public)
            except BaseException:
                for each in made:
                    session.module.destroy_object(session.handle, each)
                raise

    place.once(act, f"restore the key {place.name}")


def _unwrap(
    session: Session, name: KeyName, wrapping: int, backup: KeyBackup, public: PublicKey | None
) -> int:
    """Put the key onto the token, good for its use alone, and return its handle."""
    call = _wrapping_call(backup.mechanism, backup.iv)
    template = _private_template(name, public) if public else secret.template(name)
    try:
        key = session.module.unwrap_key(session.handle, call, wrapping, backup.wrapped, template)
    except CryptokiError as error:
        raise Refused(
            f"The token {session.name!r} cannot unwrap the key {name} ({error}); it "
            f"needs CKM_{backup.mechanism.name} and the same wrapping key.",
            code="key_not_unwrappable",
        ) from None
    if public:
        generation.deny_all_but_signing(session, key)
    return key


def _require_proof(
    session: Session, name: KeyName, made: list[int], backup: KeyBackup, public: PublicKey | None
) -> None:
    """Raise Refused for another key; a public half that is put beside it joins `made`."""
    if public is None:
        wrong = proof.secret_fault(session, made[0], backup.probe)
    else:
        half = objects.public_template(name, public)
        made.append(session.module.create_object(session.handle, half))
        wrong = proof.fault(session, made[0], public)
    if wrong:
        raise Refused(
            f"The key {name} that the token {session.name!r} unwrapped is not the one that was "
            f"backed up ({wrong}); it is removed again.",
            code="key_unlike",
        )


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
