"""The scope of a campaign, as data: which certificates it is over; pure.

An empty scope takes every certificate. What is named narrows it, all of it together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter

from policy.model import DossierState, Judgement, SubscriberKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A query or a list; `serials` are hex, None when no list was given.

    A certificate's issue period is counted by its notBefore, `issued_until` not included. `lacking`
    is a document that the dossier must lack, `state` where the dossier must stand.
    """

    kind: SubscriberKind | None = None
    reseller: str = ""
    province: str = ""
    issued_from: datetime | None = None
    issued_until: datetime | None = None
    lacking: str = ""
    state: DossierState | None = None
    serials: frozenset[str] | None = None

    @property
    def asks_for_findings(self) -> bool:
        """Whether the dossier itself must be looked at."""
        return bool(self.lacking) or self.state is not None

    def spans(self, issued_at: datetime, serial: str) -> bool:
        """Whether a certificate's issue and serial are in the scope."""
        return (
            (self.issued_from is None or self.issued_from <= issued_at)
            and (self.issued_until is None or issued_at < self.issued_until)
            and (self.serials is None or serial in self.serials)
        )

    def finds(self, judgement: Judgement) -> bool:
        """Whether the dossier stands as the scope asks."""
        lacks = {each.document for each in judgement.lacks}
        return (not self.lacking or self.lacking in lacks) and (
            self.state is None or self.state is judgement.state
        )

    def to_json(self) -> dict[str, Any]:
        """Return what narrows the scope as plain JSON values; equal scopes have equal values."""
        values = {
            "kind": self.kind and self.kind.value,
            "reseller": self.reseller,
            "province": self.province,
            "issued_from": _plain(self.issued_from),
            "issued_until": _plain(self.issued_until),
            "lacking": self.lacking,
            "state": self.state and self.state.value,
            "serials": None if self.serials is None else sorted(self.serials),
        }
        return {key: value for key, value in values.items() if value not in (None, "")}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Scope":
        """Read what `to_json` wrote."""
        return _SCOPES.validate_python(data)


def _plain(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat()


_SCOPES = TypeAdapter(Scope)
EVERYONE = Scope()
