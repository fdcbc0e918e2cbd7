"""How values are laid out in memory for a PKCS#11 module: templates, mechanisms, room for answers.

Whoever lays something out keeps it alive for the length of the call: C sees addresses only.
"""

import ctypes
from collections.abc import Mapping
from ctypes import byref, c_ulong, c_void_p

from hsm.codes import Attribute, Mechanism
from hsm.structures import GcmParams, OaepParams, PssParams, RawAttribute, RawMechanism

Template = Mapping[Attribute, bool | int | bytes]
"""Attributes and their values; an int is a CK_ULONG."""

ROOM_BYTES = 1024
_DATA_SPECIFIED = 1


class MechanismCall:
    """A mechanism with its parameter, ready to be handed to any number of calls."""

    __slots__ = ("_kept", "name", "pointer", "raw")

    def __init__(
        self, mechanism: Mechanism, parameter: ctypes.Structure | bytes | None = None, *kept: object
    ) -> None:
        """Lay out `mechanism`; `kept` are buffers that `parameter` points into."""
        self.name = mechanism.name
        body = (
            ctypes.create_string_buffer(parameter, len(parameter))
            if isinstance(parameter, bytes)
            else parameter
        )
        address = None if body is None else ctypes.addressof(body)
        length = 0 if body is None else ctypes.sizeof(body)
        self.raw = RawMechanism(int(mechanism), address, length)
        self.pointer = ctypes.pointer(self.raw)
        self._kept = (body, kept)


def pss_call(mechanism: Mechanism, hash_: Mechanism, mgf: int, salt_bytes: int) -> MechanismCall:
    """Return an RSA-PSS mechanism (PKCS#11 2.1.10) with its hash, mask function and salt length."""
    return MechanismCall(mechanism, PssParams(int(hash_), mgf, salt_bytes))


def oaep_call(hash_: Mechanism, mgf: int) -> MechanismCall:
    """Return RSA-OAEP (PKCS#11 2.1.8) with its hash and mask function and no label."""
    parameter = OaepParams(int(hash_), mgf, _DATA_SPECIFIED, None, 0)
    return MechanismCall(Mechanism.RSA_PKCS_OAEP, parameter)


def gcm_call(iv: bytes, aad: bytes, *, tag_bits: int = 128) -> MechanismCall:
    """Return an AES-GCM mechanism (PKCS#11 2.40 errata 01, 2.11.5)."""
    iv_room = ctypes.create_string_buffer(iv, len(iv))
    aad_room = ctypes.create_string_buffer(aad, max(len(aad), 1))
    parameter = GcmParams(
        ctypes.addressof(iv_room),
        len(iv),
        len(iv) * 8,
        ctypes.addressof(aad_room) if aad else None,
        len(aad),
        tag_bits,
    )
    return MechanismCall(Mechanism.AES_GCM, parameter, iv_room, aad_room)


class Room:
    """Where a signature is put: made once for each session, used by its thread alone."""

    __slots__ = ("buffer", "length", "length_pointer")

    def __init__(self) -> None:
        """Make room for the longest signature that we know."""
        self.buffer = ctypes.create_string_buffer(ROOM_BYTES)
        self.length = c_ulong()
        self.length_pointer = byref(self.length)


def _pack(value: bool | int | bytes) -> bytes:  # noqa: FBT001 - a value, no flag
    if isinstance(value, bool):
        return bytes([value])
    if isinstance(value, int):
        return bytes(c_ulong(value))
    return value


def lay_out(template: Template) -> tuple[ctypes.Array[RawAttribute], int, list[object]]:
    """Lay `template` out; the last item of the result must live as long as the call."""
    raw = (RawAttribute * len(template))()
    kept: list[object] = []
    for place, (attribute, value) in zip(raw, template.items(), strict=True):
        packed = _pack(value)
        room = ctypes.create_string_buffer(packed, max(len(packed), 1))
        kept.append(room)
        place.type, place.length = int(attribute), len(packed)
        place.value = ctypes.cast(room, c_void_p)
    return raw, len(template), kept
