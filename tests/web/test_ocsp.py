"""OCSP over HTTP, without a server: what each method, path and header gives."""

import base64
import hashlib
from datetime import timedelta
from urllib.parse import quote
from wsgiref.types import WSGIApplication

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from core.clock import SetClock
from core.database import Database
from tests.support import relying
from tests.support.hostile import HOSTILE
from tests.support.relying import Scene, ask, told
from tests.support.wsgi import Reply, call
from web.ocsp import OcspApp, decode
from web.responder import health, router


@pytest.fixture
def steady(sqlite_db: Database, clock: SetClock) -> Scene:
    """A CA whose delegate has an RSA key: its signatures repeat, octet for octet."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return relying.scene(sqlite_db, clock, responder_key=key)


def _app(scene: Scene, **settings: object) -> WSGIApplication:
    return router({"ocsp": OcspApp(scene.responder(**settings))})


def _post(app: WSGIApplication, body: bytes, **headers: str) -> Reply:
    headers = {"CONTENT_TYPE": "application/ocsp-request"} | headers
    return call(app, "/ocsp", method="POST", body=body, headers=headers)


def _get(app: WSGIApplication, data: bytes, method: str = "GET", **headers: str) -> Reply:
    return call(app, "/ocsp/" + base64.b64encode(data).decode(), method=method, headers=headers)


def test_post(scene: Scene) -> None:
    """A POST is answered with 200, the media type and the length (RFC 6960 A.2)."""
    reply = _post(_app(scene), ask(scene.issuer_der, scene.issue().serial))
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/ocsp-response"
    assert reply.headers["content-length"] == str(len(reply.body))
    assert told(reply.body) == ["good"]


def test_get_carries_cache_headers(scene: Scene) -> None:
    """A GET tells caches all that RFC 9919 7.2 wants, and nothing that forbids keeping."""
    reply = _get(_app(scene), ask(scene.issuer_der, scene.issue().serial))
    assert told(reply.body) == ["good"]
    assert reply.headers["etag"] == f'"{hashlib.sha256(reply.body).hexdigest()}"'
    assert reply.headers["last-modified"] == "Fri, 01 Mar 2024 02:00:00 GMT"
    assert reply.headers["expires"] == "Sat, 02 Mar 2024 02:00:00 GMT"
    assert reply.headers["cache-control"] == ("max-age=300, public, no-transform, must-revalidate")


def test_max_age_ends_with_the_answer(scene: Scene) -> None:
    """Unknown certificates may be issued at once, so nobody keeps that answer for long."""
    reply = _get(_app(scene), ask(scene.issuer_der, 1))
    assert reply.headers["cache-control"].startswith("max-age=10, public")


def test_nonce_is_for_one(scene: Scene) -> None:
    """An answer to a nonce has no validator, and no shared cache may keep it."""
    reply = _get(_app(scene), ask(scene.issuer_der, 1, nonce=b"n" * 16))
    assert reply.headers["cache-control"] == "max-age=0, private, must-revalidate"
    assert not {"etag", "expires", "last-modified"} & reply.headers.keys()


def test_errors_are_not_kept(scene: Scene) -> None:
    """An error answer is 200, and no cache keeps it (RFC 9919 7.2)."""
    reply = _post(_app(scene), b"no request")
    assert (reply.status, relying.status_of(reply.body)) == (200, "malformed_request")
    assert reply.headers["cache-control"] == "no-store"


def test_head(steady: Scene) -> None:
    """HEAD gives the fields of GET and no body."""
    scene = steady
    app, data = _app(scene), ask(scene.issuer_der, scene.issue().serial)
    head, get = _get(app, data, method="HEAD"), _get(app, data)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    assert head.headers["content-type"] == "application/ocsp-response"


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_not_modified(steady: Scene, form: str) -> None:
    """A client that has the answer already gets 304 without a body."""
    scene = steady
    app, data = _app(scene), ask(scene.issuer_der, scene.issue().serial)
    tag = _get(app, data).headers["etag"]
    reply = _get(app, data, HTTP_IF_NONE_MATCH=form.format(tag))
    assert (reply.status, reply.body) == (304, b"")
    assert reply.headers["etag"] == tag
    assert "content-length" not in reply.headers
    assert _get(app, data, HTTP_IF_NONE_MATCH='"other"').status == 200
    assert _post(app, data, HTTP_IF_NONE_MATCH=tag).status == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods(scene: Scene, method: str) -> None:
    """Other methods are 405 and the answer lists those that work."""
    reply = call(_app(scene), "/ocsp", method=method)
    assert reply.status == 405
    assert reply.headers["allow"] == "GET, HEAD, POST"


def _spoken(data: bytes) -> dict[str, str]:
    """The ways in which clients write base64 into a path."""
    plain = base64.b64encode(data).decode()
    return {
        "plain": plain,
        "url-safe": base64.urlsafe_b64encode(data).decode(),
        "no padding": plain.rstrip("="),
        "url-safe, no padding": base64.urlsafe_b64encode(data).decode().rstrip("="),
        "encoded twice": quote(plain, safe=""),
        "plus as blank": plain.replace("+", " "),
        "double slash before": "/" + plain,
        "line feed": plain + "\n",
    }


@pytest.mark.parametrize("way", _spoken(b""))
def test_ways_of_base64(scene: Scene, way: str) -> None:
    """GET is understood in every way in which clients write base64 into a path."""
    app, issuer = _app(scene), scene.issuer_der
    for serial in range(2**64, 2**64 + 60):  # `+`, `/` and every padding come up among these
        data = ask(issuer, serial, algorithm="sha256")
        reply = call(app, "/ocsp/" + _spoken(data)[way])
        (single,) = relying.singles(reply.body)
        assert single["cert_id"]["serial_number"].native == serial


def test_slashes_are_not_merged() -> None:
    """Two slashes inside the base64 stay two slashes."""
    data = b"\x00\x0f\xff\xff\xff"
    assert "//" in base64.b64encode(data).decode()
    assert decode(base64.b64encode(data).decode()) == data


def test_long_get(scene: Scene) -> None:
    """A GET of far more than 255 octets works."""
    data = ask(scene.issuer_der, *range(1, 40))
    assert len(told(_get(_app(scene), data).body)) == 39


@pytest.mark.parametrize(
    "text", ["", "a", "!!!!", "MEI=MEI=", "\x00", "../../etc/passwd", "é", "MEI%", "%", "=", "===="]
)
def test_bad_base64(scene: Scene, text: str) -> None:
    """What is no base64 of a request is malformed, not a fault."""
    reply = call(_app(scene), "/ocsp/" + text)
    assert (reply.status, relying.status_of(reply.body)) == (200, "malformed_request")


def test_too_long_path(scene: Scene) -> None:
    """A path longer than any allowed request is 414."""
    assert call(_app(scene, most_bytes=1000), "/ocsp/" + "A" * 5000).status == 414


@pytest.mark.parametrize("length", [1001, 2**20, 10 * 2**20])
def test_too_large_body(scene: Scene, length: int) -> None:
    """A body over the limit is 413, announced or not, and is not read to its end."""
    app = _app(scene, most_bytes=1000)
    assert _post(app, bytes(length)).status == 413
    assert _post(app, bytes(length), CONTENT_LENGTH="").status == 413


@pytest.mark.parametrize(
    ("announced", "status"), [("-1", 400), ("1, 1", 400), ("x", 400), ("9" * 5000, 413)]
)
def test_bad_content_length(scene: Scene, announced: str, status: int) -> None:
    """A Content-Length that is no number is 400, an absurd one 413."""
    environ = {"CONTENT_LENGTH": announced}
    app = OcspApp(scene.responder())
    assert app.refuse(environ).status == status  # type: ignore[union-attr]


def test_wrong_content_type(scene: Scene) -> None:
    """A wrong or absent content type does not keep a request from its answer."""
    app, data = _app(scene), ask(scene.issuer_der, scene.issue().serial)
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert told(_post(app, data, CONTENT_TYPE=kind).body) == ["good"]


def test_compressed_body(scene: Scene) -> None:
    """A compressed body is 415."""
    assert _post(_app(scene), b"\x1f\x8b", HTTP_CONTENT_ENCODING="gzip").status == 415


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile(scene: Scene, data: bytes) -> None:
    """Hostile requests get malformedRequest by either method, and the good one its answer after."""
    app = _app(scene)
    good = ask(scene.issuer_der, scene.issue().serial)
    for reply in (_post(app, data), _get(app, data)):
        assert (reply.status, relying.status_of(reply.body)) == (200, "malformed_request")
    assert told(_post(app, good).body) == ["good"]


def test_flipped_octets(scene: Scene) -> None:
    """With any octet of a good request flipped, nothing fails and no stranger becomes good."""
    app, issuer = _app(scene), scene.issuer_der
    serial = scene.issue().serial
    data = ask(issuer, serial)
    for at in range(len(data)):
        for mask in (0x01, 0x80, 0xFF):
            spoilt = data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]
            reply = _post(app, spoilt)
            assert reply.status == 200
            if relying.status_of(reply.body) == "successful" and told(reply.body) == ["good"]:
                (single,) = relying.singles(reply.body)
                assert single["cert_id"]["serial_number"].native == serial
    assert told(_post(app, data).body) == ["good"]


def test_hold_then_release(scene: Scene) -> None:
    """A hold shows at once, and so does its release."""
    app, certificate = _app(scene), scene.issue()
    data = ask(scene.issuer_der, certificate.serial)
    seen = [told(_get(app, data).body)]
    scene.suspend(certificate)
    seen.append(told(_get(app, data).body))
    scene.clock.move_to(scene.clock.now() + timedelta(seconds=1))  # type: ignore[attr-defined]
    scene.restore(certificate)
    seen.append(told(_get(app, data).body))
    assert seen == [["good"], ["certificate_hold"], ["good"]]


def test_router() -> None:
    """An unknown address is 404 in plain text; a path is handed over uncleaned."""
    app = router({"health": health(list)})
    for path in ("/", "/other", "//health/live", "/healthy", "/health/dead"):
        reply = call(app, path)
        assert (reply.status, reply.headers["content-type"][:10]) == (404, "text/plain")


def test_health() -> None:
    """Live is 200 while the process answers; ready is 503 with the sentences of what is wrong."""
    troubles: list[str] = []
    app = router({"health": health(lambda: troubles)})
    assert call(app, "/health/live").body == b"live\n"
    assert call(app, "/health/ready").status == 200
    troubles.append("The token is away.")
    reply = call(app, "/health/ready")
    assert (reply.status, reply.body) == (503, b"The token is away.\n")
    assert call(app, "/health/live").status == 200
    assert call(app, "/health/ready", method="POST").status == 405
