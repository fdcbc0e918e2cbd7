"""The keys of the audit trail, one after another: each names the next in its last checkpoint.

That checkpoint is a handover: it also says by which key it is signed (`key`) and which one signs
from there on (`next`), both as SubjectPublicKeyInfo. Trust goes forward only: who got a public half
from outside trusts what that key signed, and the keys that it handed over to in turn. The
checkpoints of the keys before are compared too, but prove nothing by themselves; nor need they,
for every checkpoint signs all entries before it.
"""

import base64
import hashlib
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from core import jws
from core.errors import Conflict, Invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The keys in their order, in DER; key n signed last at `ends[n]`, and `known` is trusted."""

    line: tuple[bytes, ...]
    ends: tuple[int, ...]
    known: int

    def at(self, position: int) -> ec.EllipticCurvePublicKey:
        """Return the key that signs the checkpoint of a position."""
        return load(self.line[self._number(position)])

    def trusted(self, position: int) -> bool:
        """Whether the checkpoint of a position proves something: not if by a key before `known`."""
        return self._number(position) >= self.known

    def _number(self, position: int) -> int:
        return bisect_left(self.ends, position)


def alone(known: ec.EllipticCurvePublicKey) -> Keys:
    """Return the line of one key that neither took over nor handed over."""
    return Keys(line=(octets(known),), ends=(), known=0)


def follow(known: ec.EllipticCurvePublicKey, handovers: Iterable[str], typ: str) -> Keys:
    """Return the line that these handovers, in their order, make.

    Raises Conflict when one is not signed by the key that it names or does not follow from the one
    before, or when `known` is not in the line.
    """
    line: list[bytes] = []
    ends: list[int] = []
    for token in handovers:
        _, payload = jws.read(token)
        before, after = octets_of(payload, "key"), octets_of(payload, "next")
        payload = jws.verify(load(before), token, typ=typ)
        position = int(payload["position"])
        if line and (before != line[-1] or position <= ends[-1]):
            raise Conflict(
                f"The handover at position {position} is not by the key {fingerprint(line[-1])}, "
                "which was to sign there: it was forged, or one before it was removed."
            )
        line = [*(line or [before]), after]
        ends.append(position)
    own = octets(known)
    if not line:
        return alone(known)
    if own not in line:
        raise Conflict(
            f"The key {fingerprint(own)} is none of those that signed the trail one after another: "
            f"{', '.join(fingerprint(each) for each in line)}."
        )
    return Keys(line=tuple(line), ends=tuple(ends), known=line.index(own))


def statement(by: ec.EllipticCurvePublicKey, to: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """Return what makes a checkpoint by one key a handover to another."""
    named = {"key": by, "next": to}
    return {name: base64.b64encode(octets(key)).decode() for name, key in named.items()}


def octets_of(payload: dict[str, Any], name: str) -> bytes:
    """Return a key that a handover names, in DER; raises Invalid."""
    try:
        return base64.b64decode(payload[name], validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid(f"A handover of the audit trail does not state its {name!r}.") from error


def load(der: bytes) -> ec.EllipticCurvePublicKey:
    """Return the key in DER; raises Invalid when it is none on a curve."""
    try:
        key = load_der_public_key(der)
    except ValueError as error:
        raise Invalid("A handover of the audit trail names no public key.") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise Invalid("A handover of the audit trail names a key that is not on a curve.")
    return key


def octets(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the key's SubjectPublicKeyInfo in DER."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def fingerprint(der: bytes) -> str:
    """Return the SHA-256 of a key in DER, in hex, as the ceremony's transcript states it."""
    return hashlib.sha256(der).hexdigest()
