"""One token's sessions in this process: bounded, opened when needed, replaced when lost.

The order of events in `run` is the safety of the whole package: nothing waits longer than the
deadline, a session that failed is never used again, and a token that fails is left alone
for a while.
"""

import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import TypeVar

from core.errors import AntinError, SigningUnavailable
from hsm import modules
from hsm.breaker import Breaker
from hsm.codes import Rv
from hsm.cryptoki import CryptokiError
from hsm.session import Login, Session, TokenAway
from hsm.uri import KeyUri
from hsm.worker import TimeLimitPassed, Worker

T = TypeVar("T")

MOST_SESSIONS = 8
_REINITIALIZE_SECONDS = 2.0
# What the token answers to every try of the same act: neither a new session nor a pause helps.
_LASTING = frozenset({
    Rv.MECHANISM_INVALID, Rv.MECHANISM_PARAM_INVALID, Rv.KEY_FUNCTION_NOT_PERMITTED,
    Rv.KEY_SIZE_RANGE, Rv.KEY_TYPE_INCONSISTENT, Rv.DATA_INVALID, Rv.DATA_LEN_RANGE,
    Rv.ARGUMENTS_BAD, Rv.FUNCTION_NOT_SUPPORTED, Rv.TEMPLATE_INCOMPLETE, Rv.TEMPLATE_INCONSISTENT,
    Rv.ATTRIBUTE_TYPE_INVALID, Rv.ATTRIBUTE_VALUE_INVALID, Rv.ATTRIBUTE_READ_ONLY,
    Rv.KEY_UNEXTRACTABLE, Rv.KEY_NOT_WRAPPABLE, Rv.CURVE_NOT_SUPPORTED, Rv.DOMAIN_PARAMS_INVALID,
    Rv.SESSION_READ_ONLY, Rv.TOKEN_WRITE_PROTECTED, Rv.ENCRYPTED_DATA_INVALID,
    Rv.ENCRYPTED_DATA_LEN_RANGE, Rv.WRAPPED_KEY_INVALID, Rv.WRAPPED_KEY_LEN_RANGE,
    Rv.ACTION_PROHIBITED, Rv.SIGNATURE_INVALID,
})  # fmt: skip


class Pool:
    """The sessions with one token; `run` is called by any number of threads."""

    def __init__(self, place: KeyUri, *, size: int = MOST_SESSIONS) -> None:
        """Describe the pool; nothing is loaded or opened before the first `run`."""
        self.place = place
        self.name = place.token or place.serial or place.module_path.name
        self._size = size
        self._login = Login(place.pin_source)
        self._loaded: modules.LoadedModule | None = None
        self._reset()
        _pools.add(self)

    def _reset(self) -> None:
        """Begin empty: at first, and in a child of a process that had sessions."""
        self._room = threading.Semaphore(self._size)
        self._idle: list[Worker] = []
        self._login.lock = threading.Lock()
        self._again_at = 0.0
        self.breaker = Breaker()
        self.stuck = 0

    def run(self, act: Callable[[Session], T], deadline: float, *, doing: str) -> T:
        """Return what `act` gives on a session with the token, before `deadline`.

        `deadline` is in time.monotonic seconds; `doing` names the act in an error. Raises
        SigningUnavailable for everything that the token or its module does wrong.
        """
        self._login.prepare()
        if not self.breaker.admits(time.monotonic()):
            raise self._away(doing, "it failed a moment ago and is left alone for a while")
        if not self._room.acquire(timeout=max(0.0, deadline - time.monotonic())):
            self.breaker.renounced()
            raise self._away(doing, f"all {self._size} sessions stayed busy until the time limit")
        worker = None
        try:
            worker = self._idle.pop() if self._idle else self._new_worker()
            result = worker.ask(lambda session: self._attempt(session, act, deadline), deadline)
        except TimeLimitPassed:
            # The worker keeps its room in the pool until it returns: that bounds them.
            self.stuck += 1
            self.breaker.failed(time.monotonic())
            raise self._away(doing, "it did not answer within the time limit") from None
        except (TokenAway, CryptokiError) as error:
            self._give_back(worker)
            raise self._judge(error, doing) from None
        except BaseException as error:
            self._give_back(worker)
            if isinstance(error, SigningUnavailable):
                self.breaker.failed(time.monotonic())
            elif isinstance(error, AntinError):
                self.breaker.succeeded()
            else:
                self.breaker.renounced()
            raise
        self._give_back(worker)
        self.breaker.succeeded()
        return result

    def close(self) -> None:
        """Close every idle session; those in use close when they come back."""
        while self._idle:
            worker = self._idle.pop()
            try:
                worker.ask(self._close_session, time.monotonic() + 1.0)
                worker.dismiss()
            except TimeLimitPassed:
                continue

    def _new_worker(self) -> Worker:
        if self._loaded is None:
            self._loaded = modules.load(self.place.module_path, self.place.init_reserved)
        return Worker(Session(self._loaded, self.place, self._login), self._returned)

    def _give_back(self, worker: Worker | None) -> None:
        if worker is not None:
            self._idle.append(worker)
        self._room.release()

    def _returned(self, worker: Worker) -> None:
        """Take back a worker whose abandoned call returned after all; runs on its own thread."""
        worker.session.close()
        self.stuck -= 1
        self._room.release()

    def _attempt(self, session: Session, act: Callable[[Session], T], deadline: float) -> T:
        """Act on the session; when it was lost, on a new one; at last with the module anew."""
        try:
            return self._act(session, act, deadline)
        except CryptokiError as error:
            if error.rv in _LASTING:
                raise
        except TokenAway:
            pass
        session.close()
        try:
            return self._act(session, act, deadline)
        except CryptokiError as error:
            if error.rv in _LASTING or not self._may_reinitialize():
                raise
        except TokenAway:
            if not self._may_reinitialize():
                raise
        loaded = self._module()
        loaded.initialize_again(loaded.generation, deadline)
        return self._act(session, act, deadline)

    def _act(self, session: Session, act: Callable[[Session], T], deadline: float) -> T:
        with self._module().shared(deadline):
            try:
                session.ready()
                result = act(session)
            except CryptokiError:
                session.close()
                raise
            session.touched()
            return result

    def _module(self) -> modules.LoadedModule:
        if self._loaded is None:
            raise TokenAway
        return self._loaded

    def _may_reinitialize(self) -> bool:
        now = time.monotonic()
        if now < self._again_at:
            return False
        self._again_at = now + _REINITIALIZE_SECONDS
        return True

    def _close_session(self, session: Session) -> None:
        with self._module().shared(time.monotonic() + 1.0):
            session.close()

    def _judge(self, error: TokenAway | CryptokiError, doing: str) -> SigningUnavailable:
        if isinstance(error, CryptokiError) and error.rv in _LASTING:
            self.breaker.succeeded()
        else:
            self.breaker.failed(time.monotonic())
        if isinstance(error, TokenAway):
            return self._away(doing, f"no slot of {self.place.module_path} holds it")
        return self._away(doing, str(error))

    def _away(self, doing: str, because: str) -> SigningUnavailable:
        return SigningUnavailable(f"The token {self.name!r} cannot {doing}: {because}.")


def _after_fork() -> None:
    """Leave the parent's sessions to the parent: its worker threads do not exist here."""
    for pool in list(_pools):
        pool._reset()  # noqa: SLF001 - this module's own class


_pools: "weakref.WeakSet[Pool]" = weakref.WeakSet()
os.register_at_fork(after_in_child=_after_fork)
