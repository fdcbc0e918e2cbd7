"""The portal before hostile callers: refusals are plain pages, nothing is echoed unescaped."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from core.clock import SetClock
from core.database import Database
from tests.support.dossiers import RULES
from tests.support.office import Bureau
from web.portal import site, words

SCRIPT = '<script>alert("x")</script>'
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


@pytest.fixture
def client(sqlite_db: Database, sqlite_url: str, clock: SetClock) -> Iterator[FlaskClient]:
    """A client of a portal with one certificate, over a handle that can only read."""
    Bureau(sqlite_db, clock).enrol("KH00001")
    reading = Database(sqlite_url, read_only=True)
    yield site.build(reading, clock, lambda _now: RULES, zone=RULES.calendar.zone).test_client()
    reading.dispose()


@pytest.mark.parametrize(
    "query",
    [
        "x" * 65,
        "x" * 20_000,
        "KH\x0000001",
        "\x00",
        "a\nb",
        "\u202eKH00001",
        "KH\u202800001",
    ],
)
def test_impossible_questions_are_refused(client: FlaskClient, query: str) -> None:
    """What is too long or holds what cannot be seen is refused."""
    answer = client.get("/", query_string={"q": query, "format": "json"})
    assert answer.status_code == 400
    assert answer.get_json()["title"].startswith("The question ")
    assert len(answer.data) < 1000


@pytest.mark.parametrize(
    "query",
    [
        "' OR 1=1 --",
        "%",
        "_",
        "KH00001; DROP TABLE subscriber",
        "../../etc/passwd",
        "{{7*7}}",
        "${x}",
    ],
)
def test_strange_questions_find_nothing(client: FlaskClient, query: str) -> None:
    """Whatever else is asked is looked up as it stands, and finds nothing."""
    answer = client.get("/", query_string={"q": query, "lang": "en"})
    assert answer.status_code == 200
    assert words.WORDS["en"]["nothing"] in answer.get_data(as_text=True)
    assert "49" not in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    "path", ["/?q={}", "/?q=1&lang={}", "/status/{}", "/status/4F?at={}", "/{}", "/?{}=1&q=x"]
)
def test_nothing_is_echoed_unescaped(client: FlaskClient, path: str) -> None:
    """A script in any part of a question comes back escaped, or not at all."""
    for lang in ("", "&lang=en"):
        asked = path.format(quote(SCRIPT, safe="")) + (lang if "?" in path else "")
        text = client.get(asked, follow_redirects=True).get_data(as_text=True)
        assert "<script" not in text
        assert 'alert("x")' not in text


@pytest.mark.parametrize(
    "path",
    [
        "/static/../site.py",
        "/static/..%2Fsite.py",
        "/static/%2e%2e/words.py",
        "/static//etc/passwd",
        "/static/portal.css%00.html",
        "/status/../../etc/passwd",
        "/..%2f..%2fetc/passwd",
    ],
)
def test_no_way_out_of_the_folder(client: FlaskClient, path: str) -> None:
    """Paths that climb lead nowhere, and no source or system file is served."""
    answer = client.get(path, follow_redirects=True)
    assert answer.status_code in (400, 404)
    for part in (b"import", b"root:", b"def "):
        assert part not in answer.data


@pytest.mark.parametrize("serial", ["0", "-1", "4G", "F" * 41, "x" * 20_000, "%00", "١٢٣"])
def test_what_is_no_serial_is_refused(client: FlaskClient, serial: str) -> None:
    """What cannot be a serial gets a short sentence."""
    answer = client.get(f"/status/{serial}?lang=en")
    assert answer.status_code == 400
    assert "is not a positive hex number" in answer.get_data(as_text=True)
    assert len(answer.data) < 4000


@pytest.mark.parametrize(
    ("path", "status"), [("/status/4F0A12C3", 404), ("/nowhere", 404), ("/status/", 404)]
)
@pytest.mark.parametrize("lang", ["vi", "en"])
def test_page_of_what_is_not_there(client: FlaskClient, path: str, status: int, lang: str) -> None:
    """What does not exist gets our own page, in the reader's language, with a way back."""
    answer = client.get(f"{path}?lang={lang}")
    text = answer.get_data(as_text=True)
    assert answer.status_code == status
    assert words.WORDS[lang]["trouble"] in text
    assert f'href="/?lang={lang}"' in text
    assert ("was not found" in text or "No certificate has" in text) == (lang == "en")


def test_problems_are_documents_for_programs(client: FlaskClient) -> None:
    """Programs get a problem document of RFC 9457 instead of a page."""
    answer = client.get("/status/4F0A12C3", headers={"Accept": "application/json"})
    assert answer.mimetype == "application/problem+json"
    assert answer.get_json() == {
        "type": "about:blank",
        "title": "No certificate has the serial 4F0A12C3.",
        "status": 404,
    }


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_the_portal_only_answers_questions(client: FlaskClient, method: str) -> None:
    """Every method that could change something is refused."""
    answer = client.open("/", method=method, data=b"q=KH00001")
    assert answer.status_code == 405


@pytest.mark.parametrize(
    "path",
    ["/", "/?q=KH00001", "/?q=4F", "/status/4F", "/status/0", "/nowhere", "/static/portal.css"],
)
def test_every_answer_is_hardened(client: FlaskClient, path: str) -> None:
    """Pages, redirects, files and refusals all carry the security headers, and set no cookie."""
    with client.get(path) as answer:
        headers = answer.headers
    for name, value in HEADERS.items():
        assert headers[name] == value
    policy = headers["Content-Security-Policy"]
    for part in ("default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
        assert part in policy
    assert "unsafe" not in policy
    assert "Set-Cookie" not in headers


def test_answers_are_not_stored(client: FlaskClient) -> None:
    """A status is never answered from somebody's cache."""
    assert client.get("/status/4F").headers["Cache-Control"] == "no-store"


def test_our_own_failure_is_a_plain_page(tmp_path: Path, clock: SetClock) -> None:
    """Without its database the portal says that it cannot answer, and shows nothing of itself."""
    (tmp_path / "empty.db").touch()
    db = Database(f"sqlite:///{tmp_path}/empty.db", read_only=True)
    client = site.build(db, clock, lambda _now: RULES, zone=RULES.calendar.zone).test_client()
    answer = client.get("/?q=KH00001&lang=en")
    text = answer.get_data(as_text=True)
    assert answer.status_code == 500
    assert words.WORDS["en"]["failed"] in text
    for part in ("Traceback", "sqlite", "SELECT", str(tmp_path)):
        assert part not in text
    db.dispose()
