"""One session with one token: found, opened and logged in when first used, and again when lost.

A session belongs to one worker thread. Its handles are good in one generation of the module only.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from core.errors import Conflict
from hsm.codes import Rv, TokenFlag
from hsm.cryptoki import CryptokiError, Module, Token
from hsm.layout import Room
from hsm.login import Login
from hsm.modules import LoadedModule
from hsm.turns import turn
from hsm.uri import KeyUri

_IDLE_SECONDS = 30.0


class TokenAway(Exception):  # noqa: N818 - a state of the world, caught in this package
    """No slot holds the wanted token now."""


class Session:
    """A session that opens itself; used by its worker's thread alone.

    `bound` is room for what was found with this session's handles: it is emptied with them.
    `healthy` says whether the token let itself be opened and logged into at the last try.
    """

    def __init__(self, loaded: LoadedModule, place: KeyUri, login: Login) -> None:
        """Describe the session; nothing is opened yet. `place` names the token."""
        self.name = place.token or place.serial or place.module_path.stem
        self.loaded, self.module = loaded, loaded.module
        self.bound: dict[object, object] = {}
        self.room = Room()
        self.inside = self.healthy = False
        self.token: Token | None = None
        self.mechanisms: frozenset[int] = frozenset()
        self._place, self._login = place, login
        self._handle: int | None = None
        self._generation = 0
        self._used = 0.0
        loaded.visitors.add(self)

    @property
    def handle(self) -> int:
        """The handle of the open session."""
        if self._handle is None:
            raise CryptokiError("C_OpenSession", Rv.SESSION_HANDLE_INVALID)
        return self._handle

    def ready(self, now: float, deadline: float) -> None:
        """Open the session if it is not, or was lost; called inside the module's gate.

        `now` and `deadline` are in time.monotonic seconds. A session that rested is looked at
        before it is relied on: network HSMs drop those.
        """
        if self._handle is not None and self._generation == self.loaded.generation:
            if now - self._used < _IDLE_SECONDS:
                self._used = now
                return
            with suppress(CryptokiError):
                self.module.session_state(self._handle)
                self._used = now
                return
        self.close()
        self._open(deadline)
        self._used = now

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
            self._handle = reading
            with suppress(CryptokiError):
                self.module.close_session(writing)

    def close(self) -> None:
        """Close the session if the module still knows it; never logs the application out."""
        handle, self._handle = self._handle, None
        self.bound.clear()
        self.loaded.opened.discard(self)
        if handle is not None and self._generation == self.loaded.generation:
            with suppress(CryptokiError):
                self.module.close_session(handle)

    def _open(self, deadline: float) -> None:
        with turn(deadline):
            self._open_and_log_in(deadline)

    def _open_and_log_in(self, deadline: float) -> None:
        module = self.module
        token = find_token(module, self._place)
        handle = module.open_session(token.slot)
        try:
            self._login.perform(module, handle, token, deadline)
            self.mechanisms = module.mechanisms(token.slot)
        except BaseException:
            with suppress(CryptokiError):
                module.close_session(handle)
            raise
        self.token, self._handle, self._generation = token, handle, self.loaded.generation
        self.loaded.opened.add(self)


def find_token(module: Module, place: KeyUri) -> Token:
    """Return the one token that `place` describes; raises TokenAway or Conflict."""
    found: list[Token] = []
    for slot in module.slots():
        # A slot that answers with an error is another token's trouble.
        with suppress(CryptokiError):
            token = module.token(slot)
            if _matches(token, place):
                found.append(token)
    ready = [token for token in found if token.flags & TokenFlag.TOKEN_INITIALIZED] or found
    if len(ready) > 1:
        raise Conflict(
            f"{len(ready)} tokens of {place.module_path} match {place.token!r}; add serial= to the "
            "URI, with the serial of the token that you mean."
        )
    if not ready:
        raise TokenAway
    return ready[0]


def _matches(token: Token, place: KeyUri) -> bool:
    wanted: tuple[tuple[object, object], ...] = (
        (place.token, token.label),
        (place.serial, token.serial),
        (place.manufacturer, token.manufacturer),
        (place.model, token.model),
        (place.slot_id, token.slot),
    )
    return all(want is None or want == has for want, has in wanted)
