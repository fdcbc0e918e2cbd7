"""One key on one token: bound to a session, proven by its first signature there."""

from core.errors import Conflict, NotFound, Refused, SigningUnavailable
from hsm import mechanisms, objects
from hsm.layout import MechanismCall
from hsm.mechanisms import Message, PublicKey, Scheme
from hsm.objects import Found, KeyName
from hsm.pool import Pool
from hsm.session import Session


class _Bound:
    """A key in one session: its handle there, and how each scheme is done by this token."""

    __slots__ = ("calls", "handle", "proven")

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self.proven = False
        self.calls: dict[Scheme, tuple[MechanismCall, bool]] = {}


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

        Each new session's first signature is verified before it is given out: a token that came
        back with another key under the same name signs nothing.
        """

        def act(session: Session) -> bytes:
            bound = session.bound.get(self)
            if not isinstance(bound, _Bound):
                bound = session.bound[self] = _Bound(self._find_again(session, public))
            call, on_digest = bound.calls.get(scheme) or self._choose(session, bound, scheme)
            data = what.data
            if on_digest and scheme.hash is not None:
                data = scheme.prefix + what.digest(scheme.hash)
            elif what.hashed:
                raise self._lacking(f"{scheme.name} of a digest")
            signature = session.module.sign(session.handle, call, bound.handle, data, session.room)
            if not bound.proven:
                if not mechanisms.is_right(public, scheme, what, signature):
                    raise SigningUnavailable(
                        f"The token {self.pool.name!r} gave a wrong signature for the key "
                        f"{self.name}."
                    )
                bound.proven = True
            return signature

        return self.pool.run(
            act, deadline, lambda: f"sign with the key {self.name} ({scheme.name})"
        )

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

    def _choose(
        self, session: Session, bound: _Bound, scheme: Scheme
    ) -> tuple[MechanismCall, bool]:
        chosen = scheme.choose(session.mechanisms)
        if chosen is None:
            raise self._lacking(scheme.name)
        bound.calls[scheme] = chosen
        return chosen

    def _lacking(self, what: str) -> Refused:
        return Refused(
            f"The token {self.pool.name!r} cannot sign with the key {self.name}: it has no "
            f"mechanism for {what}.",
            code="mechanism_not_on_token",
        )
