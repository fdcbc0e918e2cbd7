"""A process of its own that signs: it has the keys and nothing else, and is asked through a pipe.

Threads that sign share one interpreter with those that do the rest, and each signature costs both
sides a wait for it. Here the other process has an interpreter to itself; and who asks needs no PIN
and opens no token.

One question is answered by one answer, which is a list of octets or the error to be raised:

    (role, expected public key in DER or None)   the public key in DER
    (role, scheme, messages)                     the signatures of the first of them, one or more
"""

import multiprocessing
import os
import signal
import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from core.errors import AntinError, SigningUnavailable
from hsm import mechanisms
from hsm.keyring import TIME_LIMIT_SECONDS, Keyring
from hsm.keys import PrivateKey, private_key
from hsm.mechanisms import Message, PublicKey, Scheme

# The keyring's own time limit comes first: these are for a process that does not run any more.
_PATIENCE_SECONDS = 2.0
_START_SECONDS = 30.0


class Signer:
    """The other process. Asked by any number of threads, of which each waits for its turn."""

    def __init__(
        self,
        roles: Mapping[str, Sequence[str]],
        *,
        time_limit_seconds: float = TIME_LIMIT_SECONDS,
    ) -> None:
        """Name the keys by role and URIs, as `Keyring`; the first question starts the process."""
        self._roles = {role: list(each) for role, each in roles.items()}
        self._limit = time_limit_seconds
        self._begin()
        _signers.add(self)

    def _begin(self) -> None:
        """Begin without a process: at first, and in a child of a process that had one."""
        self._turn = threading.Lock()
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None

    def key(self, role: str, expected: PublicKey | None = None) -> PrivateKey:
        """Return the key of `role`, which signs in the other process; raises as `Keyring.key`."""
        wanted = None if expected is None else mechanisms.spki(expected)
        (der,) = self.ask((role, wanted))
        return private_key(role, mechanisms.load_public(der), _Remote(self, role))

    def close(self) -> None:
        """End the process and wait for its end; the next question would start another."""
        with self._turn:
            if self._pipe is not None and self._process is not None:
                self._pipe.close()
                self._process.join(_PATIENCE_SECONDS)
                self._end(self._pipe, self._process)

    def _end(self, pipe: Connection, process: SpawnProcess) -> None:
        pipe.close()
        process.kill()
        process.join()
        self._pipe = self._process = None

    def ask(self, question: tuple[Any, ...]) -> list[bytes]:
        """Return the answer to one question, or raise it when it is an error.

        Raises SigningUnavailable when the process ends, or does not answer in time and is ended
        therefore; the next question starts another.
        """
        with self._turn:
            pipe, process, limit = self._running()
            # A process that stands still does not even take a long question.
            watch = threading.Timer(limit, process.kill)
            watch.start()
            try:
                pipe.send(question)
                answer: list[bytes] | AntinError = pipe.recv()
            except (OSError, EOFError):
                self._end(pipe, process)
                raise SigningUnavailable(
                    "The process that signs has ended, or was ended because it gave no answer."
                ) from None
            finally:
                watch.cancel()
        if isinstance(answer, AntinError):
            raise answer
        return answer

    def _running(self) -> tuple[Connection, SpawnProcess, float]:
        """Return pipe and process, a new one where there is none, and how long it may take."""
        limit = self._limit + _PATIENCE_SECONDS
        if self._pipe is not None and self._process is not None:
            if self._process.is_alive():
                return self._pipe, self._process, limit
            self._end(self._pipe, self._process)
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, self._roles, self._limit), name="signer", daemon=True
        )
        self._process.start()
        theirs.close()
        return self._pipe, self._process, limit + _START_SECONDS

    def after_fork(self) -> None:
        """Leave the process to the parent, whose pipe it answers."""
        if self._pipe is not None:
            self._pipe.close()
        self._begin()


class _Remote:
    """Holds a key in the other process (see `keys.Holder`)."""

    def __init__(self, signer: Signer, role: str) -> None:
        self._signer, self._role = signer, role

    def sign(self, scheme: Scheme, what: Message) -> bytes:
        return self.sign_some(scheme, [what])[0]

    def sign_some(self, scheme: Scheme, messages: Sequence[Message]) -> list[bytes]:
        return self._signer.ask((self._role, scheme, messages))


def _serve(pipe: Connection, roles: dict[str, list[str]], limit: float) -> None:
    """Answer until the pipe is closed. The keyboard stops the one that asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keyring = Keyring(roles, time_limit_seconds=limit)
    with suppress(EOFError):
        while True:
            question = pipe.recv()
            try:
                answer: list[bytes] | AntinError = _answer(keyring, *question)
            except AntinError as error:
                answer = error
            pipe.send(answer)
    keyring.close()


def _answer(keyring: Keyring, role: str, how: Any, messages: Sequence[Message] = ()) -> list[bytes]:  # noqa: ANN401 - see the module
    if messages:
        return keyring.key(role).holder.sign_some(how, messages)
    expected = None if how is None else mechanisms.load_public(how)
    return [mechanisms.spki(keyring.key(role, expected).public_key())]


def _after_fork() -> None:
    for signer in list(_signers):
        signer.after_fork()


_signers: "weakref.WeakSet[Signer]" = weakref.WeakSet()
os.register_at_fork(after_in_child=_after_fork)
