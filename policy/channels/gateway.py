"""SMS and Zalo through a provider's gateway: one JSON document posted, one strict answer read.

    POST url   {"id", "to", "text"}     Authorization: Bearer TOKEN, Idempotency-Key: id
    200, 201, 202   {"id": "...", "status": "accepted" | "delivered" | "rejected"}

The id is the same however often a notice is sent, so that the gateway can drop a double.
"""

import http.client
import json
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from policy.channels.letters import (
    Away,
    Bounced,
    Deferred,
    Message,
    Receipt,
    Recipient,
    mobile_number,
    one_line,
)
from policy.channels.limits import within

_MOST_BYTES = 16 * 1024
_TAKEN = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED})
_REFUSED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})
_OURS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
_WORD = re.compile(r"^[\x21-\x7e]{1,512}$")


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: str = Field(pattern=r"^[A-Za-z0-9._:\-]{1,120}$")
    status: Literal["accepted", "delivered", "rejected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Where messages are posted; `token` reads the secret when it is needed."""

    url: str
    token: Callable[[], str] | None = None
    seconds: float = 10.0
    trust: ssl.SSLContext | None = None


class Gateway:
    """Sends the short form of notices to mobile numbers."""

    def __init__(self, name: str, provider: Provider) -> None:
        """Post messages to `provider`; `name` is the channel's, sms or zalo."""
        self._name = name
        self._provider = provider

    @property
    def name(self) -> str:
        """The channel's name."""
        return self._name

    def reaches(self, to: Recipient) -> bool:
        """Whether the register has a mobile number."""
        return bool(mobile_number(to.phone))

    def send(self, message: Message) -> Receipt:
        """Post one message; raises Bounced, Deferred or Away."""
        key = f"{message.key}.{self.name}"
        document = {
            "id": key,
            "to": mobile_number(message.to.phone),
            "text": one_line(message.short),
        }
        try:
            status, raw = self._post(key, json.dumps(document, ensure_ascii=False).encode())
        except ssl.SSLError as error:
            raise Away(self._sentence(f"is not trusted: {error.reason or 'TLS'}")) from None
        except (http.client.HTTPException, OSError) as error:
            raise Away(self._sentence(f"cannot be reached: {type(error).__name__}")) from None
        return self._receipt(status, raw)

    def close(self) -> None:
        """Nothing is held open."""

    def _post(self, key: str, body: bytes) -> tuple[int, bytes]:
        provider, parts = self._provider, urlsplit(self._provider.url)
        host, port = parts.hostname or "", parts.port
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            trust = provider.trust or ssl.create_default_context()
            connection = http.client.HTTPSConnection(
                host, port, timeout=provider.seconds, context=trust
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=provider.seconds)
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Idempotency-Key": key,
        }
        if provider.token is not None:
            headers["Authorization"] = f"Bearer {self._token(provider.token())}"
        path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        try:
            with within(provider.seconds, connection):
                connection.request("POST", path, body=body, headers=headers)
                answer = connection.getresponse()
                return answer.status, answer.read(_MOST_BYTES + 1)
        finally:
            connection.close()

    def _token(self, token: str) -> str:
        if not _WORD.match(token):
            raise Away(self._sentence("has a token that is no single printable word"))
        return token

    def _receipt(self, status: int, raw: bytes) -> Receipt:
        if status in _REFUSED:
            raise Bounced(self._sentence(f"refused the message: {status}"))
        if status in _OURS:
            raise Away(self._sentence(f"refuses us: {status}"))
        if status not in _TAKEN:
            raise Deferred(self._sentence(f"put the message off: {status}"))
        if len(raw) > _MOST_BYTES:
            raise Deferred(self._sentence(f"answered with more than {_MOST_BYTES} bytes"))
        try:
            answer = _Answer.model_validate_json(raw)
        except ValidationError:
            raise Deferred(self._sentence("answered something else than id and status")) from None
        if answer.status == "rejected":
            raise Bounced(self._sentence("rejected the message"))
        return Receipt(reference=answer.id, arrived=answer.status == "delivered")

    def _sentence(self, what: str) -> str:
        return f"The {self.name} gateway at {urlsplit(self._provider.url).hostname} {what}."
