"""Small values and functions for bare WSGI applications: responses, conditional requests, dates.

Used by the status responder, which loads no web framework. A handler computes a `Response` for GET;
`send` turns it into what WSGI wants and treats HEAD and If-None-Match alike for every handler.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIEnvironment

Headers = tuple[tuple[str, str], ...]

_NOT_MODIFIED_KEEPS = frozenset(
    {"cache-control", "content-location", "date", "etag", "expires", "last-modified", "vary"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A whole HTTP response; `send` adds its Content-Length."""

    status: HTTPStatus = HTTPStatus.OK
    headers: Headers = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """Return the value of the first field called `name` (in any case), None without one."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


def send(
    environ: WSGIEnvironment, start_response: StartResponse, response: Response
) -> Iterable[bytes]:
    """Start `response` and return its body: none for HEAD, 304 when the client has it already."""
    response = _unless_known(environ, response)
    headers = list(response.headers)
    if response.status is not HTTPStatus.NOT_MODIFIED:
        headers.append(("Content-Length", str(len(response.body))))
    start_response(f"{response.status.value} {response.status.phrase}", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.body]


def plain(status: HTTPStatus, sentence: str, headers: Headers = ()) -> Response:
    """Return a short text that no cache keeps: for refusals and health pages."""
    return Response(
        status=status,
        headers=(
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Cache-Control", "no-store"),
            *headers,
        ),
        body=f"{sentence}\n".encode(),
    )


def not_found() -> Response:
    """Return 404, which is never a page of HTML that a fetcher could take for a CRL."""
    return plain(HTTPStatus.NOT_FOUND, "There is nothing at this address.")


def method_not_allowed(allowed: str) -> Response:
    """Return 405 with the methods that are `allowed`, for example `GET, HEAD` (RFC 9110 15.5.6)."""
    return plain(
        HTTPStatus.METHOD_NOT_ALLOWED,
        f"This address answers {allowed} only.",
        (("Allow", allowed),),
    )


def validators(body: bytes, *, last_modified: datetime, expires: datetime, max_age: int) -> Headers:
    """Return the header fields that let a cache keep `body` and ask whether it changed.

    `max_age` is in seconds; the caller sees to it that it never reaches past `expires`
    (RFC 9919 7.2, RFC 5019 6.2).
    """
    return (
        ("ETag", etag(body)),
        ("Last-Modified", http_date(last_modified)),
        ("Expires", http_date(expires)),
        ("Cache-Control", cache_control(max_age)),
    )


def etag(body: bytes) -> str:
    """Return a strong entity tag: the hex SHA-256 of `body`, quoted (RFC 9919 7.2)."""
    return f'"{hashlib.sha256(body).hexdigest()}"'


def cache_control(max_age: int) -> str:
    """Return the Cache-Control of an answer that lives `max_age` seconds (RFC 9919 7.2)."""
    return f"max-age={max_age}, public, no-transform, must-revalidate"


def http_date(instant: datetime) -> str:
    """Return an aware UTC datetime as HTTP writes it (`Sun, 06 Nov 1994 08:49:37 GMT`)."""
    return format_datetime(instant, usegmt=True)


def _unless_known(environ: WSGIEnvironment, response: Response) -> Response:
    """Return 304 in place of a 200 whose entity tag the client named (RFC 9110 13.1.2)."""
    known = environ.get("HTTP_IF_NONE_MATCH")
    if (
        known is None
        or response.status is not HTTPStatus.OK
        or environ["REQUEST_METHOD"] not in {"GET", "HEAD"}
    ):
        return response
    tag = response.header("ETag")
    if tag is None or not _matches(known, tag):
        return response
    kept = tuple(pair for pair in response.headers if pair[0].lower() in _NOT_MODIFIED_KEEPS)
    return Response(status=HTTPStatus.NOT_MODIFIED, headers=kept)


def _matches(known: str, tag: str) -> bool:
    return known.strip() == "*" or any(
        each.strip().removeprefix("W/") == tag for each in known.split(",")
    )
