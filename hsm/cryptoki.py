"""A thin, exact binding of a PKCS#11 module: one method per call, return values as exceptions.

It is our own and not python-pkcs11 because a module must be initialised with OS locking (else
SoftHSM runs without locks), initialised again after a fork or a token's return, and asked only
what is needed: python-pkcs11 0.10 does the first wrongly, cannot do the second, and calls C_Sign
twice for each signature.

ctypes releases the interpreter's lock for the length of each call. Nothing here waits, retries,
or knows what a key is for; `hsm.pool` does.
"""

import ctypes
from ctypes import byref, c_ulong
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import Invalid
from hsm.codes import UNAVAILABLE, Attribute, Rv, TokenFlag, name_of
from hsm.layout import ROOM_BYTES, MechanismCall, Room, Template, lay_out
from hsm.structures import (
    FUNCTIONS,
    FunctionList,
    InitializeArgs,
    RawAttribute,
    SessionInfo,
    TokenInfo,
)

_OS_LOCKING_OK = 2
_SERIAL_SESSION = 4
_RW_SESSION = 2
_LABEL_BYTES = 32
_FIND_AT_ONCE = 64
SO, USER = 0, 1


class CryptokiError(Exception):
    """A call returned something else than CKR_OK; `rv` is the number, `function` the call."""

    def __init__(self, function: str, rv: int) -> None:
        """Keep what was called and what it returned."""
        super().__init__(f"{function} returned {name_of(rv)}")
        self.function = function
        self.rv = rv


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as it describes itself; the texts are stripped of their padding."""

    slot: int
    label: str
    manufacturer: str
    model: str
    serial: str
    flags: TokenFlag
    firmware: str


class Module:
    """A loaded module. It is not initialised before `initialize` is called."""

    def __init__(self, path: Path) -> None:
        """Load the shared library at `path`; raises Invalid when it is no PKCS#11 module."""
        self.path = path
        try:
            self._library = ctypes.CDLL(str(path))
            get_list = self._library.C_GetFunctionList
        except (OSError, AttributeError) as error:
            raise Invalid(
                f"The file {path} cannot be loaded as a PKCS#11 module ({error}); name the "
                "vendor's shared library in module-path."
            ) from None
        table = ctypes.POINTER(FunctionList)()
        get_list.restype = c_ulong
        rv = get_list(byref(table))
        if rv != Rv.OK:
            raise CryptokiError("C_GetFunctionList", rv)
        self._call: dict[str, Any] = {}
        for name, arguments in FUNCTIONS:
            address = getattr(table.contents, name)
            if arguments is not None and address:
                self._call[name] = ctypes.CFUNCTYPE(c_ulong, *arguments)(address)
        self._sign_init = self._call["C_SignInit"]
        self._sign = self._call["C_Sign"]

    def function(self, name: str) -> Any:  # noqa: ANN401 - a C function
        """Return the C function itself, for those who measure what the rest costs."""
        return self._call[name]

    def _do(self, name: str, *arguments: object) -> None:
        function = self._call.get(name)
        rv = Rv.FUNCTION_NOT_SUPPORTED if function is None else function(*arguments)
        if rv != Rv.OK:
            raise CryptokiError(name, rv)

    # The module as a whole (PKCS#11 5.4)

    def initialize(self, *, locking: bool, reserved: str | None = None) -> None:
        """Call C_Initialize, asking for the operating system's locks when `locking`.

        `reserved` is a text that some modules want (NSS softoken: its configdir and flags).
        Raises CryptokiError, with CKR_CANT_LOCK when the module has no locks of its own.
        """
        text = None if reserved is None else reserved.encode()
        arguments = InitializeArgs(flags=_OS_LOCKING_OK if locking else 0, reserved=text)
        bare = not locking and reserved is None
        self._do("C_Initialize", None if bare else byref(arguments))

    def finalize(self) -> None:
        """Call C_Finalize: every session and object handle of the module is void afterwards."""
        self._do("C_Finalize", None)

    # Slots, tokens, mechanisms (PKCS#11 5.5)

    def slots(self) -> list[int]:
        """Return the slots in which a token is present."""
        return self._list("C_GetSlotList", 1)

    def token(self, slot: int) -> Token:
        """Return the description of the token in `slot`."""
        info = TokenInfo()
        self._do("C_GetTokenInfo", slot, byref(info))
        version = info.firmware_version
        return Token(
            slot=slot,
            label=_text(info.label),
            manufacturer=_text(info.manufacturer),
            model=_text(info.model),
            serial=_text(info.serial),
            flags=TokenFlag(info.flags & sum(TokenFlag)),
            firmware=f"{version.major}.{version.minor}",
        )

    def mechanisms(self, slot: int) -> frozenset[int]:
        """Return the numbers of the mechanisms of the token in `slot`, vendors' own included."""
        return frozenset(self._list("C_GetMechanismList", slot))

    def init_token(self, slot: int, so_pin: ctypes.Array[ctypes.c_char], label: str) -> None:
        """Initialise the token in `slot`: everything on it is destroyed."""
        padded = label.encode().ljust(_LABEL_BYTES)
        self._do("C_InitToken", slot, so_pin, len(so_pin), padded)

    def _list(self, function: str, first: int) -> list[int]:
        for _ in range(3):
            count = c_ulong()
            self._do(function, first, None, byref(count))
            if not count.value:
                return []
            numbers = (c_ulong * count.value)()
            try:
                self._do(function, first, numbers, byref(count))
            except CryptokiError as error:
                # One more came in between the two calls.
                if error.rv == Rv.BUFFER_TOO_SMALL:
                    continue
                raise
            return list(numbers[: count.value])
        raise CryptokiError(function, Rv.BUFFER_TOO_SMALL)

    # Sessions (PKCS#11 5.6)

    def open_session(self, slot: int, *, writable: bool = False) -> int:
        """Open a session with the token in `slot` and return its handle."""
        handle = c_ulong()
        flags = _SERIAL_SESSION | (_RW_SESSION if writable else 0)
        self._do("C_OpenSession", slot, flags, None, None, byref(handle))
        return handle.value

    def close_session(self, session: int) -> None:
        """Close one session; the last one to close logs the application out."""
        self._do("C_CloseSession", session)

    def session_state(self, session: int) -> int:
        """Return CK_STATE (1 and 3: logged in as user); raises when the session is gone."""
        info = SessionInfo()
        self._do("C_GetSessionInfo", session, byref(info))
        return int(info.state)

    def login(self, session: int, who: int, pin: ctypes.Array[ctypes.c_char] | None) -> None:
        """Log the whole application in as `SO` or `USER`; no PIN means the token's own PIN pad."""
        self._do("C_Login", session, who, pin, 0 if pin is None else len(pin))

    def logout(self, session: int) -> None:
        """Log the whole application out of the token."""
        self._do("C_Logout", session)

    def init_pin(self, session: int, pin: ctypes.Array[ctypes.c_char]) -> None:
        """Set the user's PIN, as security officer."""
        self._do("C_InitPIN", session, pin, len(pin))

    # Objects (PKCS#11 5.7)

    def find(self, session: int, template: Template) -> list[int]:
        """Return the handles of all objects that have the attributes of `template`."""
        raw, count, _kept = lay_out(template)
        self._do("C_FindObjectsInit", session, raw, count)
        found: list[int] = []
        try:
            handles, number = (c_ulong * _FIND_AT_ONCE)(), c_ulong()
            while True:
                self._do("C_FindObjects", session, handles, _FIND_AT_ONCE, byref(number))
                if not number.value:
                    return found
                found.extend(handles[: number.value])
        finally:
            self._do("C_FindObjectsFinal", session)

    def attribute(self, session: int, obj: int, attribute: Attribute) -> bytes | None:
        """Return an attribute's bytes, or None when the token does not have or give it.

        Each attribute is asked for alone: one that a token does not know must not hide the rest.
        """
        raw = RawAttribute(int(attribute), None, 0)
        unknown = (Rv.ATTRIBUTE_TYPE_INVALID, Rv.ATTRIBUTE_SENSITIVE)
        try:
            self._do("C_GetAttributeValue", session, obj, byref(raw), 1)
            if raw.length == UNAVAILABLE:
                return None
            room = ctypes.create_string_buffer(max(raw.length, 1))
            raw.value = ctypes.addressof(room)
            self._do("C_GetAttributeValue", session, obj, byref(raw), 1)
        except CryptokiError as error:
            if error.rv in unknown:
                return None
            raise
        return None if raw.length == UNAVAILABLE else room.raw[: raw.length]

    def set_attributes(self, session: int, obj: int, template: Template) -> None:
        """Change attributes of an object."""
        raw, count, _kept = lay_out(template)
        self._do("C_SetAttributeValue", session, obj, raw, count)

    def create_object(self, session: int, template: Template) -> int:
        """Store an object and return its handle."""
        raw, count, _kept = lay_out(template)
        handle = c_ulong()
        self._do("C_CreateObject", session, raw, count, byref(handle))
        return handle.value

    def destroy_object(self, session: int, obj: int) -> None:
        """Destroy an object for good."""
        self._do("C_DestroyObject", session, obj)

    # Signing, encrypting, keys (PKCS#11 5.8 to 5.14)

    def sign(self, session: int, call: MechanismCall, key: int, data: bytes, room: Room) -> bytes:
        """Return the signature of `data`: two calls and no more, for this is the hot path."""
        rv = self._sign_init(session, call.pointer, key)
        if rv:
            raise CryptokiError("C_SignInit", rv)
        room.length.value = ROOM_BYTES
        rv = self._sign(session, data, len(data), room.buffer, room.length_pointer)
        if rv:
            raise CryptokiError("C_Sign", rv)
        return ctypes.string_at(room.buffer, room.length.value)

    def encrypt(self, session: int, call: MechanismCall, key: int, data: bytes) -> bytes:
        """Return `data` encrypted."""
        self._do("C_EncryptInit", session, call.pointer, key)
        return self._output("C_Encrypt", len(data) + ROOM_BYTES, session, data, len(data))

    def decrypt(self, session: int, call: MechanismCall, key: int, data: bytes) -> bytes:
        """Return `data` decrypted."""
        self._do("C_DecryptInit", session, call.pointer, key)
        return self._output("C_Decrypt", len(data) + ROOM_BYTES, session, data, len(data))

    def generate_key(self, session: int, call: MechanismCall, template: Template) -> int:
        """Generate a secret key and return its handle."""
        raw, count, _kept = lay_out(template)
        handle = c_ulong()
        self._do("C_GenerateKey", session, call.pointer, raw, count, byref(handle))
        return handle.value

    def generate_key_pair(
        self, session: int, call: MechanismCall, public: Template, private: Template
    ) -> tuple[int, int]:
        """Generate a key pair and return the handles of its public and private half."""
        raw, count, _kept = lay_out(public)
        raw_private, count_private, _kept_private = lay_out(private)
        handle, handle_private = c_ulong(), c_ulong()
        self._do(
            "C_GenerateKeyPair",
            session,
            call.pointer,
            raw,
            count,
            raw_private,
            count_private,
            byref(handle),
            byref(handle_private),
        )
        return handle.value, handle_private.value

    def wrap_key(self, session: int, call: MechanismCall, wrapping: int, key: int) -> bytes:
        """Return the key `key` encrypted under the key `wrapping`."""
        return self._output("C_WrapKey", 8 * ROOM_BYTES, session, call.pointer, wrapping, key)

    def unwrap_key(
        self, session: int, call: MechanismCall, wrapping: int, wrapped: bytes, template: Template
    ) -> int:
        """Put a wrapped key onto the token with the attributes of `template`; return its handle."""
        raw, count, _kept = lay_out(template)
        handle = c_ulong()
        self._do(
            "C_UnwrapKey",
            session,
            call.pointer,
            wrapping,
            wrapped,
            len(wrapped),
            raw,
            count,
            byref(handle),
        )
        return handle.value

    def _output(self, function: str, most: int, *arguments: object) -> bytes:
        room, length = ctypes.create_string_buffer(most), c_ulong(most)
        self._do(function, *arguments, room, byref(length))
        return room.raw[: length.value]


def _text(padded: bytes) -> str:
    """Return a fixed-width text without its padding: blanks, or NULs where a token errs."""
    return padded.decode("utf-8", "replace").rstrip(" \x00")
