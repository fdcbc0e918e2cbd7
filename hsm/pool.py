"""One token's sessions in this process: bounded, opened when needed, replaced when lost.

The order of events in `run` is the safety of the whole package: nothing waits longer than the
deadline, a session that failed is never used again, and a token that fails is left alone for a
while. A worker that hangs in the module gives its seat to another; `MOST_STUCK` bounds them.
"""

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import TypeVar

from core.errors import AntinError, SigningUnavailable, Unavailable
from hsm import modules
from hsm.breaker import Breaker, BreakerState
from hsm.codes import Rv
from hsm.cryptoki import CryptokiError
from hsm.login import Login
from hsm.seats import NoSeat, Seats
from hsm.session import Session, TokenAway
from hsm.uri import KeyUri
from hsm.worker import TimeLimitPassed, Worker

T = TypeVar("T")

MOST_SESSIONS = 8
MOST_STUCK = 64
_FIRST_REINITIALIZE_SECONDS = 1.0
_LONGEST_REINITIALIZE_SECONDS = 60.0
_CLOSE_SECONDS = 1.0
_PAUSES_SECONDS = (0.02, 0.05, 0.1)
# What the token answers to every try of the same act: neither a new session nor a pause helps.
_LASTING = frozenset({
    Rv.MECHANISM_INVALID, Rv.MECHANISM_PARAM_INVALID, Rv.KEY_FUNCTION_NOT_PERMITTED,
    Rv.KEY_SIZE_RANGE, Rv.KEY_TYPE_INCONSISTENT, Rv.DATA_INVALID, Rv.DATA_LEN_RANGE,
    Rv.ARGUMENTS_BAD, Rv.FUNCTION_NOT_SUPPORTED, Rv.TEMPLATE_INCOMPLETE, Rv.TEMPLATE_INCONSISTENT,
    Rv.ATTRIBUTE_TYPE_INVALID, Rv.ATTRIBUTE_VALUE_INVALID, Rv.ATTRIBUTE_READ_ONLY,
    Rv.KEY_UNEXTRACTABLE, Rv.KEY_NOT_WRAPPABLE, Rv.CURVE_NOT_SUPPORTED, Rv.DOMAIN_PARAMS_INVALID,
    Rv.SESSION_READ_ONLY, Rv.TOKEN_WRITE_PROTECTED, Rv.ENCRYPTED_DATA_INVALID,
    Rv.ENCRYPTED_DATA_LEN_RANGE, Rv.WRAPPED_KEY_INVALID, Rv.WRAPPED_KEY_LEN_RANGE,
    Rv.ACTION_PROHIBITED, Rv.SIGNATURE_INVALID, Rv.SESSION_COUNT,
})  # fmt: skip

_log = logging.getLogger(__name__)


class Pool:
    """The sessions with one token; `run` is called by any number of threads."""

    def __init__(self, place: KeyUri, *, size: int = MOST_SESSIONS) -> None:
        """Describe the pool; nothing is loaded or opened before the first `run`."""
        self.place = place
        self.name = place.token or place.serial or place.module_path.name
        self._size = size
        self._login = Login(place.pin_source)
        self._loaded: modules.LoadedModule | None = None
        self._begin()
        _pools.add(self)

    def _begin(self) -> None:
        """Begin empty: at first, and in a child of a process that had sessions."""
        self._seats = Seats(self._size)
        self._count = threading.Lock()
        self._last = ""
        self._served = False
        self.stuck = 0
        self._again_at = 0.0
        self._again_pause = _FIRST_REINITIALIZE_SECONDS
        self.breaker = Breaker()

    def run(
        self,
        act: Callable[[Session], T],
        deadline: float,
        doing: Callable[[], str],
        *,
        repeat: bool = True,
        brief: bool = True,
    ) -> T:
        """Return what `act` gives on a session with the token, before `deadline`.

        `deadline` is in time.monotonic seconds; `doing` names the act in an error. An act that
        must not be done twice is not repeated on a new session unless `repeat`; one that makes
        many calls is not `brief`. Raises SigningUnavailable for everything that the token or its
        module does wrong.
        """
        self._login.prepare()
        if not self.breaker.admits():
            raise self._away(doing, f"it is left alone for a while since this: {self._last}")
        while True:
            worker = self._take(deadline, doing)
            try:
                result = worker.ask(
                    lambda session: self._attempt(session, act, deadline, repeat=repeat),
                    deadline,
                    brief=brief,
                )
            except BaseException as error:
                if _is_full(error) and self._seats.shrink():
                    self._dismiss(worker)
                    continue
                told = self._settle(worker, error, doing)
                if told is error:
                    raise
                raise told from None
            self._seats.give_back(worker)
            self.breaker.succeeded()
            self._again_pause = _FIRST_REINITIALIZE_SECONDS
            self._served = True
            return result

    def close(self) -> None:
        """Close every idle session; those in use close when they come back."""
        while self._seats.idle:
            worker = self._seats.idle.pop()
            try:
                worker.ask(self._close_session, time.monotonic() + _CLOSE_SECONDS)
            except TimeLimitPassed:
                self._leave_behind()
                continue
            self._dismiss(worker)

    # Workers

    def _take(self, deadline: float, doing: Callable[[], str]) -> Worker:
        try:
            worker = self._seats.take(deadline, lambda: self.breaker.state is BreakerState.OPEN)
        except NoSeat:
            self.breaker.renounced()
            raise self._away(
                doing, "all its sessions stayed busy, or it failed meanwhile"
            ) from None
        return worker or self._new_worker()

    def _new_worker(self) -> Worker:
        try:
            if self._loaded is None:
                path, reserved = self.place.module_path, self.place.init_reserved
                self._loaded = modules.load(path, reserved)
            return Worker(Session(self._loaded, self.place, self._login), self._returned)
        except BaseException:
            self._seats.free()
            self.breaker.renounced()
            raise

    def _dismiss(self, worker: Worker) -> None:
        worker.session.loaded.visitors.discard(worker.session)
        worker.dismiss()
        self._seats.free()

    def _leave_behind(self) -> None:
        with self._count:
            self.stuck += 1
            stuck = self.stuck
        self._seats.free()
        _log.error("The token %r does not answer: %d calls hang in its module.", self.name, stuck)

    def _returned(self, worker: Worker) -> None:
        """Dismiss a worker whose abandoned call came back after all; runs on its own thread."""
        worker.session.close()
        worker.session.loaded.visitors.discard(worker.session)
        worker.dismiss()
        with self._count:
            self.stuck -= 1
        if self.stuck < MOST_STUCK:
            self.breaker.unlock()
        _log.warning("A call to the token %r came back after its time limit.", self.name)

    # On the worker's thread

    def _attempt(
        self, session: Session, act: Callable[[Session], T], deadline: float, *, repeat: bool
    ) -> T:
        """Act on the session; when it was lost, on a new one; at last with the module anew."""
        try:
            return self._act(session, act, deadline)
        except (CryptokiError, TokenAway) as error:
            if _lasts(error) or not repeat:
                raise
        try:
            return self._act(session, act, deadline)
        except (CryptokiError, TokenAway) as error:
            if _lasts(error) or not self._may_reinitialize():
                raise
            level = logging.WARNING if self._served else logging.INFO
            _log.log(
                level, "The module of the token %r begins anew: %s.", self.name, self._told(error)
            )
        return self._begin_anew(session, act, deadline)

    def _begin_anew(self, session: Session, act: Callable[[Session], T], deadline: float) -> T:
        """Initialise the module again and act; look more than once for a token that is not there.

        SoftHSM writes a token's file anew when any process logs into it, and one that reads it in
        that moment finds no token: processes that start together would stumble over each other.
        """
        loaded = session.loaded
        for pause in _PAUSES_SECONDS:
            loaded.initialize_again(loaded.generation, deadline)
            try:
                return self._act(session, act, deadline)
            except TokenAway:
                # Others of this process are at work with the module: leave them in peace.
                if loaded.opened or time.monotonic() + pause > deadline:
                    raise
                time.sleep(pause)
        loaded.initialize_again(loaded.generation, deadline)
        return self._act(session, act, deadline)

    def _act(self, session: Session, act: Callable[[Session], T], deadline: float) -> T:
        loaded = session.loaded
        loaded.enter(session, deadline)
        try:
            session.healthy = False
            session.ready(time.monotonic(), deadline)
            session.healthy = True
            return act(session)
        except CryptokiError:
            session.close()
            raise
        finally:
            loaded.leave(session)

    def _may_reinitialize(self) -> bool:
        """Whether to finalise the module: ever more seldom while that does not help.

        The other tokens of the module lose their sessions by it, and open new ones.
        """
        now = time.monotonic()
        if now < self._again_at:
            return False
        self._again_at = now + self._again_pause
        self._again_pause = min(self._again_pause * 2, _LONGEST_REINITIALIZE_SECONDS)
        return True

    def _close_session(self, session: Session) -> None:
        session.loaded.enter(session, time.monotonic() + _CLOSE_SECONDS)
        try:
            session.close()
        finally:
            session.loaded.leave(session)

    # Errors

    def _settle(
        self, worker: Worker, error: BaseException, doing: Callable[[], str]
    ) -> BaseException:
        """Put the worker where it belongs, tell the breaker, and return what the caller sees."""
        if worker.abandoned:
            self._leave_behind()
        else:
            self._seats.give_back(worker)
        told = self._told(error)
        # A session could be opened: then it is this key or act that fails, not the token.
        if isinstance(error, TimeLimitPassed):
            self._failed(told, hung=True)
        elif worker.session.healthy and isinstance(error, (AntinError, CryptokiError)):
            self.breaker.succeeded()
        elif isinstance(error, (TokenAway, CryptokiError, Unavailable)):
            self._failed(told)
        else:
            self.breaker.renounced()
        return error if isinstance(error, AntinError) or not told else self._away(doing, told)

    def _told(self, error: BaseException) -> str:
        """Return what the error says in words that follow "because"; nothing for a bug."""
        if isinstance(error, TimeLimitPassed):
            return "it did not answer within the time limit"
        if isinstance(error, TokenAway):
            return f"no slot of {self.place.module_path} held it"
        return str(error) if isinstance(error, (CryptokiError, Unavailable)) else ""

    def _failed(self, told: str, *, hung: bool = False) -> None:
        self._last = told.removesuffix(".")
        self.breaker.failed(locked=hung and self.stuck >= MOST_STUCK)
        self._seats.wake()

    def _away(self, doing: Callable[[], str], because: str) -> SigningUnavailable:
        return SigningUnavailable(f"The token {self.name!r} cannot {doing()}: {because}.")

    def after_fork(self) -> None:
        """Leave the parent's sessions to the parent: its worker threads do not exist here."""
        self._login.after_fork()
        self._begin()


def _lasts(error: Exception) -> bool:
    return isinstance(error, CryptokiError) and error.rv in _LASTING


def _is_full(error: BaseException) -> bool:
    return isinstance(error, CryptokiError) and error.rv == Rv.SESSION_COUNT


def _after_fork() -> None:
    for pool in list(_pools):
        pool.after_fork()


_pools: "weakref.WeakSet[Pool]" = weakref.WeakSet()
os.register_at_fork(after_in_child=_after_fork)
