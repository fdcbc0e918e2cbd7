"""Serves CRLs from the folder that they are published into, and the CA certificates.

    /crl/{ca}.crl  /crl/{ca}-delta.crl  /crl/{ca}/{n}.crl  /crl/{ca}/history/{number}.crl
    /ca/{ca}.cer  /ca/{ca}.p7c

A request opens its file once: whatever is published meanwhile, it reads one CRL to its end. Nothing
of a long CRL is read but its first and last few octets; it goes out by the server's own means
(`wsgi.file_wrapper`) or in pieces. Such a stream holds one of the server's threads for as long as
its client takes; their number is limited, so that slow clients cannot take the threads that OCSP
needs.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from threading import BoundedSemaphore
from typing import BinaryIO
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from core.clock import Clock
from core.errors import Invalid
from crl import compressed, reading
from web.wsgi import (
    Headers,
    Response,
    cache_control,
    http_date,
    method_not_allowed,
    not_found,
    plain,
    send,
    validators,
)

_NAME = r"[a-z][a-z0-9-]{0,59}"
_CURRENT = re.compile(rf"/crl/({_NAME}(?:/[0-9]{{1,6}}(?:-delta)?)?\.crl)")
_HISTORY = re.compile(rf"/crl/({_NAME}/history/[0-9]{{1,19}}(?:-[0-9]{{1,6}})?(?:-delta)?\.crl)")
_CERTIFICATE = re.compile(rf"/ca/({_NAME})\.(cer|p7c)")
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_GZIP = re.compile(r"(?:^|,)\s*(?:gzip|x-gzip|\*)\s*(?:;|,|$)")
_NO_GZIP = re.compile(r"(?:^|,)\s*(?:gzip|x-gzip|\*)\s*;\s*q=0(?:\.0*)?\s*(?:,|$)")
_UNSATISFIABLE = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
_PIECE = 256 * 1024
# What is given to the server in one piece needs no thread while the client takes it.
_AT_ONCE = 256 * 1024
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """An open CRL file: its size in octets and what its ends tell.

    `packed` is whether it is the compressed copy, `varies` whether there is one.
    """

    file: BinaryIO
    size: int
    tag: str
    this_update: datetime
    next_update: datetime
    packed: bool = False
    varies: bool = False

    @property
    def etag(self) -> str:
        """The strong entity tag of this representation (RFC 9110 8.8.3)."""
        return f'"{self.tag}-gzip"' if self.packed else f'"{self.tag}"'


def crls(
    folder: Path,
    clock: Clock,
    *,
    interval: timedelta,
    cached_for: timedelta = timedelta(minutes=5),
    most_streams: int = 2,
) -> WSGIApplication:
    """Return the application of `/crl/`, over the folder of a `crl.targets.Directory`.

    `interval` is that of the CRLs' settings: Expires tells the next scheduled one. Caches ask again
    after `cached_for`, so that an unscheduled CRL spreads, and never keep one past its nextUpdate.
    At most `most_streams` long CRLs go out at a time, and who comes then is told to come again:
    keep it below the server's count of threads by as many as OCSP needs.
    """
    slots = BoundedSemaphore(most_streams)

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        current, old = _CURRENT.fullmatch(path), _HISTORY.fullmatch(path)
        match = current or old
        if match is None:
            return send(environ, start_response, not_found())
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return send(environ, start_response, method_not_allowed("GET, HEAD"))
        try:
            found = _negotiated(environ, folder / match.group(1))
        except (FileNotFoundError, NotADirectoryError):
            return send(environ, start_response, not_found())
        except (Invalid, OSError):
            trouble = plain(HTTPStatus.SERVICE_UNAVAILABLE, "The CRL cannot be read just now.")
            return send(environ, start_response, trouble)
        now = clock.now()
        scheduled = now + _DAY if old else min(found.this_update + interval, found.next_update)
        fresh = min(scheduled, now + (_DAY if old else cached_for)) - now
        kept: Headers = (
            ("ETag", found.etag),
            ("Last-Modified", http_date(found.this_update)),
            ("Expires", http_date(scheduled)),
            ("Cache-Control", cache_control(max(0, int(fresh.total_seconds())))),
        )
        return _serve(environ, start_response, found, kept=kept, slots=slots)

    return application


def certificates(ders: Mapping[str, bytes], clock: Clock) -> WSGIApplication:
    """Return the application of `/ca/`; `ders` maps each issuer's name to its DER certificate.

    `.cer` is one DER certificate, `.p7c` a certs-only CMS message (RFC 5280 4.2.2.1).
    """

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        match = _CERTIFICATE.fullmatch(environ.get("PATH_INFO", ""))
        der = ders.get(match.group(1)) if match else None
        if match is None or der is None:
            return send(environ, start_response, not_found())
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return send(environ, start_response, method_not_allowed("GET, HEAD"))
        return send(environ, start_response, _certificate(der, match.group(2), clock.now()))

    return application


def _certificate(der: bytes, kind: str, now: datetime) -> Response:
    certificate = x509.load_der_x509_certificate(der)
    if kind == "cer":
        body, media = der, "application/pkix-cert"
    else:
        body = pkcs7.serialize_certificates([certificate], Encoding.DER)
        media = "application/pkcs7-mime; smime-type=certs-only"
    kept = validators(
        body,
        last_modified=certificate.not_valid_before_utc,
        expires=now + _DAY,
        max_age=int(_DAY.total_seconds()),
    )
    return Response(headers=(("Content-Type", media), *kept), body=body)


def _open(path: Path) -> _Open:
    file = path.open("rb")
    try:
        size = os.fstat(file.fileno()).st_size
        front = os.pread(file.fileno(), reading.ENDS, 0)
        back = os.pread(file.fileno(), reading.ENDS, max(0, size - reading.ENDS))
        this_update, next_update = reading.times(front)
    except BaseException:
        file.close()
        raise
    return _Open(
        file=file,
        size=size,
        tag=reading.tag(front, back),
        this_update=this_update,
        next_update=next_update,
    )


def _negotiated(environ: WSGIEnvironment, path: Path) -> _Open:
    """Open the CRL, or its compressed copy when the client takes that (RFC 9110 12.5.3)."""
    plain_one = _open(path)
    try:
        copy = path.with_name(f"{path.name}.gz").open("rb")
    except FileNotFoundError:
        return plain_one
    if compressed.tag_of(os.pread(copy.fileno(), compressed.FRONT, 0)) != plain_one.tag:
        copy.close()  # of another CRL: one of the two was replaced in this moment
        return plain_one
    accepted = environ.get("HTTP_ACCEPT_ENCODING", "")
    if not _GZIP.search(accepted) or _NO_GZIP.search(accepted) or "HTTP_RANGE" in environ:
        copy.close()
        return replace(plain_one, varies=True)
    plain_one.file.close()
    size = os.fstat(copy.fileno()).st_size
    return replace(plain_one, file=copy, size=size, packed=True, varies=True)


def _serve(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    found: _Open,
    *,
    kept: Headers,
    slots: BoundedSemaphore,
) -> Iterable[bytes]:
    """Answer with all of the file, a range of it, or only the news that it is unchanged."""
    if found.varies:
        kept = (*kept, ("Vary", "Accept-Encoding"))
    if _is_known(environ, found):
        return _bare(start_response, HTTPStatus.NOT_MODIFIED, kept, found)
    headers: Headers = (("Content-Type", "application/pkix-crl"), *kept)
    headers += (("Content-Encoding", "gzip"),) if found.packed else (("Accept-Ranges", "bytes"),)
    asked = _range(environ, found)
    wanted = range(found.size) if asked is None else asked
    headers += (("Content-Length", str(len(wanted))),)
    if environ["REQUEST_METHOD"] == "HEAD":
        return _bare(start_response, HTTPStatus.OK, headers, found)
    if not wanted:
        return _refuse(environ, start_response, _unsatisfiable(found), found)
    body = _body(environ, found, wanted, slots)
    if body is None:
        return _refuse(environ, start_response, _crowded(), found)
    if asked is None:
        _start(start_response, HTTPStatus.OK, headers)
        return body
    part = ("Content-Range", f"bytes {wanted.start}-{wanted.stop - 1}/{found.size}")
    _start(start_response, HTTPStatus.PARTIAL_CONTENT, (*headers, part))
    return body


def _bare(
    start_response: StartResponse, status: HTTPStatus, headers: Headers, found: _Open
) -> Iterable[bytes]:
    found.file.close()
    _start(start_response, status, headers)
    return []


def _refuse(
    environ: WSGIEnvironment, start_response: StartResponse, refusal: Response, found: _Open
) -> Iterable[bytes]:
    found.file.close()
    return send(environ, start_response, refusal)


def _unsatisfiable(found: _Open) -> Response:
    size = (("Content-Range", f"bytes */{found.size}"),)
    return plain(_UNSATISFIABLE, f"The CRL has {found.size} octets.", size)


def _crowded() -> Response:
    sentence = "Too many clients are loading long CRLs just now; come again in a few seconds."
    return plain(HTTPStatus.SERVICE_UNAVAILABLE, sentence, (("Retry-After", "5"),))


def _start(start_response: StartResponse, status: HTTPStatus, headers: Headers) -> None:
    start_response(f"{status.value} {status.phrase}", list(headers))


def _body(
    environ: WSGIEnvironment, found: _Open, wanted: range, slots: BoundedSemaphore
) -> Iterable[bytes] | None:
    """Return the octets: at once when they are few, else as a stream, None when none is free."""
    if len(wanted) <= _AT_ONCE:
        with found.file:
            return [os.pread(found.file.fileno(), len(wanted), wanted.start)]
    if not slots.acquire(blocking=False):
        return None
    stream = _Stream(found.file, wanted, slots)
    wrapper = environ.get("wsgi.file_wrapper")
    if wrapper is None or len(wanted) < found.size:
        return stream
    sent_by_server: Iterable[bytes] = wrapper(stream, _PIECE)
    return sent_by_server


class _Stream:
    """Part of a file on its way: an iterator for WSGI, and a file for `wsgi.file_wrapper`.

    Whoever sends it calls `close`, also when the client went away; then the slot is free again.
    """

    def __init__(self, file: BinaryIO, wanted: range, slots: BoundedSemaphore) -> None:
        """Send these octets of `file`; the slot is taken already."""
        self._file = file
        self._left = len(wanted)
        self._slots: BoundedSemaphore | None = slots
        self._file.seek(wanted.start)

    def __iter__(self) -> Iterator[bytes]:
        """Return the pieces, which are these."""
        return self

    def __next__(self) -> bytes:
        """Return the next piece."""
        piece = self.read(_PIECE)
        if not piece:
            self.close()
            raise StopIteration
        return piece

    def read(self, most: int) -> bytes:
        """Return the next octets, `most` at most, none at the end."""
        piece = self._file.read(min(most, self._left))
        self._left -= len(piece)
        return piece

    def fileno(self) -> int:
        """Return the file's descriptor, for servers that send files themselves."""
        return self._file.fileno()

    def tell(self) -> int:
        """Return where the next octet lies in the file, for the same servers."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file and free the slot; nothing changes the second time."""
        self._file.close()
        slots, self._slots = self._slots, None
        if slots is not None:
            slots.release()

    def __del__(self) -> None:
        """Close what a server forgot to close."""
        self.close()


def _is_known(environ: WSGIEnvironment, found: _Open) -> bool:
    """Whether the client has this CRL already (RFC 9110 13.1.2, 13.1.3)."""
    tags = environ.get("HTTP_IF_NONE_MATCH")
    if tags is not None:
        named = {each.strip().removeprefix("W/") for each in tags.split(",")}
        return bool(named & {"*", found.etag})
    since = _date(environ.get("HTTP_IF_MODIFIED_SINCE"))
    return since is not None and found.this_update <= since


def _range(environ: WSGIEnvironment, found: _Open) -> range | None:
    """Return the octets asked for: None for all, an empty range when there are none such.

    Several ranges in one request, and one that the client asks for only of another CRL (If-Range),
    are answered with the whole, as RFC 9110 14.2 and 13.1.5 allow.
    """
    match = _RANGE.fullmatch(environ.get("HTTP_RANGE", ""))
    unless = environ.get("HTTP_IF_RANGE")
    if (
        match is None
        or match.group(0) == "bytes=-"
        or environ["REQUEST_METHOD"] != "GET"
        or (unless is not None and unless not in {found.etag, http_date(found.this_update)})
    ):
        return None
    first, last = match.groups()
    if not first:
        return range(max(0, found.size - int(last)), found.size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(found.size, int(last) + 1) if last else found.size)


def _date(text: str | None) -> datetime | None:
    """Return the instant of an HTTP date, None when there is none that can be understood."""
    try:
        instant = None if text is None else parsedate_to_datetime(text)
    except ValueError:
        return None
    return instant if instant is not None and instant.tzinfo is not None else None
