"""The public status responder: a bare WSGI application over OCSP, CRLs and CA certificates.

It loads no web framework and no issuing code: a tiny router hands each address to the application
that is mounted on its first part. Paths are not cleaned: `//` inside base64 means something.
"""

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from web.wsgi import (
    Response,
    method_not_allowed,
    not_found,
    plain,
    send,
)

Health = Callable[[], list[str]]
"""Tells what keeps the process from serving well: one full sentence each, none when all is well."""


def router(mounts: Mapping[str, WSGIApplication]) -> WSGIApplication:
    """Return an application that dispatches on the path's first part.

    `mounts` maps first parts without slashes (`ocsp`, `crl`, `ca`, `health`) to applications,
    which see the whole path. An unknown first part is 404.
    """
    known = dict(mounts)

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        first = environ.get("PATH_INFO", "")[1:].partition("/")[0]
        mounted = known.get(first)
        if mounted is None:
            return send(environ, start_response, not_found())
        return mounted(environ, start_response)

    return application


def health(ready: Health) -> WSGIApplication:
    """Return the application of `/health/live` and `/health/ready`.

    Live says that the process answers; ready asks `ready` and is 503 with its sentences when there
    are any, so that a balancer turns to another responder.
    """

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return send(environ, start_response, _health(environ, ready))

    return application


def _health(environ: WSGIEnvironment, ready: Health) -> Response:
    if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
        return method_not_allowed("GET, HEAD")
    match environ.get("PATH_INFO"):
        case "/health/live":
            return plain(HTTPStatus.OK, "live")
        case "/health/ready":
            troubles = ready()
            if troubles:
                return plain(HTTPStatus.SERVICE_UNAVAILABLE, "\n".join(troubles))
            return plain(HTTPStatus.OK, "ready")
        case _:
            return not_found()
