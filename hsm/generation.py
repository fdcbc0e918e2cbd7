"""Key pairs made on a token: sensitive, not extractable, good for signing alone.

Tokens differ in what they let a template say. The strictest template is tried first; a token that
refuses it gets a leaner one, and what it then made is judged by its attributes all the same.
"""

import secrets
from collections.abc import Iterator
from contextlib import suppress

from core.errors import NotFound, Refused
from hsm.codes import Attribute, ObjectClass, Rv
from hsm.cryptoki import CryptokiError
from hsm.layout import MechanismCall, Template
from hsm.mechanisms import GENERATION, RSA_BITS, KeyKind, PublicKey
from hsm.objects import CURVE_OIDS, ED25519_PARAMS, KeyName, public_half, require_free
from hsm.session import Session

_ID_BYTES = 8
_F4 = b"\x01\x00\x01"
# What tokens say of a template that they do not like; some say nothing better than "error".
_DISLIKES = frozenset({
    Rv.TEMPLATE_INCONSISTENT, Rv.TEMPLATE_INCOMPLETE, Rv.ATTRIBUTE_TYPE_INVALID,
    Rv.ATTRIBUTE_VALUE_INVALID, Rv.ATTRIBUTE_READ_ONLY, Rv.DOMAIN_PARAMS_INVALID,
    Rv.CURVE_NOT_SUPPORTED, Rv.ARGUMENTS_BAD, Rv.GENERAL_ERROR, Rv.FUNCTION_FAILED,
})  # fmt: skip
_Values = dict[Attribute, bool | int | bytes]


def generate(session: Session, name: KeyName, kind: KeyKind, *, wrappable: bool) -> PublicKey:
    """Generate a key pair named `name` and return its public half.

    It is extractable only when it is to be `wrappable`, and then under a wrapping key alone.
    Raises Conflict when a key has that name already: none is ever replaced.
    """
    require_free(session, name, ObjectClass.PRIVATE_KEY)
    if GENERATION[kind] not in session.mechanisms:
        raise Refused(
            f"The token {session.name!r} cannot generate {kind} keys: "
            f"it has no CKM_{GENERATION[kind].name}.",
            code="mechanism_not_on_token",
        )
    with session.writable():
        handle = _first_liked(session, name, kind, wrappable=wrappable)
        deny_all_but_signing(session, handle)
        half = public_half(session, handle, name, name.id)
    if half is None:
        raise NotFound(
            f"The token {session.name!r} made the key {name} but does not give its public half."
        )
    return half


def _first_liked(session: Session, name: KeyName, kind: KeyKind, *, wrappable: bool) -> int:
    """Generate with the strictest template that the token takes; return the private half."""
    call = MechanismCall(GENERATION[kind])
    first: CryptokiError | None = None
    for public, private in _templates(name, kind, wrappable=wrappable):
        try:
            return session.module.generate_key_pair(session.handle, call, public, private)[1]
        except CryptokiError as error:
            if error.rv not in _DISLIKES:
                raise
            first = first or error
    assert first is not None  # noqa: S101 - there is at least one template
    raise first


def _templates(
    name: KeyName, kind: KeyKind, *, wrappable: bool
) -> Iterator[tuple[Template, Template]]:
    """Yield the templates of the public and the private half, the strictest first."""
    named: _Values = {
        Attribute.TOKEN: True,
        Attribute.ID: secrets.token_bytes(_ID_BYTES),
        **name.attributes(),
    }
    private: _Values = named | {
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: wrappable,
        Attribute.SIGN: True,
    }
    denied: _Values
    sizes: tuple[_Values, ...]
    if kind in RSA_BITS:
        denied = {Attribute.DECRYPT: False, Attribute.UNWRAP: False}
        sizes = ({Attribute.MODULUS_BITS: RSA_BITS[kind], Attribute.PUBLIC_EXPONENT: _F4},)
    else:
        denied = {Attribute.DERIVE: False}
        known = (CURVE_OIDS[kind],) if kind in CURVE_OIDS else ED25519_PARAMS
        sizes = tuple({Attribute.EC_PARAMS: params} for params in known)
    for size in sizes:
        public: _Values = named | size
        yield public, private | denied
        yield public, private


def deny_all_but_signing(session: Session, handle: int) -> None:
    """Take uses from a key whose token gave them unasked, where the token lets us."""
    for attribute in (Attribute.DECRYPT, Attribute.UNWRAP, Attribute.DERIVE):
        with suppress(CryptokiError):
            if session.module.attribute(session.handle, handle, attribute) not in (None, b"\0"):
                session.module.set_attributes(session.handle, handle, {attribute: False})
