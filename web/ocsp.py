"""OCSP over HTTP: GET and POST to octets, answers to header fields (RFC 6960 A; RFC 9919 6 and 7).

Translates only. Bad input that reaches us is answered by OCSP's own error statuses with HTTP 200;
HTTP errors are left for what is no OCSP at all: methods, sizes, encodings.

A request that came before in the same octets, while its answer holds, is answered without being
decoded: the fast path of `OcspApp.__call__`.
"""

import base64
import binascii
import threading
from collections import deque
from collections.abc import Iterable
from http import HTTPStatus
from time import perf_counter
from urllib.parse import unquote
from wsgiref.types import StartResponse, WSGIEnvironment

from ocsp.answer import Responder
from ocsp.bounded import Bounded
from ocsp.model import Answer
from web.wsgi import Response, method_not_allowed, plain, send, validators

MOST_READERS = 96
"""How many bodies are read at once: a client that sends slowly holds a thread meanwhile.

The server must have more threads than that, so that GET is never behind a slow POST.
"""

_MOST_READY = 20_000
_CONTENT_TYPE = ("Content-Type", "application/ocsp-response")
_NO_STORE = ("Cache-Control", "no-store")
# Neither no-cache nor no-store, which no authoritative answer may carry (RFC 9919 7.2).
_FOR_ONE = ("Cache-Control", "max-age=0, private, must-revalidate")
_MOST_DIGITS = 10
_ALLOWED = "GET, HEAD, POST"
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


class _Ready:
    """A whole HTTP answer for one request as it came in, to be given while its lease holds."""

    __slots__ = ("body", "fields", "lease", "tallies", "used")

    def __init__(self, response: Response, answer: Answer, responder: Responder) -> None:
        length = ("Content-Length", str(len(response.body)))
        self.fields = [*response.headers, length]
        self.body = [answer.head, answer.tail]
        self.lease = answer.lease
        self.tallies = responder.meter.repeats(answer.statuses[0])
        self.used = True


class OcspApp:
    """A WSGI application for everything below one address, for example `/ocsp`."""

    def __init__(
        self, responder: Responder, prefix: str = "/ocsp", *, most_ready: int = _MOST_READY
    ) -> None:
        """Answer with `responder`; `prefix` is cut off the path of a GET.

        At most `most_ready` requests are known by their octets.
        """
        self._responder = responder
        self._prefix = f"{prefix}/"
        self._most_bytes = responder.settings.most_bytes
        self._longest_path = len(prefix) + 4 * self._most_bytes
        self._ready: Bounded[str | bytes, _Ready] = Bounded(most_ready)
        self._lock = threading.Lock()
        self._readers = deque([None] * MOST_READERS)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one HTTP request."""
        began = perf_counter()
        method = environ["REQUEST_METHOD"]
        key = self._key(environ, method)
        if isinstance(key, Response):
            return send(environ, start_response, key)
        ready = self._ready.get(key)
        if (
            ready is not None
            and method != "HEAD"
            and "HTTP_IF_NONE_MATCH" not in environ
            and self._responder.holds(ready.lease)
        ):
            start_response("200 OK", ready.fields)
            for tally in ready.tallies:
                tally.count += 1
            self._responder.meter.latency.observe(perf_counter() - began)
            return ready.body
        response = self._response(key)
        self._responder.meter.latency.observe(perf_counter() - began)
        return send(environ, start_response, response)

    def _key(self, environ: WSGIEnvironment, method: str) -> str | bytes | Response:
        """Return the octets that stand for the request: its body, or its path; or a refusal."""
        if method == "POST":
            return self.refuse(environ) or self._body(environ)
        if method in {"GET", "HEAD"}:
            path: str = environ.get("PATH_INFO", "")
            if len(path) > self._longest_path:
                return plain(HTTPStatus.REQUEST_URI_TOO_LONG, "The address is too long.")
            return path
        return method_not_allowed(_ALLOWED)

    def _response(self, key: str | bytes) -> Response:
        data = key if isinstance(key, bytes) else decode(key.removeprefix(self._prefix))
        answer = self._responder.answer(data)
        response = _response(answer)
        if self._responder.holds(answer.lease):
            ready = _Ready(response, answer, self._responder)
            with self._lock:
                self._ready.put(key, ready)
        return response

    def refuse(self, environ: WSGIEnvironment) -> Response | None:
        """Return the refusal of a POST whose header fields say enough; None to read its body."""
        if environ.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
            return plain(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The request must not be compressed.")
        announced = environ.get("CONTENT_LENGTH") or "0"
        if not announced.isdecimal():
            return plain(HTTPStatus.BAD_REQUEST, "Content-Length is not a number.")
        if len(announced) > _MOST_DIGITS or int(announced) > self._most_bytes:
            return self._too_large()
        return None

    def _body(self, environ: WSGIEnvironment) -> bytes | Response:
        try:
            self._readers.pop()
        except IndexError:
            return plain(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "Too many requests are still being sent; try again, or use GET.",
                (("Retry-After", "1"),),
            )
        try:
            body: bytes = environ["wsgi.input"].read(self._most_bytes + 1)
        finally:
            self._readers.append(None)
        return body if len(body) <= self._most_bytes else self._too_large()

    def crowded(self) -> bool:
        """Whether unfinished bodies take up most of the room that there is for them."""
        return len(self._readers) < MOST_READERS // 4

    def _too_large(self) -> Response:
        return plain(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"An OCSP request has at most {self._most_bytes} octets here.",
        )


def decode(text: str) -> bytes:
    """Return the request in the path of a GET; what is no base64 gives b"", which is malformed.

    `text` is the path as WSGI hands it over, %-decoded once. Clients also send it encoded twice,
    in the URL-safe alphabet, without padding, and with raw `/`, `+` and `=`. A blank was a `+`
    to whoever took the path for a form.
    """
    if "%" in text:
        text = unquote(text, encoding="latin-1")
    try:
        # A request is a SEQUENCE: its base64 begins with M, so a slash before it is no part of it.
        octets = text.lstrip("/").rstrip("\r\n=").encode("ascii")
        octets = octets.replace(b" ", b"+").translate(_URL_SAFE)
        return base64.b64decode(octets + b"=" * (-len(octets) % 4), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return b""


def _response(answer: Answer) -> Response:
    body = answer.der
    if answer.this_update is None or answer.next_update is None:
        return Response(headers=(_CONTENT_TYPE, _NO_STORE), body=body)
    if answer.max_age is None:
        return Response(headers=(_CONTENT_TYPE, _FOR_ONE), body=body)
    caching = validators(
        body,
        last_modified=answer.this_update,
        expires=answer.next_update,
        max_age=answer.max_age,
    )
    return Response(headers=(_CONTENT_TYPE, *caching), body=body)
