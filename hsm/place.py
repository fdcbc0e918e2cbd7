"""One key on one token: bound to a session, proven by its first signature there."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from core.errors import AntinError, Conflict, NotFound, Refused, SigningUnavailable
from hsm import mechanisms, objects
from hsm.cryptoki import CryptokiError
from hsm.mechanisms import Choice, Message, PublicKey, Scheme
from hsm.objects import Found, KeyName
from hsm.pool import Pool
from hsm.session import Session

T = TypeVar("T")

_ONCE_SECONDS = 120.0
# How long a session signs for one thread before others get their turn.
_TURN_SECONDS = 0.1


class _Bound:
    """A key in one session: its handle there, and how each scheme is done by this token."""

    __slots__ = ("choices", "handle")

    def __init__(self, handle: int) -> None:
        self.handle = handle
        # By scheme, and whether the message came as a digest: the ways differ.
        self.choices: dict[tuple[Scheme, bool], Choice] = {}


class Place:
    """One key on one token, as one URI of the configuration names it."""

    def __init__(self, pool: Pool, name: KeyName, *, imported: bool) -> None:
        """Name the key; nothing is opened. `imported` keys may have other attributes."""
        self.pool, self.name, self.imported = pool, name, imported

    def look(self, deadline: float) -> Found:
        """Find the key and judge it; raises NotFound, Conflict, Refused, SigningUnavailable."""
        return self.pool.run(self._find, deadline, lambda: f"find the key {self.name}")

    def sign(self, public: PublicKey, scheme: Scheme, what: Message, deadline: float) -> bytes:
        """Return the raw signature by the key whose public half is `public`.

        Each new session's first signature by a scheme is verified before it is given out: a token
        that came back with another key under the same name signs nothing.
        """
        return self.pool.run(
            lambda session: self._sign(session, public, scheme, what),
            deadline,
            lambda: self._signing(scheme),
        )

    def sign_some(
        self, public: PublicKey, scheme: Scheme, messages: Sequence[Message], deadline: float
    ) -> list[bytes]:
        """Return the raw signatures of the first of these messages, one or more, as `sign` does.

        As many as a tenth of a second allows: the session is asked for once for all of them, and
        others who wait for it have their turn soon. What was signed before an error is returned.
        """
        made: list[bytes] = []

        def act(session: Session) -> None:
            end = time.monotonic() + _TURN_SECONDS
            for what in messages[len(made) :]:
                made.append(self._sign(session, public, scheme, what))
                if time.monotonic() > end:
                    return

        try:
            self.pool.run(act, deadline, lambda: self._signing(scheme), brief=False)
        except AntinError:
            if not made:
                raise
        # A copy: a call that was given up may come back.
        return list(made)

    def once(self, act: Callable[[Session], T], doing: str) -> T:
        """Return what `act` gives on the key's token; an act that failed is not repeated.

        It may take two minutes: some tokens think long over an RSA-4096 key.
        """
        deadline = time.monotonic() + _ONCE_SECONDS
        return self.pool.run(act, deadline, lambda: doing, repeat=False)

    def _sign(self, session: Session, public: PublicKey, scheme: Scheme, what: Message) -> bytes:
        bound = session.bound.get(self)
        if not isinstance(bound, _Bound):
            bound = session.bound[self] = _Bound(self._find_again(session, public))
        choice = bound.choices.get((scheme, what.hashed))
        if choice is None:
            choice, signature = self._prove(session, bound.handle, public, (scheme, what))
            bound.choices[scheme, what.hashed] = choice
            return signature
        return sign_by(session, bound.handle, choice, (scheme, what))

    def _signing(self, scheme: Scheme) -> str:
        return f"sign with the key {self.name} ({scheme.name})"

    def _find(self, session: Session) -> Found:
        found = objects.find_private(session, self.name)
        if not self.imported:
            objects.require_sound(found, self.name, session.name)
        return found

    def _find_again(self, session: Session, public: PublicKey) -> int:
        """Return the key's handle in a new session; a wrong key is the token's failure."""
        try:
            found = self._find(session)
        except (NotFound, Conflict, Refused) as error:
            raise SigningUnavailable(str(error)) from None
        if found.public not in (None, public):
            raise SigningUnavailable(
                f"The key {self.name} on the token {self.pool.name!r} is not the expected one: its "
                "public half differs. Check the key's URIs and its certificate."
            )
        return found.handle

    def _prove(
        self, session: Session, handle: int, public: PublicKey, order: tuple[Scheme, Message]
    ) -> tuple[Choice, bytes]:
        """Sign for the first time in a session: find the way that works, verify what it gives.

        A token may list a mechanism and yet refuse it for this key: a TPM's signing keys take
        messages only.
        """
        scheme, what = order
        first: CryptokiError | None = None
        for choice in scheme.choices(session.mechanisms):
            if what.hashed and not choice.takes_digest:
                continue
            try:
                signature = sign_by(session, handle, choice, order)
            except CryptokiError as error:
                first = first or error
                continue
            if mechanisms.is_right(public, scheme, what, signature):
                return choice, signature
            raise SigningUnavailable(
                f"The token {self.pool.name!r} gave a wrong signature for the key {self.name}."
            )
        if first is not None:
            raise first
        raise Refused(
            f"The token {self.pool.name!r} cannot sign with the key {self.name}: it has no "
            f"mechanism for {scheme.name}{' of a digest' if what.hashed else ''}.",
            code="mechanism_not_on_token",
        )


def sign_by(session: Session, handle: int, choice: Choice, order: tuple[Scheme, Message]) -> bytes:
    """Return the raw signature of a message by a scheme, made in the way `choice`."""
    scheme, what = order
    data = what.data
    if choice.takes_digest and scheme.hash is not None:
        data = scheme.prefix + what.digest(scheme.hash)
    return session.module.sign(session.handle, choice.call, handle, data, session.room)
