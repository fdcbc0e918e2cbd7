"""Calls a WSGI application without a server, and checks that it keeps to PEP 3333."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from wsgiref.types import WSGIApplication
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator


@dataclass(frozen=True, slots=True)
class Reply:
    """What a client would have got; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def call(
    app: WSGIApplication,
    path: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Reply:
    """Send one request; `path` is already %-decoded, `headers` are CGI names (HTTP_ACCEPT)."""
    path, _, query = path.partition("?")
    environ: dict[str, object] = {
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REQUEST_METHOD": method,
        "wsgi.input": io.BytesIO(body or b""),
    }
    if body is not None:
        environ["CONTENT_LENGTH"] = str(len(body))
    environ |= headers
    setup_testing_defaults(environ)
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, fields: list[tuple[str, str]], _: object = None) -> object:
        started.append((status, fields))
        return None

    chunks = validator(app)(environ, start_response)  # type: ignore[arg-type] # the write() of old
    try:
        content = b"".join(chunks)
    finally:
        chunks.close()  # type: ignore[attr-defined] # the validator's iterator has it
    ((status, fields),) = started
    names = [name.lower() for name, _ in fields]
    assert len(names) == len(set(names))
    return Reply(int(status[:3]), {name.lower(): value for name, value in fields}, content)
