"""How a token is logged into: once for all sessions of a process (PKCS#11 5.6, C_Login).

A PIN that the token refused is not offered again: three or ten tries lock a real token. Only a
keyed digest of it is kept, to see when its source gives another one.
"""

import hashlib
import secrets
import threading
import time

from core.errors import Invalid, SigningUnavailable
from hsm import pin
from hsm.codes import Rv, TokenFlag
from hsm.cryptoki import USER, CryptokiError, Module, Token

_LOGGED_IN = (1, 3)
_REFUSALS = frozenset(
    {Rv.PIN_INCORRECT, Rv.PIN_INVALID, Rv.PIN_LEN_RANGE, Rv.PIN_EXPIRED, Rv.PIN_LOCKED}
)


class Login:
    """One token's login, shared by all its sessions in this process."""

    def __init__(self, source: str | None) -> None:
        """Keep the pin-source of the key's URI; None is for tokens with no PIN or a PIN pad."""
        self.source = source
        self._asked: pin.Pin | None = None
        self._key = secrets.token_bytes(32)
        self._refused: bytes | None = None
        self._because = ""
        self.after_fork()

    def after_fork(self) -> None:
        """Take a lock of our own in a child; what was asked at the terminal stays known."""
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Ask at the terminal, once, if that is the source: outside of any time limit."""
        if self.source == "prompt:" and self._asked is None:
            self._asked = pin.read(self.source)

    def perform(self, module: Module, session: int, token: Token, deadline: float) -> None:
        """Log in unless the application is; raises CryptokiError, Invalid, SigningUnavailable."""
        if not token.flags & TokenFlag.LOGIN_REQUIRED and self.source is None:
            return
        if not self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise SigningUnavailable(f"The token {token.label!r} is still being logged into.")
        try:
            if module.session_state(session) not in _LOGGED_IN:
                self._log_in(module, session, token)
        finally:
            self._lock.release()

    def _log_in(self, module: Module, session: int, token: Token) -> None:
        if self.source is None:
            if not token.flags & TokenFlag.PROTECTED_AUTHENTICATION_PATH:
                raise Invalid(
                    f"The token {token.label!r} wants a PIN, but the key's URI has no pin-source; "
                    "add pin-source=file:PATH to it."
                )
            self._offer(module, session, token, None)
        elif self._asked is not None:
            self._offer(module, session, token, self._asked)
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
            if error.rv not in _REFUSALS:
                raise
            self._refused = digest
            self._because = (
                f"The token {token.label!r} refused the PIN from "
                f"{self.source or 'its own PIN pad'} ({error}); it is not tried again until the "
                "source holds another one."
            )
            raise SigningUnavailable(self._because) from None
