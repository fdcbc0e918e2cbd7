"""CRLs and CA certificates over HTTP, without a server: what each method, path and header gives."""

import gzip
import io
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from wsgiref.types import WSGIApplication
from wsgiref.util import FileWrapper

import pytest
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7

from core.clock import SetClock
from core.database import Database
from core.reasons import Reason
from crl import entries
from crl.records import lists
from tests.crl.stage import Stage, raise_stage
from tests.support.wsgi import Reply, call
from web.crl import certificates, crls
from web.responder import router

PATH = "/crl/issuing.crl"
INTERVAL = timedelta(hours=12)


@pytest.fixture
def stage(sqlite_db: Database, clock: SetClock, tmp_path: Path) -> Stage:
    """A CA whose first CRL, with one entry, is out."""
    made = raise_stage(sqlite_db, clock, tmp_path)
    made.revoke(made.issue())
    made.publish()
    return made


@pytest.fixture
def app(stage: Stage) -> WSGIApplication:
    """The responder's addresses for CRLs and certificates."""
    return router(
        {
            "crl": crls(stage.folder, stage.clock, interval=INTERVAL),
            "ca": certificates({"issuing": stage.issuer.issuer.der}, stage.clock),
        }
    )


def _get(app: WSGIApplication, path: str = PATH, method: str = "GET", **headers: str) -> Reply:
    return call(app, path, method=method, headers=headers)


def _date(reply: Reply, name: str) -> datetime:
    return parsedate_to_datetime(reply.headers[name])


def test_whole(app: WSGIApplication, stage: Stage) -> None:
    """A GET gives one DER CRL with its media type, length and dates (RFC 2585, 5280 4.2.1.13)."""
    reply = _get(app)
    now = stage.clock.now()
    assert reply.status == HTTPStatus.OK
    assert reply.body == stage.path().read_bytes()
    assert reply.headers["content-type"] == "application/pkix-crl"
    assert reply.headers["content-length"] == str(len(reply.body))
    assert _date(reply, "last-modified") == now.replace(microsecond=0)
    assert _date(reply, "expires") == now.replace(microsecond=0) + INTERVAL
    assert reply.headers["cache-control"].startswith("max-age=300, public")
    assert "vary" not in reply.headers


def test_cache_ends_with_the_crl(app: WSGIApplication, stage: Stage) -> None:
    """No cache keeps a CRL past the next one's date, nor past nextUpdate."""
    stage.pass_time(INTERVAL - timedelta(seconds=60))
    assert _get(app).headers["cache-control"].startswith("max-age=60,")
    stage.pass_time(timedelta(days=3))
    late = _get(app)
    assert late.headers["cache-control"].startswith("max-age=0,")
    assert _date(late, "expires") < stage.clock.now()


def test_head(app: WSGIApplication, stage: Stage) -> None:
    """HEAD tells what GET would, without the body."""
    head, get = _get(app, method="HEAD"), _get(app)
    assert (head.status, head.body, head.headers) == (HTTPStatus.OK, b"", get.headers)
    assert stage.path().stat().st_size == int(head.headers["content-length"])


def test_unchanged(app: WSGIApplication, stage: Stage) -> None:
    """A client that names the tag or the date of its copy gets 304 until a new CRL is out."""
    first = _get(app)
    tag, date = first.headers["etag"], first.headers["last-modified"]
    for headers in (
        {"HTTP_IF_NONE_MATCH": tag},
        {"HTTP_IF_NONE_MATCH": f'"other", W/{tag}'},
        {"HTTP_IF_NONE_MATCH": "*"},
        {"HTTP_IF_MODIFIED_SINCE": date},
    ):
        reply = _get(app, **headers)
        assert (reply.status, reply.body) == (HTTPStatus.NOT_MODIFIED, b"")
        assert reply.headers["etag"] == tag
        assert "content-type" not in reply.headers
    stage.pass_time()
    stage.publish()
    assert _get(app, HTTP_IF_NONE_MATCH=tag).status == HTTPStatus.OK
    assert _get(app, HTTP_IF_MODIFIED_SINCE=date).status == HTTPStatus.OK


@pytest.mark.parametrize("since", ["yesterday", "", "Fri, 01 Mar 2024 00:00:00 -0000"])
def test_bad_date(app: WSGIApplication, since: str) -> None:
    """A date that cannot be understood is as none."""
    assert _get(app, HTTP_IF_MODIFIED_SINCE=since).status == HTTPStatus.OK


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-9", 5, 10),
        ("bytes=5-", 5, None),
        ("bytes=-7", -7, None),
        ("bytes=0-999999999", 0, None),
        ("bytes=-999999999", 0, None),
    ],
)
def test_range(
    app: WSGIApplication, stage: Stage, asked: str, start: int, stop: int | None
) -> None:
    """A range gives 206 with just those octets (RFC 9110 14)."""
    whole = stage.path().read_bytes()
    reply = _get(app, HTTP_RANGE=asked)
    assert (reply.status, reply.body) == (HTTPStatus.PARTIAL_CONTENT, whole[start:stop])
    begin = start % len(whole)
    end = begin + len(reply.body) - 1
    assert reply.headers["content-range"] == f"bytes {begin}-{end}/{len(whole)}"
    assert reply.headers["content-length"] == str(len(reply.body))


@pytest.mark.parametrize("asked", ["bytes=999999-", "bytes=-0", "bytes=99999-100000"])
def test_range_outside(app: WSGIApplication, stage: Stage, asked: str) -> None:
    """A range behind the end gives 416 with the length."""
    reply = _get(app, HTTP_RANGE=asked)
    assert reply.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
    assert reply.headers["content-range"] == f"bytes */{stage.path().stat().st_size}"


@pytest.mark.parametrize(
    "asked", ["bytes=-", "bytes=9-5", "bytes=0-1,3-4", "lines=1-2", "bytes=a-b", "bytes=1"]
)
def test_range_ignored(app: WSGIApplication, stage: Stage, asked: str) -> None:
    """What is no single range is answered with the whole (RFC 9110 14.2)."""
    reply = _get(app, HTTP_RANGE=asked)
    assert (reply.status, reply.body) == (HTTPStatus.OK, stage.path().read_bytes())


def test_if_range(app: WSGIApplication, stage: Stage) -> None:
    """A client that goes on with an interrupted load gets the rest of the same CRL only."""
    first = _get(app)
    part = {"HTTP_RANGE": "bytes=10-", "HTTP_IF_RANGE": first.headers["etag"]}
    assert _get(app, **part).status == HTTPStatus.PARTIAL_CONTENT
    stage.pass_time()
    stage.publish()
    assert _get(app, **part).body == stage.path().read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/crl/other.crl", "/crl/", "/crl/issuing", "/crl/issuing.crl.gz", "/crl/issuing.pem",
        "/crl/issuing-delta.crl", "/crl/issuing/1.crl", "/crl/../crl/issuing.crl",
        "/crl/..%2fissuing.crl", "/crl//issuing.crl", "/crl/issuing.crl\0", "/crl/issuing.crl/",
        "/crl/issuing.crl\n", "/crl/issuing/history/9.crl", "/crl/issuing/history/../1.crl",
        "/crl/ISSUING.crl", "/crl/issuing.crl/history/1.crl", "/crl/" + "a" * 20_000 + ".crl",
        "/crl/issuing/history/" + "1" * 30 + ".crl", "/ca/other.cer", "/ca/issuing.pem",
        "/ca/issuing.crl", "/ca/",
    ],
)  # fmt: skip
def test_unknown(app: WSGIApplication, path: str) -> None:
    """An unknown name is 404, and never a page that a fetcher could take for a CRL."""
    reply = _get(app, path)
    assert reply.status == HTTPStatus.NOT_FOUND
    assert reply.headers["content-type"].startswith("text/plain")
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", [PATH, "/ca/issuing.cer"])
def test_methods(app: WSGIApplication, method: str, path: str) -> None:
    """Only GET and HEAD are answered."""
    reply = _get(app, path, method)
    assert (reply.status, reply.headers["allow"]) == (HTTPStatus.METHOD_NOT_ALLOWED, "GET, HEAD")


def test_long_query(app: WSGIApplication) -> None:
    """A query says nothing to us, however long it is."""
    assert _get(app, f"{PATH}?{'x' * 20_000}").status == HTTPStatus.OK


def test_history(app: WSGIApplication, stage: Stage) -> None:
    """A CRL is found by its number for as long as it is kept: the evidence of its time."""
    first = stage.path().read_bytes()
    stage.pass_time()
    stage.publish()
    reply = _get(app, "/crl/issuing/history/1.crl")
    assert (reply.status, reply.body) == (HTTPStatus.OK, first)
    assert reply.headers["cache-control"].startswith("max-age=86400,")


def test_not_a_crl(app: WSGIApplication, stage: Stage) -> None:
    """A file that is no CRL is not served as one."""
    stage.path("broken.crl").write_bytes(b"<html>")
    reply = _get(app, "/crl/broken.crl")
    assert reply.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert reply.headers["content-type"].startswith("text/plain")


def _start_reading(app: WSGIApplication) -> tuple[str, Iterable[bytes]]:
    """Ask for the CRL; return the status and the body, not read yet."""
    statuses: list[str] = []

    def start(status: str, _headers: object, _info: object = None) -> Callable[[bytes], object]:
        statuses.append(status)
        return lambda _data: None

    body = app({"REQUEST_METHOD": "GET", "PATH_INFO": PATH}, start)
    return statuses[0][:3], body


@pytest.mark.parametrize("at_once", [0, 1_000_000])
def test_published_while_read(
    app: WSGIApplication, stage: Stage, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Who reads while a new CRL is published gets the old one to its end."""
    monkeypatch.setattr("web.crl._AT_ONCE", at_once)
    before = stage.path().read_bytes()
    _status, body = _start_reading(app)
    stage.pass_time()
    stage.publish()
    assert b"".join(body) == before != stage.path().read_bytes()


def test_slow_clients(app: WSGIApplication, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that take long hold so many threads and no more; the next is told to come again."""
    monkeypatch.setattr("web.crl._AT_ONCE", 0)
    slow = [_start_reading(app) for _ in range(3)]
    assert [status for status, _body in slow] == ["200", "200", "503"]
    assert _get(app, method="HEAD").status == HTTPStatus.OK
    refused = _get(app)
    assert (refused.status, refused.headers["retry-after"]) == (503, "5")
    slow[0][1].close()  # type: ignore[attr-defined] # as a server does when the client is gone
    assert b"".join(slow[1][1]) == stage.path().read_bytes()
    for _ in range(5):
        assert _get(app).status == HTTPStatus.OK
        assert _get(app, HTTP_RANGE="bytes=3-").status == HTTPStatus.PARTIAL_CONTENT


def test_server_sends_the_file(
    app: WSGIApplication, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the server can send files itself, it is given the file, and closes it."""
    monkeypatch.setattr("web.crl._AT_ONCE", 0)
    wrapped: list[object] = []

    def wrapper(file: io.BufferedReader, size: int) -> FileWrapper:
        assert os.pread(file.fileno(), 1, 0) == b"0"
        assert file.tell() == 0
        wrapped.append(file)
        return FileWrapper(file, size)

    environ = {"wsgi.file_wrapper": wrapper}
    for _ in range(3):
        reply = call(app, PATH, headers=environ)  # type: ignore[arg-type] # not a string
        assert reply.body == stage.path().read_bytes()
    assert len(wrapped) == 3


@pytest.fixture
def long_list(stage: Stage) -> Stage:
    """A CA whose CRL is long enough to be worth compressing."""
    now = stage.clock.now()
    with stage.db.begin() as tx:
        owner = stage.issuer.issuer.id
        lines = [
            (serial, now + timedelta(days=9), entries.line(serial, now, Reason.SUPERSEDED))
            for serial in range(1, 2_000)
        ]
        lists.put_entries(tx, owner, lines)
    stage.pass_time()
    # Only the list is made up: the gate would rightly miss these certificates.
    stage.settings = type(stage.settings)(compared_up_to=0)
    return stage


def _publish_unjudged(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crl.publish._judge", lambda *_: [])
    stage.publish()


def test_gzip(app: WSGIApplication, long_list: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long CRL goes out compressed to who asks for that, and every answer says that it varies."""
    _publish_unjudged(long_list, monkeypatch)
    plain = _get(app)
    packed = _get(app, HTTP_ACCEPT_ENCODING="deflate, gzip;q=0.8")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body == long_list.path().read_bytes()
    assert len(packed.body) < len(plain.body)
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
    assert plain.headers["etag"] != packed.headers["etag"]
    assert "content-encoding" not in plain.headers
    again = _get(app, HTTP_ACCEPT_ENCODING="gzip", HTTP_IF_NONE_MATCH=packed.headers["etag"])
    assert (again.status, again.headers["vary"]) == (HTTPStatus.NOT_MODIFIED, "Accept-Encoding")


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_ACCEPT_ENCODING": "gzip;q=0"},
        {"HTTP_ACCEPT_ENCODING": "br"},
        {"HTTP_ACCEPT_ENCODING": "notgzip"},
        {"HTTP_ACCEPT_ENCODING": ""},
        {"HTTP_ACCEPT_ENCODING": "gzip", "HTTP_RANGE": "bytes=0-9"},
    ],
)
def test_no_gzip(
    app: WSGIApplication,
    long_list: Stage,
    monkeypatch: pytest.MonkeyPatch,
    headers: dict[str, str],
) -> None:
    """Who does not take gzip, or wants a range, gets the octets as they are."""
    _publish_unjudged(long_list, monkeypatch)
    assert "content-encoding" not in _get(app, **headers).headers


def test_stale_copy(
    app: WSGIApplication, long_list: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compressed copy of an older CRL is never served for the newest one."""
    _publish_unjudged(long_list, monkeypatch)
    copy = long_list.path("issuing.crl.gz")
    old = copy.read_bytes()
    long_list.pass_time()
    _publish_unjudged(long_list, monkeypatch)
    copy.write_bytes(old)
    reply = _get(app, HTTP_ACCEPT_ENCODING="gzip")
    assert reply.body == long_list.path().read_bytes()
    for torn in (b"", old[:40]):
        copy.write_bytes(torn)
        assert _get(app, HTTP_ACCEPT_ENCODING="gzip").body == reply.body


def test_certificate(app: WSGIApplication, stage: Stage) -> None:
    """The CA's certificate is one DER certificate, or a certs-only message (5280 4.2.2.1)."""
    der = stage.issuer.issuer.der
    cer, p7c = _get(app, "/ca/issuing.cer"), _get(app, "/ca/issuing.p7c")
    assert (cer.body, cer.headers["content-type"]) == (der, "application/pkix-cert")
    assert p7c.headers["content-type"].startswith("application/pkcs7-mime")
    assert pkcs7.load_der_pkcs7_certificates(p7c.body) == [x509.load_der_x509_certificate(der)]
    assert cms.ContentInfo.load(p7c.body)["content_type"].native == "signed_data"
    assert _get(app, "/ca/issuing.cer", HTTP_IF_NONE_MATCH=cer.headers["etag"]).status == 304
    assert _date(cer, "expires") > datetime(2024, 1, 1, tzinfo=UTC)
