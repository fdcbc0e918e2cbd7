"""The portal's pages and JSON: what is asked, what is told, in both languages."""

from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient

from ca.model import Act, Certificate
from core import serials
from core.clock import SetClock
from core.database import Database
from core.errors import NotFound
from policy import access, orders, sweep
from policy.model import Party, Request, SubscriberKind, Wanted
from policy.rulebook import Rulebook
from tests.support.dossiers import ANNOUNCED_AT, HOLD_AT, REVOKE_AT, RULES
from tests.support.office import Bureau, person, taints
from web.portal import site, words

VI, EN = words.WORDS["vi"], words.WORDS["en"]


@pytest.fixture
def bureau(sqlite_db: Database, clock: SetClock) -> Bureau:
    """KH00001 lacks its contract and is held since 20 April; KH00002 is good; it is 21 April."""
    return _town(sqlite_db, clock)


def _town(db: Database, clock: SetClock) -> Bureau:
    made = Bureau(db, clock)
    made.enrol("KH00001", without=["contract"])
    made.enrol("KH00002", SubscriberKind.STAFF)
    made.move(ANNOUNCED_AT)
    made.campaign()
    made.move(HOLD_AT)
    sweep.enforce(made.office, "spring", Act.SUSPEND)
    made.move("2024-04-21 09:00")
    return made


def _of(bureau: Bureau, name: str) -> Certificate:
    return bureau.all_of(name)[0]


def _hex(bureau: Bureau, name: str) -> str:
    return serials.to_hex(_of(bureau, name).serial)


@pytest.mark.parametrize(("lang", "t"), [("vi", VI), ("en", EN)])
def test_look_up_by_tax_code(
    bureau: Bureau, client: FlaskClient, lang: str, t: dict[str, str]
) -> None:
    """A tax code shows status, serial, holds and missing papers in the reader's language."""
    page = client.get("/", query_string={"q": "9900000001", "lang": lang})
    text = page.get_data(as_text=True)
    assert page.status_code == 200
    assert f'<html lang="{lang}">' in text
    words_told = (t["hold"], t["dossier_incomplete"], t["dossier_hold"], f"{t['lacking']}: 1")
    for word in (*words_told, "24:00 01/05/2024", _hex(bureau, "KH00001")):
        assert word in text
    assert "<li>" not in text


@pytest.mark.parametrize(("lang", "t"), [("vi", VI), ("en", EN)])
def test_look_up_code_names_the_papers(
    bureau: Bureau, client: FlaskClient, lang: str, t: dict[str, str]
) -> None:
    """The subscriber posts the look-up code and reads which papers lack; a wrong code says less."""
    code = access.give_code(bureau.office, "KH00001")
    asked = {"q": "9900000001", "lang": lang}
    page = client.post("/subscriber", query_string=asked, data={"code": code})
    text = page.get_data(as_text=True)
    assert f"<li>{'hợp đồng' if lang == 'vi' else 'contract'}</li>" in text
    assert code not in text
    assert t["code"] not in text
    wrong = client.post("/subscriber", query_string=asked, data={"code": code[::-1]})
    assert "<li>" not in wrong.get_data(as_text=True)
    in_address = client.get("/", query_string=asked | {"code": code})
    assert "<li>" not in in_address.get_data(as_text=True)


def test_language_is_changed_after_the_code(bureau: Bureau, client: FlaskClient) -> None:
    """The page that a code opened leads to the other language by an address without the code."""
    code = access.give_code(bureau.office, "KH00001")
    page = client.post("/subscriber?q=KH00001&lang=vi", data={"code": code})
    assert 'href="/?q=KH00001&amp;lang=en"' in page.get_data(as_text=True)
    serial = _hex(bureau, "KH00001")
    moved = client.post(f"/subscriber?q={serial}", data={"code": code})
    assert (moved.status_code, moved.headers["Location"]) == (303, f"/status/{serial}")


def test_vietnamese_is_the_first_language(client: FlaskClient) -> None:
    """Without a choice, and with one that does not exist, pages are Vietnamese."""
    for path in ("/", "/?lang=", "/?lang=fr", "/?lang=%3Cb%3E"):
        assert VI["question"] in client.get(path).get_data(as_text=True)


def test_both_languages_have_all_words() -> None:
    """No word is missing in one language, and none is empty."""
    assert VI.keys() == EN.keys()
    assert all(VI.values())
    assert all(EN.values())


def test_complete_dossier_is_said_to_be_so(client: FlaskClient) -> None:
    """A good certificate with all its papers shows both."""
    text = client.get("/?q=KH00002&lang=en").get_data(as_text=True)
    assert EN["good"] in text
    assert EN["dossier_complete"] in text
    assert EN["lacking"] not in text


def test_serial_leads_to_its_page(bureau: Bureau, client: FlaskClient) -> None:
    """A serial in the box leads to the certificate's page, in the same language and form."""
    serial = _hex(bureau, "KH00002")
    moved = client.get(f"/?q={serial}&lang=en&format=json")
    assert moved.status_code == 302
    assert moved.headers["Location"] == f"/status/{serial}?lang=en&format=json"
    pairs = ":".join(serial[start : start + 2] for start in range(0, 32, 2))
    for written in (serial.lower(), f"0x{serial}", pairs):
        page = client.get("/", query_string={"q": written, "lang": "en"}, follow_redirects=True)
        assert EN["good"] in page.get_data(as_text=True)


def test_status_page_of_a_held_certificate(bureau: Bureau, client: FlaskClient) -> None:
    """The page names status, since when in local time, reason and clause."""
    text = client.get(f"/status/{_hex(bureau, 'KH00001')}").get_data(as_text=True)
    for told in (VI["hold"], "20/04/2024 00:00:00", "certificateHold", "130/2018:28(1)(d)"):
        assert told in text
    assert VI["final"] not in text


def test_status_page_of_a_revoked_certificate(bureau: Bureau, client: FlaskClient) -> None:
    """A revoked certificate is said to be so for ever."""
    stop = Request(by=Party.SUBSCRIBER, ground="key_lost", verified=True)
    orders.ask(bureau.office, _of(bureau, "KH00002").serial, Wanted.REVOKE, stop)
    text = client.get(f"/status/{_hex(bureau, 'KH00002')}?lang=en").get_data(as_text=True)
    for told in (EN["revoked"], EN["final"], "keyCompromise", "21/04/2024 09:00:00"):
        assert told in text


def test_json_of_a_certificate(bureau: Bureau, client: FlaskClient) -> None:
    """Programs get the same answer as JSON, by the Accept field or by ?format=json."""
    certificate = _of(bureau, "KH00001")
    path = f"/status/{_hex(bureau, 'KH00001')}"
    answer = client.get(path, headers={"Accept": "application/json"})
    assert answer.mimetype == "application/json"
    assert answer.get_json() == client.get(f"{path}?format=json").get_json()
    assert answer.get_json() == {
        "serial": _hex(bureau, "KH00001"),
        "status": "hold",
        "since": "2024-04-19T17:00:00+00:00",
        "reason": "certificateHold",
        "clause": answer.get_json()["clause"],
        "holds": [],
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
        "at": "2024-04-21T02:00:00+00:00",
        "undelivered_notices": [],
    }


def test_json_of_a_subscriber(bureau: Bureau, client: FlaskClient) -> None:
    """The look-up gives every certificate with holds and missing papers."""
    (found,) = client.get("/?q=KH00001&format=json").get_json()["certificates"]
    assert (found["status"], found["holds"]) == ("hold", ["dossier"])
    told = {key: found[key] for key in ("dossier", "documents_lacking", "missing_documents")}
    assert told == {"dossier": "incomplete", "documents_lacking": 1, "missing_documents": []}
    assert found["until"] == REVOKE_AT.astimezone(UTC).isoformat()
    (step,) = found["next_steps"]
    assert step["key"] == "send_or_lose"
    assert "24:00 01/05/2024" in step["vi"]
    assert "24:00 01/05/2024" in step["en"]
    code = access.give_code(bureau.office, "KH00001")
    named = client.post("/subscriber?q=KH00001&format=json", data={"code": code}).get_json()
    documents = named["certificates"][0]["missing_documents"]
    assert documents == [{"vi": "hợp đồng", "en": "contract"}]


@pytest.mark.parametrize(
    ("at", "status"),
    [
        ("2024-04-19T23:59:59", "good"),
        ("2024-04-20T00:00:00", "hold"),
        ("2024-04-20 00:00:00", "hold"),
        ("2024-04-19T16:59:59Z", "good"),
        ("2024-04-20T00:00:00+07:00", "hold"),
        ("2024-04-19T23:59:59-00:01", "hold"),
        ("2024-02-28", "not_yet_valid"),
        ("0001-01-02T00:00:00", "not_yet_valid"),
    ],
)
def test_was_it_valid_then(bureau: Bureau, client: FlaskClient, at: str, status: str) -> None:
    """A past instant is answered from history; without a zone it is local, as invoices have it."""
    query = {"at": at, "format": "json"}
    answer = client.get(f"/status/{_hex(bureau, 'KH00001')}", query_string=query).get_json()
    assert answer["status"] == status
    assert datetime.fromisoformat(answer["at"]).tzinfo is not None


def test_plus_of_the_zone_may_be_unescaped(bureau: Bureau, client: FlaskClient) -> None:
    """The + of a zone that arrives as a blank is understood."""
    path = f"/status/{_hex(bureau, 'KH00001')}?format=json&at=2024-04-20T00:00:00+07:00"
    assert client.get(path).get_json()["status"] == "hold"


def test_page_names_the_instant_asked_about(bureau: Bureau, client: FlaskClient) -> None:
    """An answer about the past says of which instant it speaks, in local time."""
    path = f"/status/{_hex(bureau, 'KH00001')}?lang=en&at=2024-04-01T12:00:00"
    text = client.get(path).get_data(as_text=True)
    assert f"<dt>{EN['at']}</dt><dd>01/04/2024 12:00:00</dd>" in text
    assert EN["good"] in text


@pytest.mark.parametrize(
    "at",
    [
        "2024-04-21T09:00:01",
        "2034-01-01T00:00:00Z",
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
        "0001-01-01T00:00:00",
        "yesterday",
        "2024-04-31T00:00:00",
        "1713546000",
        "",
    ],
)
def test_instants_that_cannot_be_answered(bureau: Bureau, client: FlaskClient, at: str) -> None:
    """The future and what is no instant are refused with a sentence, never guessed at."""
    query = {"at": at, "format": "json"}
    answer = client.get(f"/status/{_hex(bureau, 'KH00001')}", query_string=query)
    assert answer.status_code == 400
    assert answer.mimetype == "application/problem+json"
    assert answer.get_json()["title"].startswith("The instant ")


def test_expired_certificate_is_told(bureau: Bureau, client: FlaskClient) -> None:
    """After its last second a certificate is said to be expired, since then."""
    end = _of(bureau, "KH00002").not_after
    bureau.move(end)
    bureau.tick()
    answer = client.get(f"/status/{_hex(bureau, 'KH00002')}?format=json").get_json()
    assert (answer["status"], answer["since"]) == ("expired", end.isoformat())


@pytest.mark.parametrize("path", ["/", "/?q=KH{n}", "/?q={code}", "/status/{serial}"])
@pytest.mark.parametrize("form", ["html", "json"])
def test_no_answer_names_a_person(
    bureau: Bureau, client: FlaskClient, path: str, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    """No page, no JSON and no log line of the portal holds a personal value."""
    caplog.set_level("DEBUG")
    for number in (1, 2):
        name = f"KH{number:05}"
        asked = path.format(n=f"{number:05}", code=f"99{number:08}", serial=_hex(bureau, name))
        accept = "application/json" if form == "json" else "text/html"
        told = client.get(asked, headers={"Accept": accept}).get_data(as_text=True) + caplog.text
        code = access.give_code(bureau.office, name)
        asking = {"q": name, "format": form}
        told += client.post("/subscriber", query_string=asking, data={"code": code}).text
        for value in taints(person(name)):
            assert value not in told


def test_personal_values_find_nothing(client: FlaskClient) -> None:
    """Names, phones, mail addresses and document numbers are no way in."""
    for value in taints(person("KH00002")):
        answer = client.get("/", query_string={"q": value, "format": "json"}, follow_redirects=True)
        assert answer.status_code in (200, 404)
        assert answer.get_json().get("certificates", []) == []


def test_every_kind_of_answer_on_every_database(db: Database, db_url: str, clock: SetClock) -> None:
    """Look-ups, status now and then, and refusals are the same on SQLite and PostgreSQL."""
    bureau = _town(db, clock)
    reading = Database(db_url, read_only=True)
    client = site.build(reading, clock, lambda _now: RULES, zone=RULES.calendar.zone).test_client()
    serial = _hex(bureau, "KH00001")
    answers = {
        path: client.get(f"{path}&format=json").status_code
        for path in (
            "/?q=KH00001",
            "/?q=9900000001",
            "/?q=%00",
            "/?q=KH%00",
            f"/status/{serial}?x=",
            f"/status/{serial}?at=0001-01-02",
            f"/status/{serial}?at=2024-04-20T00:00:00",
            "/status/4F0A12C3?x=",
        )
    }
    reading.dispose()
    assert list(answers.values()) == [200, 200, 400, 400, 200, 200, 200, 404]


def test_answers_without_a_rulebook_in_force(bureau: Bureau, sqlite_url: str) -> None:
    """When the last rulebook has ended, status is told all the same, and nothing of dossiers."""

    def none(_now: datetime) -> Rulebook:
        raise NotFound("No rulebook is in force.")

    reading = Database(sqlite_url, read_only=True)
    zone = RULES.calendar.zone
    client = site.build(reading, bureau.clock, none, zone=zone).test_client()
    serial = _hex(bureau, "KH00001")
    for path in (f"/status/{serial}?lang=en", "/?q=KH00001&lang=en"):
        text = client.get(path).get_data(as_text=True)
        assert EN["hold"] in text
        assert EN["dossier"] + "<" not in text
    reading.dispose()


def test_health(client: FlaskClient) -> None:
    """The process says that it lives."""
    assert client.get("/health/live").get_data(as_text=True) == "live"
