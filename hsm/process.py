"""A process of its own that signs: it has the keys and nothing else, and is asked through a pipe.

Threads that sign share one interpreter with those that do the rest, and each signature costs both
sides a wait for it. Here the other process has an interpreter to itself, and who asks opens no
token. One question is answered by one answer, a list of octets or the error to be raised; where
the two could come out of step, the process is ended, and the next question starts another.
"""

import multiprocessing
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from core.errors import AntinError, SigningUnavailable
from hsm import mechanisms
from hsm.breaker import Breaker
from hsm.keyring import TIME_LIMIT_SECONDS, Keyring
from hsm.keys import PrivateKey, private_key
from hsm.mechanisms import Message, PublicKey, Scheme

# The keyring's own time limit comes first: these are for a process that does not run any more.
_PATIENCE_SECONDS = 2.0
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """Asks for a role's public key in DER; `expected` is what it must be, None if any will do."""

    role: str
    expected: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sign:
    """Asks for the signatures of the first of these messages, one or more, by `expected`."""

    role: str
    expected: bytes
    scheme: Scheme
    messages: Sequence[Message]


class SigningProcess:
    """The other process. Made after a fork; asked by any number of threads, one at a time."""

    def __init__(
        self,
        roles: Mapping[str, Sequence[str]],
        *,
        time_limit_seconds: float = TIME_LIMIT_SECONDS,
    ) -> None:
        """Name the keys by role and URIs; the first question starts the process.

        Raises Invalid for what `Keyring` takes for invalid.
        """
        Keyring(roles, time_limit_seconds=time_limit_seconds)  # opens nothing
        self._roles = {role: list(each) for role, each in roles.items()}
        self._time_limit = time_limit_seconds
        # A key that is looked for has the time limit on each of its tokens.
        tokens = max(map(len, self._roles.values()), default=1)
        self._patience = tokens * time_limit_seconds + _PATIENCE_SECONDS
        self._turn = threading.Lock()
        self._breaker = Breaker()
        self._running: tuple[Connection, SpawnProcess] | None = None

    def key(self, role: str, expected: PublicKey | None = None) -> PrivateKey:
        """Return the key of `role`, which signs in the other process; raises as `Keyring.key`."""
        wanted = None if expected is None else mechanisms.spki(expected)
        (der,) = self.ask(_Look(role=role, expected=wanted))
        return private_key(role, mechanisms.load_public(der), _Remote(self, role, der))

    def close(self) -> None:
        """End the process and wait for its end; the next question would start another."""
        with self._turn:
            if self._running is not None:
                pipe, process = self._running
                pipe.close()
                process.join(_PATIENCE_SECONDS)
                self._end(pipe, process)

    def ask(self, question: _Look | _Sign) -> list[bytes]:
        """Return the answer to one question, or raise it when it is an error.

        Raises SigningUnavailable when the process cannot be started, ends, or gives no answer in
        time and is ended therefore; after that it is left alone for a while (see hsm.breaker).
        """
        if not self._turn.acquire(timeout=self._patience):
            raise SigningUnavailable("The process that signs stayed busy with other questions.")
        try:
            if not self._breaker.admits():
                raise SigningUnavailable("The process that signs has failed a moment ago.")
            answer = self._asked(question)
        finally:
            self._turn.release()
        if isinstance(answer, AntinError):
            raise answer
        return answer

    def _asked(self, question: _Look | _Sign) -> list[bytes] | AntinError:
        try:
            answer = self._exchange(question)
        except (OSError, EOFError) as error:
            self._breaker.failed()
            told = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
            raise SigningUnavailable(
                f"The process that signs has ended{told}, or was ended because it gave no answer."
            ) from None
        except BaseException:
            self._breaker.renounced()
            raise
        self._breaker.succeeded()
        return answer

    def _exchange(self, question: _Look | _Sign) -> list[bytes] | AntinError:
        (pipe, process), patience = self._started()
        # A process that stands still does not even take a long question.
        watch = threading.Timer(patience, process.kill)
        watch.start()
        try:
            pipe.send(question)
            answer: list[bytes] | AntinError = pipe.recv()
        except BaseException:
            self._end(pipe, process)
            raise
        finally:
            watch.cancel()
        return answer

    def _started(self) -> tuple[tuple[Connection, SpawnProcess], float]:
        """Return pipe and process, and how long an answer may take: a new process has longer."""
        if self._running is not None:
            if self._running[1].is_alive():
                return self._running, self._patience
            self._end(*self._running)
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(theirs, self._roles, self._time_limit), name="signs", daemon=True
        )
        try:
            process.start()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._running = ours, process
        return self._running, self._patience + _START_SECONDS

    def _end(self, pipe: Connection, process: SpawnProcess) -> None:
        self._running = None
        pipe.close()
        process.kill()
        process.join()


class _Remote:
    """Holds a key in the other process (see `keys.Holder`); whichever process that is by then.

    Each question names the public key: a token that came back with another key signs nothing.
    """

    def __init__(self, process: SigningProcess, role: str, public: bytes) -> None:
        self._process, self._role, self._public = process, role, public

    def sign(self, scheme: Scheme, what: Message) -> bytes:
        return self.sign_some(scheme, [what])[0]

    def sign_some(self, scheme: Scheme, messages: Sequence[Message]) -> list[bytes]:
        return self._process.ask(
            _Sign(role=self._role, expected=self._public, scheme=scheme, messages=messages)
        )


def _serve(pipe: Connection, roles: dict[str, list[str]], time_limit: float) -> None:
    """Answer until who asks is gone. The keyboard stops that one, not this."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keyring = Keyring(roles, time_limit_seconds=time_limit)
    try:
        with suppress(EOFError, ConnectionError):
            while True:
                pipe.send(_answer(keyring, pipe.recv()))
    finally:
        keyring.close()


def _answer(keyring: Keyring, question: _Look | _Sign) -> list[bytes] | AntinError:
    expected = None if question.expected is None else mechanisms.load_public(question.expected)
    try:
        key = keyring.key(question.role, expected)
        if isinstance(question, _Sign):
            return key.holder.sign_some(question.scheme, question.messages)
        return [mechanisms.spki(key.public_key())]
    except AntinError as error:
        return error
