"""The keys of one process, by role: each on one token or more, found when first asked for.

A role is a word of the configuration (root, issuing, ocsp, audit, vault). Its first URI is used
as long as it works; the others hold the same key and take over while it does not.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from core.errors import Invalid, NotFound, Refused, SigningUnavailable
from hsm import generation, mechanisms, secret, uri
from hsm.keys import PrivateKey, private_key
from hsm.mechanisms import KeyKind, Message, PublicKey, Scheme
from hsm.objects import KeyName
from hsm.place import Place
from hsm.pool import MOST_SESSIONS, Pool
from hsm.secret import SecretKey
from hsm.uri import KeyUri

T = TypeVar("T")

TIME_LIMIT_SECONDS = 5.0


class Keyring:
    """Roles and their keys. Made before or after a fork: nothing is opened before it is used."""

    def __init__(
        self,
        roles: Mapping[str, Sequence[str]],
        *,
        time_limit_seconds: float = TIME_LIMIT_SECONDS,
        sessions: int = MOST_SESSIONS,
    ) -> None:
        """Read the roles' URIs; raises Invalid for a URI or a limit that is none.

        `time_limit_seconds` bounds one act as a whole, the tries on other tokens included;
        `sessions` are opened with each token at most.
        """
        if not time_limit_seconds > 0:
            raise Invalid(f"The time limit {time_limit_seconds} must be more than 0 seconds.")
        if sessions < 1:
            raise Invalid(f"The number of sessions {sessions} must be 1 or more.")
        self._sessions = sessions
        self.time_limit_seconds = time_limit_seconds
        self._pools: dict[KeyUri, Pool] = {}
        self._places = {role: self._read(role, texts) for role, texts in roles.items()}
        self._keys: dict[str, PrivateKey] = {}

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that have a key here, in the order of the configuration."""
        return tuple(self._places)

    def key(self, role: str, expected: PublicKey | None = None) -> PrivateKey:
        """Return the key of `role`, checked once: attributes, and equal public halves.

        With `expected` (from the certificate) a token that is away now is checked when it comes
        back; without, raises SigningUnavailable. Raises NotFound for a role or key that does not
        exist, Refused for a key with other attributes or unlike the expected one.
        """
        known = self._keys.get(role)
        if known is None:
            public = self._load(role, expected)
            mechanisms.require_known(public)
            holder = _Holder(public, self.places(role), self.time_limit_seconds)
            known = self._keys[role] = private_key(role, public, holder)
        elif expected is not None and known.public_key() != expected:
            raise _unlike(role)
        return known

    def secret(self, role: str) -> SecretKey:
        """Return the AES key of `role`, which wraps the keys of a vault."""
        places = self.places(role)

        def runs(act: secret.Act, doing: str) -> bytes:
            def on(place: Place, deadline: float) -> bytes:
                return place.pool.run(
                    lambda session: act(
                        session, secret.bound(session, place.name, imported=place.imported)
                    ),
                    deadline,
                    lambda: doing,
                )

            return _first_that_can(places, self.time_limit_seconds, on)

        return SecretKey(role, runs)

    def generate(self, role: str, kind: KeyKind, *, wrappable: bool = False) -> PublicKey:
        """Generate the role's key on its first token and return its public half.

        A `wrappable` key can be backed up under an AES key of the token (hsm.backup) and is
        extractable in that way only. Raises Conflict when there is a key of that name already.
        """
        place = self.places(role)[0]
        return place.once(
            lambda session: generation.generate(session, place.name, kind, wrappable=wrappable),
            f"generate the {kind} key {place.name}",
        )

    def generate_secret(self, role: str, *, wrappable: bool = False) -> None:
        """Generate the role's AES-256 key on its first token; raises Conflict when it is there.

        A `wrappable` one can be backed up, as a key pair that was made so.
        """
        place = self.places(role)[0]
        place.once(
            lambda session: secret.generate(session, place.name, wrappable=wrappable),
            f"generate the AES key {place.name}",
        )

    def places(self, role: str) -> list[Place]:
        """Return where the role's key is, in the order of preference; raises NotFound."""
        if role not in self._places:
            raise NotFound(
                f"There is no key for the role {role!r}; configured are "
                f"{', '.join(self._places) or 'none'}."
            )
        return self._places[role]

    def close(self) -> None:
        """Close all sessions of this process. The keyring opens new ones if it is used again."""
        for pool in self._pools.values():
            pool.close()

    def _read(self, role: str, texts: Sequence[str]) -> list[Place]:
        if isinstance(texts, str) or not texts:
            raise Invalid(f"The role {role!r} must name its key by a list of one URI or more.")
        return [self._place(role, uri.parse(text)) for text in texts]

    def _place(self, role: str, where: KeyUri) -> Place:
        if where.label is None and where.id is None:
            raise Invalid(f"The URI of the role {role!r} names no key; add object= or id= to it.")
        token = replace(where, label=None, id=None, imported=False)
        if token not in self._pools:
            self._pools[token] = Pool(token, size=self._sessions)
        return Place(self._pools[token], KeyName(where.label, where.id), imported=where.imported)

    def _load(self, role: str, expected: PublicKey | None) -> PublicKey:
        """Look at every token that is there, and return the one public half that they share."""
        public, away = expected, None
        for place in self.places(role):
            try:
                found = place.look(time.monotonic() + self.time_limit_seconds)
            except SigningUnavailable as error:
                away = error
                continue
            if found.public is None and public is None:
                raise NotFound(
                    f"The token {place.pool.name!r} does not give the public half of the key "
                    f"{place.name}; put its public key object beside it, with the same CKA_ID."
                )
            if public is not None and found.public not in (None, public):
                raise _unlike(role)
            public = found.public or public
        if public is None:
            raise away or _unlike(role)
        return public


class _Holder:
    """Signs with the first token that can, and returns to an earlier one when it is back."""

    def __init__(self, public: PublicKey, places: list[Place], limit: float) -> None:
        self._public, self._places, self._limit = public, places, limit

    def sign(self, scheme: Scheme, what: Message) -> bytes:
        """Return the raw signature within the time limit, or raise SigningUnavailable."""
        if len(self._places) == 1:
            deadline = time.monotonic() + self._limit
            return self._places[0].sign(self._public, scheme, what, deadline)
        return _first_that_can(
            self._places,
            self._limit,
            lambda place, deadline: place.sign(self._public, scheme, what, deadline),
        )

    def sign_some(self, scheme: Scheme, messages: Sequence[Message]) -> list[bytes]:
        """Return the raw signatures of the first of these messages, as `sign` does."""
        return _first_that_can(
            self._places,
            self._limit,
            lambda place, deadline: place.sign_some(self._public, scheme, messages, deadline),
        )


def _first_that_can(places: list[Place], limit: float, act: Callable[[Place, float], T]) -> T:
    """Return what `act` gives on the first place that can, all tries within `limit` seconds.

    Each try gets its share of what is left, so that a token that hangs leaves time for the next.
    """
    end = time.monotonic() + limit
    reasons: list[str] = []
    for left, place in zip(range(len(places), 0, -1), places, strict=True):
        now = time.monotonic()
        try:
            return act(place, now + (end - now) / left)
        except SigningUnavailable as error:
            reasons.append(str(error))
    raise SigningUnavailable(" ".join(reasons))


def _unlike(role: str) -> Refused:
    return Refused(
        f"The key of {role!r} on the token is not the expected one: its public half differs. Check "
        "the role's URIs and its certificate.",
        code="key_unlike",
    )
