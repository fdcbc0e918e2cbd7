"""The PKCS#11 modules of this process: each loaded once, initialised after fork, initialised again.

A module is used by many sessions at once (`enter`, `leave`) or by one thread alone (`exclusively`:
to initialise it anew, which voids every handle). `generation` counts the initialisations: a handle
is good only in the generation it was made in. Nothing is initialised before its first use, so
nothing is open when a server forks; a child of a process that used a module begins anew.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from core.errors import Invalid, SigningUnavailable
from hsm.codes import Rv
from hsm.cryptoki import CryptokiError, Module
from hsm.turns import turn

_WAIT_SECONDS = 10.0
_FORK_SECONDS = 1.0
# A module without locks answers so (PKCS#11 5.4); some old ones do not know the arguments at all.
_NO_LOCKS = frozenset({Rv.CANT_LOCK, Rv.NEED_TO_CREATE_THREADS, Rv.ARGUMENTS_BAD})


class Visitor(Protocol):
    """Who goes in and out: a session. `inside` is true while a call of it may be running."""

    inside: bool


class LoadedModule:
    """One module of this process with the gate before it; use `load` to get it."""

    def __init__(self, path: Path, reserved: str | None) -> None:
        """Load the library; it is initialised when it is first used."""
        self.module = Module(path)
        self.reserved = reserved
        self.generation = 0
        self.locks_itself = True
        self.visitors: set[Visitor] = set()
        self.opened: set[object] = set()
        self._inherited = False
        self._reset()

    def _reset(self) -> None:
        self._gate = threading.Condition(threading.Lock())
        self._initialized = self._alone = self._occupied = False
        # True while anyone may walk in; looked at without the lock, after setting `inside`.
        self._open = False
        # The thread that keeps the others out while it forks.
        self._forking: int | None = None

    def enter(self, visitor: Visitor, deadline: float) -> None:
        """Let a session in; one at a time when the module has no locks of its own.

        Raises SigningUnavailable when `deadline` (time.monotonic seconds) passes before that.
        """
        visitor.inside = True
        if not self._open:
            visitor.inside = False
            self._enter_slowly(visitor, deadline)

    def leave(self, visitor: Visitor) -> None:
        """Let a session out."""
        visitor.inside = False
        if not self._open:
            with self._gate:
                self._occupied = False
                self._gate.notify_all()

    @contextmanager
    def exclusively(self, deadline: float | None = None) -> Iterator[Module]:
        """Lend the module to this thread alone, initialised."""
        limit = time.monotonic() + _WAIT_SECONDS if deadline is None else deadline
        self._close_gate(limit)
        try:
            if not self._initialized:
                self._initialize()
            yield self.module
        finally:
            self._open_gate()

    def initialize_again(self, generation: int, deadline: float) -> None:
        """Finalise and initialise the module, unless that happened since `generation`."""
        with self.exclusively(deadline):
            if self.generation == generation:
                self._finalize()
                self._initialize()

    def rest(self) -> bool:
        """Finalise the module if no session is open; say whether it is finalised now.

        The next use initialises it, and it reads its configuration again.
        """
        if not self._initialized:
            return True
        with self.exclusively():
            if not self.opened:
                self._finalize()
            return not self._initialized

    def _enter_slowly(self, visitor: Visitor, deadline: float) -> None:
        while True:
            with self._gate:
                while self._alone or self._occupied:
                    self._wait(deadline)
                if self._initialized:
                    self._occupied = not self.locks_itself
                    visitor.inside = True
                    return
            with self.exclusively(deadline):
                pass

    def _close_gate(self, deadline: float) -> None:
        with self._gate:
            while self._alone:
                self._wait(deadline)
            self._alone, self._open = True, False
            try:
                while self._occupied or any(visitor.inside for visitor in list(self.visitors)):
                    self._wait(deadline)
            except SigningUnavailable:
                self._alone, self._open = False, self._initialized and self.locks_itself
                self._gate.notify_all()
                raise

    def _open_gate(self) -> None:
        with self._gate:
            self._alone, self._open = False, self._initialized and self.locks_itself
            self._gate.notify_all()

    def _wait(self, deadline: float) -> None:
        if not self._gate.wait(deadline - time.monotonic()):
            raise SigningUnavailable(
                f"The PKCS#11 module {self.module.path} did not become free in time."
            )

    def _finalize(self) -> None:
        self._initialized = False
        self.opened.clear()
        with suppress(CryptokiError):
            self.module.finalize()

    def _initialize(self) -> None:
        """Initialise in this process (PKCS#11 5.4): with OS locking, or else one call at a time."""
        with turn(time.monotonic() + _WAIT_SECONDS):
            self._initialize_in_turn()

    def _initialize_in_turn(self) -> None:
        try:
            self.locks_itself = self._call_initialize(locking=True)
        except CryptokiError as error:
            if error.rv not in _NO_LOCKS:
                raise
            self._call_initialize(locking=False)
            self.locks_itself = False
        self._initialized, self._inherited = True, False
        self.generation += 1

    def _call_initialize(self, *, locking: bool) -> bool:
        """Call C_Initialize and return whether the module locks for itself."""
        try:
            self.module.initialize(locking=locking, reserved=self.reserved)
        except CryptokiError as error:
            if error.rv != Rv.CRYPTOKI_ALREADY_INITIALIZED:
                raise
            if not self._inherited:
                # Another library of this process did it: who knows whether with locks.
                return False
            # The module did not notice that it is in a child process now.
            self.module.finalize()
            self.module.initialize(locking=locking, reserved=self.reserved)
        return locking

    def before_fork(self) -> None:
        """Keep all threads out: a lock that one held inside would stay locked in the child.

        A call that hangs is not waited for: the child may then have to do without the module.
        """
        with suppress(SigningUnavailable):
            self._close_gate(time.monotonic() + _FORK_SECONDS)
            self._forking = threading.get_ident()

    def after_fork_in_parent(self) -> None:
        """Let the threads in again."""
        if self._forking == threading.get_ident():
            self._forking = None
            self._open_gate()

    def after_fork(self) -> None:
        """Begin anew in a child: its threads, sessions and handles are the parent's."""
        self._inherited = self._inherited or self._initialized
        self.visitors.clear()
        self.opened.clear()
        self._reset()


def load(path: Path, reserved: str | None = None) -> LoadedModule:
    """Return this process's module at `path`, loading it when it is the first time.

    Raises Invalid when it is loaded already with another text for C_Initialize.
    """
    key = str(path.resolve())
    with _lock:
        if key not in _loaded:
            _loaded[key] = LoadedModule(path, reserved)
        loaded = _loaded[key]
    if loaded.reserved != reserved:
        raise Invalid(
            f"The PKCS#11 module {path} is used with two values of x-init-reserved; it is "
            "initialised once in a process. Give every URI of it the same value."
        )
    return loaded


def loaded_already(path: Path) -> LoadedModule | None:
    """Return this process's module at `path` if it is loaded."""
    return _loaded.get(str(path.resolve()))


def _before_fork() -> None:
    for loaded in list(_loaded.values()):
        loaded.before_fork()


def _after_fork_in_parent() -> None:
    for loaded in list(_loaded.values()):
        loaded.after_fork_in_parent()


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - a lock that another thread of the parent held stays locked
    _lock = threading.Lock()
    for loaded in _loaded.values():
        loaded.after_fork()


_loaded: dict[str, LoadedModule] = {}
_lock = threading.Lock()
os.register_at_fork(
    before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork
)
