"""An AES-256 key on a token that encrypts other keys: the root of the personal-data vault."""

from collections.abc import Callable

from core.errors import Invalid, Refused
from hsm import envelope, objects
from hsm.codes import Attribute, KeyType, Mechanism, ObjectClass, Rv
from hsm.cryptoki import CryptokiError
from hsm.layout import MechanismCall
from hsm.objects import KeyName
from hsm.session import Session

MOST_BYTES = 4096


Act = Callable[[Session, int], bytes]
"""Done in a session with the key's handle in it."""
Runs = Callable[[Act, str], bytes]
"""Runs an act, which the text names, on the first token that can, within the time limit."""


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
        return self._runs(
            lambda session, key: envelope.seal(session, key, data_key, aad),
            f"wrap a key with the key of {self.role!r}",
        )

    def unwrap(self, sealed: bytes, aad: bytes = b"") -> bytes:
        """Return the data key of an envelope.

        Raises Invalid when the envelope or `aad` is not what was wrapped, SigningUnavailable when
        no token can open it now.
        """
        return self._runs(
            lambda session, key: envelope.unseal(session, key, sealed, aad),
            f"unwrap a key with the key of {self.role!r}",
        )


def bound(session: Session, name: KeyName, *, imported: bool) -> int:
    """Return the handle of the AES key in this session, found and judged once.

    Raises NotFound or Conflict, and Refused for a key that could be read out, unless `imported`.
    """
    mark = "secret", name, imported
    handle = session.bound.get(mark)
    if not isinstance(handle, int):
        handle = objects.only(session, name, ObjectClass.SECRET_KEY)
        if not imported:
            found = objects.describe(session, handle, name, ObjectClass.SECRET_KEY)
            objects.require_sound(found, name, session.name)
        session.bound[mark] = handle
    return handle


def generate(session: Session, name: KeyName, *, wrappable: bool) -> None:
    """Generate an AES-256 key that encrypts and decrypts alone; never replaces one.

    It is extractable only when it is to be `wrappable`, and then under a wrapping key alone.
    """
    objects.require_free(session, name, ObjectClass.SECRET_KEY)
    if Mechanism.AES_KEY_GEN not in session.mechanisms:
        raise _no_aes(session)
    wanted = template(name, extractable=wrappable) | {Attribute.VALUE_LEN: 32}
    call = MechanismCall(Mechanism.AES_KEY_GEN)
    with session.writable():
        try:
            session.module.generate_key(session.handle, call, wanted)
        except CryptokiError as error:
            # tpm2-pkcs11 lists the mechanism all the same.
            if error.rv == Rv.FUNCTION_NOT_SUPPORTED:
                raise _no_aes(session) from None
            raise


def template(
    name: KeyName, *, extractable: bool = False, wraps: bool = False
) -> dict[Attribute, bool | int | bytes]:
    """Return the template of an AES key: one that `wraps` keys, or else one that encrypts data.

    None does both: it could give out in the clear what it wrapped.
    """
    return {
        **name.template(ObjectClass.SECRET_KEY),
        Attribute.KEY_TYPE: KeyType.AES,
        Attribute.TOKEN: True,
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: extractable,
        Attribute.ENCRYPT: not wraps,
        Attribute.DECRYPT: not wraps,
        Attribute.WRAP: wraps,
        Attribute.UNWRAP: wraps,
    }


def _no_aes(session: Session) -> Refused:
    return Refused(
        f"The token {session.name!r} cannot generate AES keys; keep the vault's key "
        "on another one.",
        code="mechanism_not_on_token",
    )
