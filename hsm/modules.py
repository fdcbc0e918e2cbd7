"""The PKCS#11 modules of this process: each loaded once, initialised after fork, initialised again.

A module is used by many threads at once (`shared`) or by one alone (`exclusively`: to initialise
it anew, which voids every handle). `generation` counts the initialisations: a handle is good only
in the generation it was made in. Nothing is initialised before its first use, so nothing is open
when a server forks; a child that finds a parent's module begins a new generation of its own.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import SigningUnavailable
from hsm.codes import Rv
from hsm.cryptoki import CryptokiError, Module

_WAIT_SECONDS = 10.0
_loaded: dict[str, "LoadedModule"] = {}


class LoadedModule:
    """One module of this process with the gate before it; use `load` to get it."""

    def __init__(self, path: Path, reserved: str | None) -> None:
        """Load the library; it is initialised when it is first used."""
        self.module = Module(path)
        self.reserved = reserved
        self.generation = 0
        self.locks_itself = True
        self._process: int | None = None
        self._reset_gate()

    def _reset_gate(self) -> None:
        self._gate = threading.Condition(threading.Lock())
        self._alone = threading.RLock()
        self._inside = 0
        self._closed = False

    @contextmanager
    def shared(self, deadline: float) -> Iterator[Module]:
        """Lend the module to one of many threads.

        When the module has no locks of its own, one thread at a time is let in. Raises
        SigningUnavailable when `deadline` (time.monotonic seconds) passes before that.
        """
        self._enter(deadline)
        try:
            yield self.module
        finally:
            self._leave()

    @contextmanager
    def exclusively(self, deadline: float | None = None) -> Iterator[Module]:
        """Lend the module to this thread alone, initialised."""
        limit = time.monotonic() + _WAIT_SECONDS if deadline is None else deadline
        self._close_gate(limit)
        try:
            if self._process != os.getpid():
                self._initialize()
            yield self.module
        finally:
            self._open_gate()

    def initialize_again(self, generation: int, deadline: float) -> None:
        """Finalise and initialise the module, unless that happened since `generation`."""
        with self.exclusively(deadline):
            if self.generation == generation:
                with suppress(CryptokiError):
                    self.module.finalize()
                self._initialize()

    def _enter(self, deadline: float) -> None:
        if self._process != os.getpid():
            with self.exclusively(deadline):
                pass
        with self._gate:
            while self._closed or (self._inside and not self.locks_itself):
                if not self._gate.wait(deadline - time.monotonic()):
                    raise _busy(self.module.path)
            self._inside += 1

    def _leave(self) -> None:
        with self._gate:
            self._inside -= 1
            if self._closed or not self.locks_itself:
                self._gate.notify_all()

    def _close_gate(self, deadline: float) -> None:
        with self._gate:
            while self._closed:
                if not self._gate.wait(deadline - time.monotonic()):
                    raise _busy(self.module.path)
            self._closed = True
            while self._inside:
                if not self._gate.wait(deadline - time.monotonic()):
                    self._closed = False
                    self._gate.notify_all()
                    raise _busy(self.module.path)

    def _open_gate(self) -> None:
        with self._gate:
            self._closed = False
            self._gate.notify_all()

    def _initialize(self) -> None:
        """Initialise in this process (PKCS#11 5.4): with OS locking, or else one call at a time."""
        self._process = None
        try:
            self._call_initialize(locking=True)
            self.locks_itself = True
        except CryptokiError as error:
            if error.rv not in (Rv.CANT_LOCK, Rv.ARGUMENTS_BAD, Rv.NEED_TO_CREATE_THREADS):
                raise
            self._call_initialize(locking=False)
            self.locks_itself = False
        self.generation += 1
        self._process = os.getpid()

    def _call_initialize(self, *, locking: bool) -> None:
        try:
            self.module.initialize(locking=locking, reserved=self.reserved)
        except CryptokiError as error:
            if error.rv != Rv.CRYPTOKI_ALREADY_INITIALIZED:
                raise
            # A child of a process that used the module, or another library of this process did.
            self.module.finalize()
            self.module.initialize(locking=locking, reserved=self.reserved)


def load(path: Path, reserved: str | None = None) -> LoadedModule:
    """Return this process's module at `path`, loading it when it is the first time."""
    key = str(path.resolve())
    with _lock:
        if key not in _loaded:
            _loaded[key] = LoadedModule(path, reserved)
        return _loaded[key]


def is_loaded(path: Path) -> bool:
    """Whether the module at `path` is loaded in this process."""
    return str(path.resolve()) in _loaded


def _busy(path: Path) -> SigningUnavailable:
    return SigningUnavailable(f"The PKCS#11 module {path} did not become free in time.")


def _after_fork() -> None:
    """Forget in a child which threads were inside: they exist in the parent only."""
    global _lock  # noqa: PLW0603 - a lock that another thread of the parent held stays locked
    _lock = threading.Lock()
    for loaded in _loaded.values():
        loaded._reset_gate()  # noqa: SLF001 - the module's own class


_lock = threading.Lock()
os.register_at_fork(after_in_child=_after_fork)
