"""Keys as objects on a token: found by label and id, read, judged by their attributes.

Everything here runs on a worker's thread, inside a session. Tokens differ: an attribute that one
does not give is None, and a point may come wrapped or bare.
"""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from core.errors import Conflict, Invalid, NotFound, Refused
from hsm.codes import Attribute, KeyType, ObjectClass
from hsm.layout import Template
from hsm.mechanisms import CURVES, KeyKind, PublicKey
from hsm.session import Session

CURVE_OIDS = {
    KeyKind.P_256: bytes.fromhex("06082a8648ce3d030107"),
    KeyKind.P_384: bytes.fromhex("06052b81040022"),
}
# RFC 8410 by OID, or by name as PKCS#11 3.0 2.3.10 also allows.
_OCTET_STRING = 0x04
ED25519_PARAMS = (bytes.fromhex("06032b6570"), bytes.fromhex("130c656477617264733235353139"))


@dataclass(frozen=True, slots=True)
class KeyName:
    """What names a key on its token: its label, its id, or both."""

    label: str | None
    id: bytes | None

    def __str__(self) -> str:
        """Return the name as errors and lists show it."""
        label = repr(self.label) if self.label is not None else ""
        return " ".join(filter(None, (label, f"id {self.id.hex()}" if self.id else "")))

    def template(self, kind: ObjectClass) -> Template:
        """Return what a search for objects of this class with this name asks for."""
        return {Attribute.CLASS: kind, **self.attributes()}

    def attributes(self) -> dict[Attribute, bytes]:
        """Return the attributes that the name is made of."""
        label = None if self.label is None else self.label.encode()
        named = {Attribute.LABEL: label, Attribute.ID: self.id}
        return {attribute: value for attribute, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A private or secret key on a token: its handle in this session, what it says of itself.

    A secret key has no `public` half.
    """

    kind: ObjectClass
    handle: int
    public: PublicKey | None
    flags: dict[Attribute, bool | None]


_Flags = dict[Attribute, bool]
_KEPT: _Flags = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
_USES: dict[ObjectClass, _Flags] = {
    ObjectClass.PRIVATE_KEY: {Attribute.SIGN: True},
    ObjectClass.SECRET_KEY: {Attribute.ENCRYPT: True, Attribute.DECRYPT: True},
}
# Where the token tells it. A key that wraps and decrypts would give others out in the clear.
_DENIED: dict[ObjectClass, _Flags] = {
    ObjectClass.PRIVATE_KEY: dict.fromkeys(
        (Attribute.DECRYPT, Attribute.UNWRAP, Attribute.DERIVE), False
    ),
    ObjectClass.SECRET_KEY: dict.fromkeys(
        (Attribute.WRAP, Attribute.UNWRAP, Attribute.DERIVE), False
    ),
}
_ORIGIN: _Flags = {Attribute.ALWAYS_SENSITIVE: True, Attribute.NEVER_EXTRACTABLE: True}


def find_private(session: Session, name: KeyName) -> Found:
    """Return the one private key with this name; raises NotFound or Conflict."""
    kind = ObjectClass.PRIVATE_KEY
    return describe(session, only(session, name, kind), name, kind)


def find_key(session: Session, name: KeyName) -> Found:
    """Return the one private or secret key with this name; raises NotFound or Conflict."""
    classes = (ObjectClass.PRIVATE_KEY, ObjectClass.SECRET_KEY)
    there = [each for each in classes if session.module.find(session.handle, name.template(each))]
    if not there:
        raise NotFound(f"The token {session.name!r} holds no private or secret key {name}.")
    if len(there) > 1:
        raise Conflict(
            f"The token {session.name!r} holds a private key and a secret key {name}; add id= to "
            "the key's URI."
        )
    return describe(session, only(session, name, there[0]), name, there[0])


def describe(session: Session, handle: int, name: KeyName, kind: ObjectClass) -> Found:
    """Return the key with this handle: its public half, if it is a private key, its attributes."""
    judged = (*_KEPT, *_USES[kind], *_DENIED[kind], *_ORIGIN, Attribute.LOCAL)
    flags = {attribute: _flag(session, handle, attribute) for attribute in judged}
    public = None
    if kind is ObjectClass.PRIVATE_KEY:
        identifier = session.module.attribute(session.handle, handle, Attribute.ID)
        public = public_half(session, handle, name, identifier)
    return Found(kind=kind, handle=handle, public=public, flags=flags)


def findings(found: Found, *, wrappable: bool = False, strict: bool = True) -> list[str]:
    """Return what is wrong with a key's attributes, empty for one that we would have made.

    A `wrappable` key may leave its token under a wrapping key, and must be able to. Unless
    `strict`, it is no matter what else the key may be used for.
    """
    wrong: list[str] = []
    where_told = _ORIGIN | (_DENIED[found.kind] if strict else {})
    asked = {Attribute.EXTRACTABLE: wrappable, Attribute.NEVER_EXTRACTABLE: not wrappable}
    for attribute, must in (_KEPT | _USES[found.kind] | where_told | asked).items():
        has = found.flags[attribute]
        if has is must or (has is None and attribute in where_told):
            continue
        shown = "not told" if has is None else str(has).lower()
        wrong.append(f"CKA_{attribute.name} is {shown} and must be {str(must).lower()}")
    # NSS keeps no CKA_LOCAL for stored keys; never having been extractable says the same.
    origin = found.flags[Attribute.NEVER_EXTRACTABLE], found.flags[Attribute.LOCAL]
    if origin == (None, False) and not wrappable:
        wrong.append("CKA_LOCAL is false and must be true")
    return wrong


def require_sound(found: Found, name: KeyName, token: str) -> None:
    """Raise Refused for a key that could be read out, or a private one that does more than sign.

    A vault's key that may also wrap is for `hsm check` to find: it was made so before it was
    known better, and personal data stands under it.
    """
    if wrong := findings(found, strict=found.kind is ObjectClass.PRIVATE_KEY):
        raise Refused(
            f"The key {name} on the token {token!r} is refused: {'; '.join(wrong)}. If it was made "
            "elsewhere and that is known, name it as imported in the configuration.",
            code="key_attributes",
        )


def require_free(session: Session, name: KeyName, kind: ObjectClass) -> None:
    """Raise Conflict when there is a key of this class and name: none is ever replaced."""
    if session.module.find(session.handle, name.template(kind)):
        raise Conflict(f"There is a key {name} on the token {session.name!r}; it is not replaced.")


def only(session: Session, name: KeyName, kind: ObjectClass) -> int:
    """Return the handle of the one key of this class and name; raises NotFound or Conflict."""
    handles = session.module.find(session.handle, name.template(kind))
    shown = kind.name.lower().replace("_", " ")
    if not handles:
        raise NotFound(f"The token {session.name!r} holds no {shown} {name}.")
    if len(handles) > 1:
        raise Conflict(
            f"The token {session.name!r} holds {len(handles)} objects that are a {shown} {name}; "
            "add id= to the key's URI."
        )
    return handles[0]


def _flag(session: Session, handle: int, attribute: Attribute) -> bool | None:
    raw = session.module.attribute(session.handle, handle, attribute)
    return None if not raw else raw != b"\0"


def public_half(
    session: Session, handle: int, name: KeyName, identifier: bytes | None
) -> PublicKey | None:
    """Read the public half where the token keeps it: in the private object, or beside it."""
    by_id = KeyName(None, identifier).template(ObjectClass.PUBLIC_KEY) if identifier else None
    places = [handle]
    for template in (by_id, name.template(ObjectClass.PUBLIC_KEY)):
        if template is not None:
            places.extend(session.module.find(session.handle, template))
    for place in places:
        if (public := _read_public(session, place)) is not None:
            return public
    return None


def _read_public(session: Session, obj: int) -> PublicKey | None:
    def read(attribute: Attribute) -> bytes | None:
        return session.module.attribute(session.handle, obj, attribute)

    kind = read(Attribute.KEY_TYPE)
    key_type = None if kind is None else int.from_bytes(kind, "little")
    if key_type == KeyType.RSA:
        modulus, exponent = read(Attribute.MODULUS), read(Attribute.PUBLIC_EXPONENT)
        if not modulus or not exponent:
            return None
        numbers = rsa.RSAPublicNumbers(int.from_bytes(exponent), int.from_bytes(modulus))
        return numbers.public_key()
    if key_type in (KeyType.EC, KeyType.EC_EDWARDS):
        params, point = read(Attribute.EC_PARAMS), read(Attribute.EC_POINT)
        return _point(params, point) if params and point else None
    return None


def _point(params: bytes, point: bytes) -> PublicKey:
    """Return the key of a point, bare or wrapped in an OCTET STRING (PKCS#11 2.3.3)."""
    if params in ED25519_PARAMS:
        return ed25519.Ed25519PublicKey.from_public_bytes(point[-32:])
    for kind, oid in CURVE_OIDS.items():
        if params == oid:
            size = 1 + 2 * ((CURVES[kind].key_size + 7) // 8)
            if len(point) not in (size, size + 2):
                break
            return ec.EllipticCurvePublicKey.from_encoded_point(CURVES[kind], point[-size:])
    raise Invalid(
        f"The token gives a point of {len(point)} bytes on a curve of parameters "
        f"{params.hex()[:60]}; known are P-256, P-384 and Ed25519."
    )


def public_template(name: KeyName, public: PublicKey) -> Template:
    """Return the template of a public key object that is put beside its private half."""
    template: dict[Attribute, bool | int | bytes] = {
        **name.template(ObjectClass.PUBLIC_KEY),
        Attribute.TOKEN: True,
    }
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        template[Attribute.KEY_TYPE] = KeyType.RSA
        template[Attribute.MODULUS] = numbers.n.to_bytes((public.key_size + 7) // 8)
        template[Attribute.PUBLIC_EXPONENT] = numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8)
        return template
    if isinstance(public, ec.EllipticCurvePublicKey):
        known = {curve.name: kind for kind, curve in CURVES.items()}
        template[Attribute.KEY_TYPE] = KeyType.EC
        template[Attribute.EC_PARAMS] = CURVE_OIDS[known[public.curve.name]]
        encoding = Encoding.X962, PublicFormat.UncompressedPoint
    else:
        template[Attribute.KEY_TYPE] = KeyType.EC_EDWARDS
        template[Attribute.EC_PARAMS] = ED25519_PARAMS[1]
        encoding = Encoding.Raw, PublicFormat.Raw
    point = public.public_bytes(*encoding)
    template[Attribute.EC_POINT] = bytes((_OCTET_STRING, len(point))) + point
    return template
