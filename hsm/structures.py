"""The C structures of PKCS#11 as ctypes lays them out on Linux (native alignment, 64-bit CK_ULONG).

Sources: PKCS#11 2.40 and 3.0, header files pkcs11t.h and pkcs11f.h. Only what we call is typed.
"""

import ctypes
from ctypes import POINTER, Structure, c_char, c_char_p, c_ubyte, c_ulong, c_void_p
from typing import ClassVar

_Fields = list[tuple[str, type]]


class Version(Structure):
    """CK_VERSION."""

    _fields_: ClassVar[_Fields] = [("major", c_ubyte), ("minor", c_ubyte)]


class InitializeArgs(Structure):
    """CK_C_INITIALIZE_ARGS, with one more pointer at its end.

    NSS softoken puts LibraryParameters where the standard has pReserved and wants pReserved
    behind it to be NULL; with a NULL behind the standard's last member both are served.
    """

    _fields_: ClassVar[_Fields] = [
        ("create_mutex", c_void_p),
        ("destroy_mutex", c_void_p),
        ("lock_mutex", c_void_p),
        ("unlock_mutex", c_void_p),
        ("flags", c_ulong),
        ("reserved", c_char_p),
        ("behind", c_void_p),
    ]


class TokenInfo(Structure):
    """CK_TOKEN_INFO."""

    _fields_: ClassVar[_Fields] = [
        ("label", c_char * 32),
        ("manufacturer", c_char * 32),
        ("model", c_char * 16),
        ("serial", c_char * 16),
        ("flags", c_ulong),
        ("max_session_count", c_ulong),
        ("session_count", c_ulong),
        ("max_rw_session_count", c_ulong),
        ("rw_session_count", c_ulong),
        ("max_pin_length", c_ulong),
        ("min_pin_length", c_ulong),
        ("total_public_memory", c_ulong),
        ("free_public_memory", c_ulong),
        ("total_private_memory", c_ulong),
        ("free_private_memory", c_ulong),
        ("hardware_version", Version),
        ("firmware_version", Version),
        ("utc_time", c_char * 16),
    ]


class SessionInfo(Structure):
    """CK_SESSION_INFO."""

    _fields_: ClassVar[_Fields] = [
        ("slot", c_ulong),
        ("state", c_ulong),
        ("flags", c_ulong),
        ("device_error", c_ulong),
    ]


class RawAttribute(Structure):
    """CK_ATTRIBUTE."""

    _fields_: ClassVar[_Fields] = [("type", c_ulong), ("value", c_void_p), ("length", c_ulong)]


class RawMechanism(Structure):
    """CK_MECHANISM."""

    _fields_: ClassVar[_Fields] = [
        ("mechanism", c_ulong),
        ("parameter", c_void_p),
        ("length", c_ulong),
    ]


class PssParams(Structure):
    """CK_RSA_PKCS_PSS_PARAMS."""

    _fields_: ClassVar[_Fields] = [
        ("hash", c_ulong),
        ("mgf", c_ulong),
        ("salt_length", c_ulong),
    ]


class OaepParams(Structure):
    """CK_RSA_PKCS_OAEP_PARAMS."""

    _fields_: ClassVar[_Fields] = [
        ("hash", c_ulong),
        ("mgf", c_ulong),
        ("source", c_ulong),
        ("data", c_void_p),
        ("data_length", c_ulong),
    ]


class GcmParams(Structure):
    """CK_GCM_PARAMS as of PKCS#11 2.40 errata 01 (with ulIvBits)."""

    _fields_: ClassVar[_Fields] = [
        ("iv", c_void_p),
        ("iv_length", c_ulong),
        ("iv_bits", c_ulong),
        ("aad", c_void_p),
        ("aad_length", c_ulong),
        ("tag_bits", c_ulong),
    ]


_ulong_p = POINTER(c_ulong)
_attributes = POINTER(RawAttribute)
_mechanism = POINTER(RawMechanism)
_session = _slot = _object = c_ulong
_bytes = (c_char_p, c_ulong)
_room = (c_void_p, _ulong_p)

# Every function of CK_FUNCTION_LIST in its order; None where we never call it.
FUNCTIONS: tuple[tuple[str, tuple[type, ...] | None], ...] = (
    ("C_Initialize", (c_void_p,)),
    ("C_Finalize", (c_void_p,)),
    ("C_GetInfo", None),
    ("C_GetFunctionList", None),
    ("C_GetSlotList", (c_ubyte, c_void_p, _ulong_p)),
    ("C_GetSlotInfo", None),
    ("C_GetTokenInfo", (_slot, POINTER(TokenInfo))),
    ("C_GetMechanismList", (_slot, c_void_p, _ulong_p)),
    ("C_GetMechanismInfo", None),
    ("C_InitToken", (_slot, c_void_p, c_ulong, c_char_p)),
    ("C_InitPIN", (_session, c_void_p, c_ulong)),
    ("C_SetPIN", None),
    ("C_OpenSession", (_slot, c_ulong, c_void_p, c_void_p, _ulong_p)),
    ("C_CloseSession", (_session,)),
    ("C_CloseAllSessions", (_slot,)),
    ("C_GetSessionInfo", (_session, POINTER(SessionInfo))),
    ("C_GetOperationState", None),
    ("C_SetOperationState", None),
    ("C_Login", (_session, c_ulong, c_void_p, c_ulong)),
    ("C_Logout", (_session,)),
    ("C_CreateObject", (_session, _attributes, c_ulong, _ulong_p)),
    ("C_CopyObject", None),
    ("C_DestroyObject", (_session, _object)),
    ("C_GetObjectSize", None),
    ("C_GetAttributeValue", (_session, _object, _attributes, c_ulong)),
    ("C_SetAttributeValue", (_session, _object, _attributes, c_ulong)),
    ("C_FindObjectsInit", (_session, _attributes, c_ulong)),
    ("C_FindObjects", (_session, c_void_p, c_ulong, _ulong_p)),
    ("C_FindObjectsFinal", (_session,)),
    ("C_EncryptInit", (_session, _mechanism, _object)),
    ("C_Encrypt", (_session, *_bytes, *_room)),
    ("C_EncryptUpdate", None),
    ("C_EncryptFinal", None),
    ("C_DecryptInit", (_session, _mechanism, _object)),
    ("C_Decrypt", (_session, *_bytes, *_room)),
    ("C_DecryptUpdate", None),
    ("C_DecryptFinal", None),
    ("C_DigestInit", None),
    ("C_Digest", None),
    ("C_DigestUpdate", None),
    ("C_DigestKey", None),
    ("C_DigestFinal", None),
    ("C_SignInit", (_session, _mechanism, _object)),
    ("C_Sign", (_session, *_bytes, *_room)),
    ("C_SignUpdate", None),
    ("C_SignFinal", None),
    ("C_SignRecoverInit", None),
    ("C_SignRecover", None),
    ("C_VerifyInit", None),
    ("C_Verify", None),
    ("C_VerifyUpdate", None),
    ("C_VerifyFinal", None),
    ("C_VerifyRecoverInit", None),
    ("C_VerifyRecover", None),
    ("C_DigestEncryptUpdate", None),
    ("C_DecryptDigestUpdate", None),
    ("C_SignEncryptUpdate", None),
    ("C_DecryptVerifyUpdate", None),
    ("C_GenerateKey", (_session, _mechanism, _attributes, c_ulong, _ulong_p)),
    (
        "C_GenerateKeyPair",
        (_session, _mechanism, _attributes, c_ulong, _attributes, c_ulong, _ulong_p, _ulong_p),
    ),
    ("C_WrapKey", (_session, _mechanism, _object, _object, *_room)),
    ("C_UnwrapKey", (_session, _mechanism, _object, *_bytes, _attributes, c_ulong, _ulong_p)),
    ("C_DeriveKey", None),
    ("C_SeedRandom", None),
    ("C_GenerateRandom", (_session, c_void_p, c_ulong)),
)


class FunctionList(Structure):
    """CK_FUNCTION_LIST: the version, then one pointer for each function."""

    _fields_: ClassVar[_Fields] = [
        ("version", Version),
        *((name, c_void_p) for name, _ in FUNCTIONS),
    ]


assert ctypes.sizeof(c_ulong) == 8, "PKCS#11 is laid out here for 64-bit Linux."  # noqa: S101, PLR2004 - a wrong layout would corrupt memory
