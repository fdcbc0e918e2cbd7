"""A data key sealed by an AES key on a token, as one envelope.

It is a version byte, the initial vector, and what the token made. With AES-GCM the additional data
is authenticated by the token; with AES-CBC-PAD its digest goes inside the envelope and is compared
when it is opened (a data key is random, so the padding tells an attacker nothing; what the data key
encrypts is authenticated for itself).
"""

import hashlib
import hmac
import secrets

from core.errors import Invalid, Refused
from hsm.codes import Mechanism
from hsm.cryptoki import CryptokiError
from hsm.layout import MechanismCall, gcm_call
from hsm.session import Session

_GCM, _CBC = b"\x01", b"\x02"
_IV_BYTES = {_GCM: 12, _CBC: 16}
_DIGEST_BYTES = 32


def seal(session: Session, key: int, data_key: bytes, aad: bytes) -> bytes:
    """Return `data_key` encrypted by the token's key `key` and bound to `aad`.

    Raises Refused when the token has no mechanism for it.
    """
    version = _version(session)
    iv = secrets.token_bytes(_IV_BYTES[version])
    inside = data_key if version == _GCM else _digest(data_key, aad) + data_key
    call = _call(version, iv, aad)
    return version + iv + session.module.encrypt(session.handle, call, key, inside)


def unseal(session: Session, key: int, envelope: bytes, aad: bytes) -> bytes:
    """Return the data key of an envelope.

    Raises Invalid when the envelope or `aad` is not what was sealed, or was sealed by another key;
    CryptokiError when it is the token that fails.
    """
    version = envelope[:1]
    if version not in _IV_BYTES:
        raise Invalid("The envelope of a wrapped key begins with an unknown version.")
    iv, sealed = envelope[1 : 1 + _IV_BYTES[version]], envelope[1 + _IV_BYTES[version] :]
    try:
        opened = session.module.decrypt(session.handle, _call(version, iv, aad), key, sealed)
    except CryptokiError:
        # SoftHSM says CKR_GENERAL_ERROR for a wrong tag: ask whether it is the token.
        _try_out(session, key, version)
        raise _changed() from None
    if version == _GCM:
        return opened
    data_key = opened[_DIGEST_BYTES:]
    if not hmac.compare_digest(opened[:_DIGEST_BYTES], _digest(data_key, aad)):
        raise _changed()
    return data_key


def _changed() -> Invalid:
    return Invalid(
        "The envelope of a wrapped key was made by another key or for something else, or was "
        "changed."
    )


def _try_out(session: Session, key: int, version: bytes) -> None:
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
