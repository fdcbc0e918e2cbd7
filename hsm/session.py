"""One session with one token: found, opened and logged in when first used, and again when lost.

A session belongs to one worker thread. Its handles are good in one generation of the module only.
"""

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from core.errors import Conflict, Invalid, SigningUnavailable
from hsm import pin
from hsm.codes import Rv, TokenFlag
from hsm.cryptoki import USER, CryptokiError, Module, Token
from hsm.modules import LoadedModule
from hsm.uri import KeyUri

_IDLE_SECONDS = 30.0
_LOGGED_IN = (1, 3)
_REFUSED_PINS = frozenset({
    Rv.PIN_INCORRECT, Rv.PIN_INVALID, Rv.PIN_LEN_RANGE, Rv.PIN_EXPIRED, Rv.PIN_LOCKED,
    Rv.USER_PIN_NOT_INITIALIZED,
})  # fmt: skip


class TokenAway(Exception):  # noqa: N818 - a state of the world, caught in this package
    """No slot holds the wanted token now."""


@dataclass(slots=True)
class Login:
    """How a token is logged into: shared by all sessions of one pool.

    A PIN that the token refused is not offered again: three or ten tries lock a real token. Only
    a keyed digest of it is kept, to see when the source gives another one.
    """

    source: str | None
    lock: threading.Lock = field(default_factory=threading.Lock)
    asked: pin.Pin | None = None
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _refused: bytes | None = None
    _because: str = ""

    def prepare(self) -> None:
        """Ask at the terminal, once, if that is the source: outside of any time limit."""
        if self.source == "prompt:" and self.asked is None:
            self.asked = pin.read(self.source)

    def perform(self, module: Module, session: int, token: Token) -> None:
        """Log in unless the application is; raises CryptokiError or SigningUnavailable."""
        if not token.flags & TokenFlag.LOGIN_REQUIRED and self.source is None:
            return
        with self.lock:
            if module.session_state(session) in _LOGGED_IN:
                return
            if self.source is None:
                if not token.flags & TokenFlag.PROTECTED_AUTHENTICATION_PATH:
                    raise Invalid(
                        f"The token {token.label!r} wants a PIN, but the key's URI has no "
                        "pin-source; add pin-source=file:PATH to it."
                    )
                self._offer(module, session, token, None)
            elif self.asked is not None:
                self._offer(module, session, token, self.asked)
            else:
                with pin.read(self.source) as read:
                    self._offer(module, session, token, read)

    def _offer(self, module: Module, session: int, token: Token, secret: pin.Pin | None) -> None:
        buffer = None if secret is None else secret.buffer
        digest = None if buffer is None else hashlib.blake2b(buffer, key=self._key).digest()
        if digest is not None and digest == self._refused:
            raise SigningUnavailable(self._because)
        try:
            module.login(session, USER, buffer)
        except CryptokiError as error:
            if error.rv == Rv.USER_ALREADY_LOGGED_IN:
                return
            if error.rv in _REFUSED_PINS:
                self._refused = digest
                self._because = (
                    f"The token {token.label!r} refused the PIN from "
                    f"{self.source or 'its own PIN pad'} ({error}); it is not tried again until "
                    "the source holds another one."
                )
                raise SigningUnavailable(self._because) from None
            raise


class Session:
    """A session that opens itself; used by its worker's thread alone."""

    def __init__(self, loaded: LoadedModule, place: KeyUri, login: Login) -> None:
        """Describe the session; nothing is opened yet. `place` names the token."""
        self.name = place.token or place.serial or place.module_path.stem
        self.module = loaded.module
        self.bound: dict[object, object] = {}
        self._loaded, self._place, self._login = loaded, place, login
        self._handle: int | None = None
        self._generation = 0
        self._used = 0.0
        self.token: Token | None = None
        self.mechanisms: frozenset[int] = frozenset()

    @property
    def handle(self) -> int:
        """The handle of the open session."""
        if self._handle is None:
            raise CryptokiError("C_OpenSession", Rv.SESSION_HANDLE_INVALID)
        return self._handle

    def ready(self) -> None:
        """Open the session if it is not, or was lost; called inside the module's gate."""
        if self._handle is not None and self._generation == self._loaded.generation:
            if time.monotonic() - self._used < _IDLE_SECONDS:
                return
            # Network HSMs drop sessions that rest: look before we rely on one.
            with suppress(CryptokiError):
                self.module.session_state(self._handle)
                self._used = time.monotonic()
                return
        self.close()
        self._open()
        self._used = time.monotonic()

    def touched(self) -> None:
        """Note that the session just did its work."""
        self._used = time.monotonic()

    @contextmanager
    def writable(self) -> Iterator[None]:
        """Let the acts of a block change what is on the token, in a session of their own."""
        reading, token = self.handle, self.token
        if token is None:
            raise CryptokiError("C_OpenSession", Rv.SESSION_HANDLE_INVALID)
        writing = self.module.open_session(token.slot, writable=True)
        self._handle = writing
        try:
            yield
        finally:
            if self._handle == writing:
                self._handle = reading
            with suppress(CryptokiError):
                self.module.close_session(writing)

    def close(self) -> None:
        """Close the session if the module still knows it; never logs the application out."""
        handle, self._handle = self._handle, None
        self.bound.clear()
        if handle is not None and self._generation == self._loaded.generation:
            with suppress(CryptokiError):
                self.module.close_session(handle)

    def _open(self) -> None:
        module = self.module
        token = find_token(module, self._place)
        handle = module.open_session(token.slot)
        try:
            self._login.perform(module, handle, token)
            self.mechanisms = module.mechanisms(token.slot)
        except BaseException:
            with suppress(CryptokiError):
                module.close_session(handle)
            raise
        self.token, self._handle, self._generation = token, handle, self._loaded.generation


def find_token(module: Module, place: KeyUri) -> Token:
    """Return the one token that `place` describes; raises TokenAway or Conflict."""
    found: list[Token] = []
    for slot in module.slots():
        # A slot that answers with an error is another token's trouble.
        with suppress(CryptokiError):
            token = module.token(slot)
            if token.flags & TokenFlag.TOKEN_INITIALIZED and _matches(token, place):
                found.append(token)
    if len(found) > 1:
        raise Conflict(
            f"{len(found)} tokens of {place.module_path} match {place.token!r}; add serial= to the "
            "URI, with the serial of the token that you mean."
        )
    if not found:
        raise TokenAway
    return found[0]


def _matches(token: Token, place: KeyUri) -> bool:
    wanted: tuple[tuple[object, object], ...] = (
        (place.token, token.label),
        (place.serial, token.serial),
        (place.manufacturer, token.manufacturer),
        (place.model, token.model),
        (place.slot_id, token.slot),
    )
    return all(want is None or want == has for want, has in wanted)


Act = Callable[[Session], object]
