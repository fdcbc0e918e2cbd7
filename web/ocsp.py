"""OCSP over HTTP: GET and POST to octets, answers to header fields (RFC 6960 A; RFC 9919 6 and 7).

Translates only. Bad input that reaches us is answered by OCSP's own error statuses with HTTP 200;
HTTP errors are left for what is no OCSP at all: methods, sizes, encodings.
"""

import base64
import binascii
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import unquote
from wsgiref.types import StartResponse, WSGIEnvironment

from ocsp.answer import Responder
from ocsp.model import Answer
from web.wsgi import (
    Response,
    method_not_allowed,
    plain,
    send,
    validators,
)

_CONTENT_TYPE = ("Content-Type", "application/ocsp-response")
_NO_STORE = ("Cache-Control", "no-store")
# Neither no-cache nor no-store, which no authoritative answer may carry (RFC 9919 7.2).
_FOR_ONE = ("Cache-Control", "max-age=0, private, must-revalidate")
_MOST_DIGITS = 10
_ALLOWED = "GET, HEAD, POST"
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


class OcspApp:
    """A WSGI application for everything below one address, for example `/ocsp`."""

    def __init__(self, responder: Responder, prefix: str = "/ocsp") -> None:
        """Answer with `responder`; `prefix` is cut off the path of a GET."""
        self._responder = responder
        self._prefix = f"{prefix}/"
        self._most_bytes = responder.settings.most_bytes
        self._longest_path = len(prefix) + 4 * self._most_bytes

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one HTTP request."""
        return send(environ, start_response, self._response(environ))

    def _response(self, environ: WSGIEnvironment) -> Response:
        method = environ["REQUEST_METHOD"]
        if method == "POST":
            return self._post(environ)
        if method in {"GET", "HEAD"}:
            return self._get(environ)
        return method_not_allowed(_ALLOWED)

    def _post(self, environ: WSGIEnvironment) -> Response:
        refusal = self.refuse(environ)
        if refusal is not None:
            return refusal
        body = environ["wsgi.input"].read(self._most_bytes + 1)
        if len(body) > self._most_bytes:
            return self._too_large()
        return _response(self._responder.answer(body))

    def _get(self, environ: WSGIEnvironment) -> Response:
        path = environ.get("PATH_INFO", "")
        if len(path) > self._longest_path:
            return plain(HTTPStatus.REQUEST_URI_TOO_LONG, "The address is too long.")
        return _response(self._responder.answer(decode(path.removeprefix(self._prefix))))

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
    if answer.this_update is None or answer.next_update is None:
        return Response(headers=(_CONTENT_TYPE, _NO_STORE), body=answer.der)
    if answer.max_age is None:
        return Response(headers=(_CONTENT_TYPE, _FOR_ONE), body=answer.der)
    caching = validators(
        answer.der,
        last_modified=answer.this_update,
        expires=answer.next_update,
        max_age=answer.max_age,
    )
    return Response(headers=(_CONTENT_TYPE, *caching), body=answer.der)
