"""The keys of one process, by role: each on one token or more, found when first asked for.

A role is a word of the configuration (root, issuing, ocsp, audit, storage). Its first URI is used
as long as it works; the others hold the same key and take over while it does not.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from core.errors import Invalid, NotFound, Refused, SigningUnavailable
from hsm import objects, secret, uri
from hsm.keys import PrivateKey, private_key
from hsm.mechanisms import KeyKind, Message, Scheme
from hsm.objects import Found, KeyName, PublicKey
from hsm.pool import Pool
from hsm.secret import SecretKey
from hsm.session import Session
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
        imported: Collection[str] = (),
    ) -> None:
        """Read the roles' URIs; raises Invalid for a URI or a limit that is none.

        `time_limit_seconds` bounds one act as a whole, a second token's try included. `imported`
        names the roles whose keys may have been made elsewhere (see docs/hsm.md).
        """
        if not time_limit_seconds > 0:
            raise Invalid(f"The time limit {time_limit_seconds} must be more than 0 seconds.")
        self.time_limit_seconds = time_limit_seconds
        self._imported = frozenset(imported)
        self._pools: dict[KeyUri, Pool] = {}
        self._places: dict[str, list[_Place]] = {}
        for role, texts in roles.items():
            if not texts:
                raise Invalid(f"The role {role!r} names no key; give it one URI or more.")
            self._places[role] = [self._place(role, text) for text in texts]
        self._keys: dict[str, PrivateKey] = {}

    def key(self, role: str, expected: PublicKey | None = None) -> PrivateKey:
        """Return the key of `role`, checked once: attributes, and equal public halves.

        With `expected` (from the certificate) a token that is away now is checked when it comes
        back; without, raises SigningUnavailable. Raises NotFound for a role or key that does not
        exist, Refused for a key with other attributes, Conflict when two tokens hold two keys.
        """
        known = self._keys.get(role)
        if known is None:
            public = self._load(role, expected)
            holder = _Holder(public, self._of(role), self.time_limit_seconds)
            known = self._keys[role] = private_key(role, public, holder.sign)
        elif expected is not None and known.public_key() != expected:
            raise _unlike(role)
        return known

    def generate(self, role: str, kind: KeyKind) -> PublicKey:
        """Generate the role's key on its first token and return its public half.

        Raises Conflict when there is a key of that name already; it is never replaced.
        """
        place = self._of(role)[0]
        return place.pool.run(
            lambda session: objects.generate(session, place.name, kind),
            time.monotonic() + max(self.time_limit_seconds, _GENERATION_SECONDS),
            doing=f"generate the {kind} key {place.name}",
        )

    def secret(self, role: str) -> SecretKey:
        """Return the AES key of `role`, which wraps the keys of a vault."""
        places = self._of(role)

        def runs(act: Callable[[Session, int], bytes], doing: str) -> bytes:
            def on(place: _Place, deadline: float) -> bytes:
                return place.pool.run(
                    lambda session: act(session, secret.find(session, place.name)),
                    deadline,
                    doing=doing,
                )

            return first_that_can(places, self.time_limit_seconds, on)

        return SecretKey(role, runs)

    def generate_secret(self, role: str) -> None:
        """Generate the role's AES-256 key on its first token; raises Conflict when it is there."""
        place = self._of(role)[0]
        place.pool.run(
            lambda session: secret.generate(session, place.name),
            time.monotonic() + self.time_limit_seconds,
            doing=f"generate the AES key {place.name}",
        )

    def close(self) -> None:
        """Close all sessions of this process. The keyring opens new ones if it is used again."""
        for pool in self._pools.values():
            pool.close()

    def _of(self, role: str) -> "list[_Place]":
        if role not in self._places:
            raise NotFound(
                f"There is no key for the role {role!r}; configured are "
                f"{', '.join(sorted(self._places)) or 'none'}."
            )
        return self._places[role]

    def _place(self, role: str, text: str) -> "_Place":
        where = uri.parse(text)
        if where.label is None and where.id is None:
            raise Invalid(f"The URI of the role {role!r} names no key; add object= or id= to it.")
        token = replace(where, label=None, id=None)
        pool = self._pools.setdefault(token, Pool(token))
        name = KeyName(where.label, where.id)
        return _Place(pool, name, imported=role in self._imported)

    def _load(self, role: str, expected: PublicKey | None) -> PublicKey:
        """Look at every token that is there, and return the one public half that they share."""
        public, away = expected, None
        for place in self._of(role):
            deadline = time.monotonic() + self.time_limit_seconds
            try:
                found = place.look(deadline)
            except SigningUnavailable as error:
                away = error
                continue
            if public is not None and found.public != public:
                raise _unlike(role)
            public = found.public
        if public is None:
            raise away or _unlike(role)
        return public


_GENERATION_SECONDS = 120.0


class _Place:
    """One key on one token."""

    def __init__(self, pool: Pool, name: KeyName, *, imported: bool) -> None:
        self.pool, self.name, self.imported = pool, name, imported

    def look(self, deadline: float) -> Found:
        """Find the key and judge its attributes."""
        return self.pool.run(self._bound, deadline, doing=f"find the key {self.name}")

    def sign(self, public: PublicKey, scheme: Scheme, what: Message, deadline: float) -> bytes:
        """Return the raw signature."""

        def act(session: Session) -> bytes:
            found = self._bound(session)
            if found.public != public:
                raise _unlike(str(self.name))
            chosen = scheme.choose(session.mechanisms)
            if chosen is None:
                raise self._lacking(scheme)
            call, on_digest = chosen
            if not on_digest and what.hashed:
                raise self._lacking(scheme)
            data = what.data
            if on_digest and scheme.hash is not None:
                data = scheme.prefix + what.digest(scheme.hash)
            return session.module.sign(session.handle, call, found.handle, data)

        return self.pool.run(act, deadline, doing=f"sign with the key {self.name} ({scheme.name})")

    def _bound(self, session: Session) -> Found:
        found = session.bound.get(self)
        if not isinstance(found, Found):
            found = objects.find_private(session, self.name)
            if not self.imported:
                objects.require_sound(found, self.name, session.name)
            session.bound[self] = found
        return found

    def _lacking(self, scheme: Scheme) -> Refused:
        return Refused(
            f"The token {self.pool.name!r} cannot sign with the key {self.name}: it "
            f"has no mechanism for {scheme.name}.",
            code="mechanism_not_on_token",
        )


class _Holder:
    """Signs with the first token that can, and returns to an earlier one when it is back."""

    def __init__(self, public: PublicKey, places: list[_Place], time_limit_seconds: float) -> None:
        self._public, self._places, self._limit = public, places, time_limit_seconds

    def sign(self, scheme: Scheme, what: Message) -> bytes:
        """Return the raw signature within the time limit, or raise SigningUnavailable."""
        return first_that_can(
            self._places,
            self._limit,
            lambda place, deadline: place.sign(self._public, scheme, what, deadline),
        )


def first_that_can(places: list[_Place], limit: float, act: Callable[[_Place, float], T]) -> T:
    """Return what `act` gives on the first place that can, all tries within `limit` seconds."""
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
