"""The AES-256 key under which keys travel between tokens, and how two tokens come to share it.

It is made on the first token and travels to the second under an RSA key that the second made for
this and forgets (RSA-OAEP, PKCS#11 2.1.8). At no time is it in our memory in the clear.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from cryptography.hazmat.primitives.asymmetric import rsa

from core.errors import NotFound, Refused
from hsm import objects, secret
from hsm.codes import Attribute, Mechanism, ObjectClass
from hsm.cryptoki import CryptokiError
from hsm.keyring import Keyring
from hsm.layout import MechanismCall, Template, oaep_call
from hsm.objects import KeyName
from hsm.place import Place
from hsm.session import Session

_SHA1_MGF = 1
_CARRIER_BITS = 3072
_F4 = b"\x01\x00\x01"


def share_wrapping_key(keyring: Keyring, first: str, second: str) -> None:
    """Make an AES-256 wrapping key for the role `first` and bring it to the role `second`.

    Raises Conflict when one of them is there already, Refused when a token does not allow it.
    """
    source, target = keyring.places(first)[0], keyring.places(second)[0]
    for place in (source, target):
        _require_free(place)
    carrier = KeyName(f"transport-{secrets.token_hex(8)}", secrets.token_bytes(8))
    try:
        public = target.once(lambda s: _make_carrier(s, carrier), "make a transport key")
        wrapped = source.once(
            lambda s: _make_and_wrap(s, source.name, public), "share its wrapping key"
        )
        target.once(lambda s: _take_in(s, target.name, carrier, wrapped), "take the key in")
    finally:
        target.once(lambda s: _forget(s, carrier), "forget its transport key")


def find_wrapping_key(session: Session, name: KeyName) -> int:
    """Return the handle of the wrapping key; raises NotFound."""
    handles = session.module.find(session.handle, name.template(ObjectClass.SECRET_KEY))
    if len(handles) != 1:
        raise NotFound(
            f"The token {session.name!r} holds {len(handles)} wrapping keys {name}; there must be "
            "one. Make and share one first."
        )
    return handles[0]


def _require_free(place: Place) -> None:
    place.once(
        lambda session: objects.require_free(session, place.name, ObjectClass.SECRET_KEY),
        "look for a wrapping key",
    )


def _make_carrier(session: Session, carrier: KeyName) -> rsa.RSAPublicKey:
    """Make the RSA pair that lives for one transport."""
    named: Template = {Attribute.TOKEN: True, **carrier.attributes()}
    public = {
        **named,
        Attribute.MODULUS_BITS: _CARRIER_BITS,
        Attribute.PUBLIC_EXPONENT: _F4,
        Attribute.WRAP: True,
    }
    private = {
        **named,
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.UNWRAP: True,
        Attribute.DECRYPT: True,
    }
    call = MechanismCall(Mechanism.RSA_PKCS_KEY_PAIR_GEN)
    with session.writable(), _refusing(session, "make a transport key"):
        _, handle = session.module.generate_key_pair(session.handle, call, public, private)
        half = objects.public_half(session, handle, carrier, carrier.id)
    if not isinstance(half, rsa.RSAPublicKey):
        raise NotFound(f"The token {session.name!r} does not give its transport key's public half.")
    return half


def _make_and_wrap(session: Session, name: KeyName, public: rsa.RSAPublicKey) -> bytes:
    """Make the AES key, wrap it once, and close it for good."""
    module = session.module
    template = secret.template(name, extractable=True, wraps=True) | {Attribute.VALUE_LEN: 32}
    visitor: Template = {
        **objects.public_template(KeyName("visitor", b"visitor"), public),
        Attribute.TOKEN: False,
        Attribute.WRAP: True,
    }
    with session.writable(), _refusing(session, "share a wrapping key"):
        handle = module.generate_key(session.handle, MechanismCall(Mechanism.AES_KEY_GEN), template)
        try:
            guest = module.create_object(session.handle, visitor)
            wrapped = module.wrap_key(session.handle, _oaep(), guest, handle)
            module.set_attributes(session.handle, handle, {Attribute.EXTRACTABLE: False})
        except CryptokiError:
            module.destroy_object(session.handle, handle)
            raise
        module.destroy_object(session.handle, guest)
    return wrapped


def _take_in(session: Session, name: KeyName, carrier: KeyName, wrapped: bytes) -> None:
    handles = session.module.find(session.handle, carrier.template(ObjectClass.PRIVATE_KEY))
    template = secret.template(name, wraps=True)
    with session.writable(), _refusing(session, "take a wrapping key in"):
        session.module.unwrap_key(session.handle, _oaep(), handles[0], wrapped, template)


def _forget(session: Session, carrier: KeyName) -> None:
    with session.writable():
        for kind in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY):
            for handle in session.module.find(session.handle, carrier.template(kind)):
                with suppress(CryptokiError):
                    session.module.destroy_object(session.handle, handle)


def _oaep() -> MechanismCall:
    """RSA-OAEP with SHA-1, the only one that every token has; it needs no collision resistance."""
    return oaep_call(Mechanism.SHA_1, _SHA1_MGF)


@contextmanager
def _refusing(session: Session, doing: str) -> Iterator[None]:
    """Turn what a token says no to into Refused, with what was to be done."""
    try:
        yield
    except CryptokiError as error:
        raise Refused(
            f"The token {session.name!r} cannot {doing} ({error}); keys cannot be copied between "
            "these two tokens.",
            code="wrapping_not_on_token",
        ) from None
