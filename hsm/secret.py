"""An AES-256 key on a token that encrypts other keys: the root of the personal-data vault.

What `wrap` gives is one envelope: a version byte, the initial vector, and what the token made.
With AES-GCM the additional data is authenticated by the token; with AES-CBC-PAD its digest goes
inside the envelope and is compared when it is opened (a data key is random, so the padding tells
an attacker nothing; what the data key encrypts is authenticated for itself).
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Protocol

from core.errors import Conflict, Invalid, NotFound, Refused
from hsm.codes import Attribute, KeyType, Mechanism, ObjectClass, Rv
from hsm.cryptoki import CryptokiError
from hsm.layout import MechanismCall, Template, gcm_call
from hsm.objects import KeyName
from hsm.session import Session

_GCM, _CBC = b"\x01", b"\x02"
_IV_BYTES = {_GCM: 12, _CBC: 16}
_DIGEST_BYTES = 32
MOST_BYTES = 4096


class Runs(Protocol):
    """Runs an act on the first token that can, within the time limit."""

    def __call__(self, act: Callable[[Session, int], bytes], doing: str) -> bytes:
        """Return what `act` gives for a session and the key's handle in it."""
        ...


class SecretKey:
    """The key of a role such as storage; it wraps and unwraps and never leaves its token."""

    def __init__(self, role: str, runs: Runs) -> None:
        """Name the key for errors; `runs` brings an act to the token."""
        self.role, self._runs = role, runs

    def wrap(self, data_key: bytes, aad: bytes = b"") -> bytes:
        """Return `data_key` (at most 4,096 bytes) encrypted and bound to `aad`.

        Raises SigningUnavailable when no token can do it now.
        """
        if not 0 < len(data_key) <= MOST_BYTES:
            raise Invalid(
                f"A key of {len(data_key)} bytes cannot be wrapped; give 1 to {MOST_BYTES} bytes."
            )

        def act(session: Session, key: int) -> bytes:
            version = _version(session)
            iv = secrets.token_bytes(_IV_BYTES[version])
            inside = data_key if version == _GCM else _digest(data_key, aad) + data_key
            call = _call(version, iv, aad)
            return version + iv + session.module.encrypt(session.handle, call, key, inside)

        return self._runs(act, f"wrap a key with the key of {self.role!r}")

    def unwrap(self, envelope: bytes, aad: bytes = b"") -> bytes:
        """Return the data key of an envelope.

        Raises Invalid when the envelope or `aad` is not what was wrapped, SigningUnavailable when
        no token can open it now.
        """
        version = envelope[:1]
        if version not in _IV_BYTES:
            raise Invalid("The envelope of a wrapped key begins with an unknown version.")
        iv, sealed = envelope[1 : 1 + _IV_BYTES[version]], envelope[1 + _IV_BYTES[version] :]
        call = _call(version, iv, aad)

        def act(session: Session, key: int) -> bytes:
            try:
                return session.module.decrypt(session.handle, call, key, sealed)
            except CryptokiError:
                # SoftHSM says CKR_GENERAL_ERROR for a wrong tag: ask whether it is the token.
                _probe(session, key, version)
                raise _changed() from None

        opened = self._runs(act, f"unwrap a key with the key of {self.role!r}")
        if version == _GCM:
            return opened
        data_key = opened[_DIGEST_BYTES:]
        if not hmac.compare_digest(opened[:_DIGEST_BYTES], _digest(data_key, aad)):
            raise _changed()
        return data_key


def bound(session: Session, name: KeyName) -> int:
    """Return the handle of the AES key in this session, found once."""
    handle = session.bound.get(("secret", name))
    if not isinstance(handle, int):
        handle = session.bound["secret", name] = find(session, name)
    return handle


def find(session: Session, name: KeyName) -> int:
    """Return the handle of the AES key with this name; raises Conflict or Refused."""
    handles = session.module.find(session.handle, name.template(ObjectClass.SECRET_KEY))
    if not handles:
        raise NotFound(f"The token {session.name!r} holds no secret key {name}.")
    if len(handles) > 1:
        raise Conflict(
            f"The token {session.name!r} holds {len(handles)} secret keys {name}; "
            "there must be one."
        )
    for attribute, must in ((Attribute.SENSITIVE, True), (Attribute.EXTRACTABLE, False)):
        raw = session.module.attribute(session.handle, handles[0], attribute)
        if raw is None or (raw != b"\0") is not must:
            raise Refused(
                f"The secret key {name} on the token {session.name!r} is refused: "
                f"CKA_{attribute.name} is not {str(must).lower()}.",
                code="key_attributes",
            )
    return handles[0]


def generate(session: Session, name: KeyName) -> None:
    """Generate a non-extractable AES-256 key that encrypts and decrypts; never replaces one."""
    if session.module.find(session.handle, name.template(ObjectClass.SECRET_KEY)):
        raise Conflict(f"There is a key {name} on the token {session.name!r}; it is not replaced.")
    if Mechanism.AES_KEY_GEN not in session.mechanisms:
        raise _no_aes(session)
    template: Template = dict(name.template(ObjectClass.SECRET_KEY)) | {
        Attribute.KEY_TYPE: KeyType.AES,
        Attribute.TOKEN: True,
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.ENCRYPT: True,
        Attribute.DECRYPT: True,
        Attribute.VALUE_LEN: 32,
    }
    call = MechanismCall(Mechanism.AES_KEY_GEN)
    with session.writable():
        try:
            session.module.generate_key(session.handle, call, template)
        except CryptokiError as error:
            # tpm2-pkcs11 lists the mechanism all the same.
            if error.rv == Rv.FUNCTION_NOT_SUPPORTED:
                raise _no_aes(session) from None
            raise


def _no_aes(session: Session) -> Refused:
    return Refused(
        f"The token {session.name!r} cannot generate AES keys; keep the vault's key "
        "on another one.",
        code="mechanism_not_on_token",
    )


def _changed() -> Invalid:
    return Invalid("The envelope of a wrapped key was made for something else, or was changed.")


def _probe(session: Session, key: int, version: bytes) -> None:
    """Raise CryptokiError when the token cannot decrypt what it encrypted a moment ago."""
    call = _call(version, secrets.token_bytes(_IV_BYTES[version]), b"")
    sealed = session.module.encrypt(session.handle, call, key, b"probe")
    session.module.decrypt(session.handle, call, key, sealed)


def _version(session: Session) -> bytes:
    if Mechanism.AES_GCM in session.mechanisms:
        return _GCM
    if Mechanism.AES_CBC_PAD in session.mechanisms:
        return _CBC
    raise Refused(
        f"The token {session.name!r} has neither CKM_AES_GCM nor CKM_AES_CBC_PAD.",
        code="mechanism_not_on_token",
    )


def _call(version: bytes, iv: bytes, aad: bytes) -> MechanismCall:
    if version == _GCM:
        return gcm_call(iv, aad)
    return MechanismCall(Mechanism.AES_CBC_PAD, iv)


def _digest(data_key: bytes, aad: bytes) -> bytes:
    return hashlib.sha256(len(aad).to_bytes(8) + aad + data_key).digest()
