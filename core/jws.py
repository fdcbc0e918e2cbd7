"""JSON Web Signatures in their compact form, by ES256 alone (RFC 7515, RFC 7518 3.4).

What an auditor or a tax system keeps for years must be checked by programs that are not ours: any
JOSE library reads these. `typ` says what a signature is about, so that one kind of statement never
passes for another (RFC 8725 3.11).
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from core.errors import Invalid, Refused

_ALGORITHM = "ES256"
_HALF = 32
_MOST_CHARACTERS = 1 << 20


def sign(
    key: ec.EllipticCurvePrivateKey,
    payload: Mapping[str, Any],
    *,
    typ: str,
    header: Mapping[str, Any] | None = None,
) -> str:
    """Return `payload` signed by a P-256 key; `header` adds parameters (kid, x5c) to alg and typ.

    Raises Invalid for a key on another curve, SigningUnavailable when no token signs.
    """
    if not isinstance(key.curve, ec.SECP256R1):
        raise Invalid(f"ES256 wants a key on P-256, not on {key.curve.name} (RFC 7518 3.4).")
    protected = {"alg": _ALGORITHM, "typ": typ, **(header or {})}
    text = f"{_encode(_json(protected))}.{_encode(_json(payload))}"
    r, s = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{text}.{_encode(r.to_bytes(_HALF, 'big') + s.to_bytes(_HALF, 'big'))}"


def verify(key: ec.EllipticCurvePublicKey, token: str, *, typ: str) -> dict[str, Any]:
    """Return the payload of `token`; raises Refused when it is of another type or not by `key`."""
    header, payload = read(token)
    if header.get("alg") != _ALGORITHM or header.get("typ") != typ:
        raise Refused(
            f"The signature is a {header.get('typ')!r} by {header.get('alg')!r}, not a {typ!r} by "
            f"{_ALGORITHM!r}.",
            code="jws_other_type",
        )
    text, _, signature = token.strip().rpartition(".")
    raw = _decode(signature)
    r, s = int.from_bytes(raw[:_HALF], "big"), int.from_bytes(raw[_HALF:], "big")
    try:
        key.verify(encode_dss_signature(r, s), text.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise Refused(
            "The signature is not by the key that was given, or what it signs was changed.",
            code="jws_signature",
        ) from error
    return payload


def read(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and payload of a compact JWS, unchecked; raises Invalid when it is none."""
    parts = token.strip().split(".")
    if len(parts) != 3 or len(token) > _MOST_CHARACTERS:  # noqa: PLR2004 - RFC 7515 3.1
        raise Invalid("The text is not a JSON Web Signature: three parts joined by dots.")
    return _object(parts[0]), _object(parts[1])


def _object(part: str) -> dict[str, Any]:
    try:
        found = json.loads(_decode(part))
    except ValueError as error:
        raise Invalid("A part of the JSON Web Signature is no JSON.") from error
    if not isinstance(found, dict):
        raise Invalid("A part of the JSON Web Signature is no JSON object.")
    return found


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid("A part of the JSON Web Signature is not base64url.") from error
