"""What reached nobody stands on the look-up site: that there is a notice, and not what it says."""

import pytest
from flask.testing import FlaskClient

from core import serials
from core.clock import SetClock
from core.database import Database
from policy import access, remedy
from policy.cases import CaseEvent
from policy.channels.letters import Bounced
from policy.deliver import deliver_due, retry
from tests.support.dossiers import ANNOUNCED_AT
from tests.support.office import Bureau, person, taints
from tests.support.post import Scripted, post
from web.portal import words

NO = Bounced("The mail server refused the message: 550.")


@pytest.fixture
def bureau(sqlite_db: Database, clock: SetClock) -> Bureau:
    """KH00001 lacks its contract; the reminder of 20 March reached nobody, by no channel."""
    made = Bureau(sqlite_db, clock)
    made.enrol("KH00001", without=["contract"])
    made.enrol("KH00002")
    made.move(ANNOUNCED_AT)
    made.campaign()
    made.tick(days=1)
    deliver_due(made.office, post(Scripted("email", NO), Scripted("sms", NO)))
    return made


def _serial(bureau: Bureau, name: str) -> str:
    return serials.to_hex(bureau.all_of(name)[0].serial)


@pytest.mark.parametrize("lang", ["vi", "en"])
def test_both_pages_say_so(bureau: Bureau, client: FlaskClient, lang: str) -> None:
    """The subscriber's page and the certificate's name the day of the notice, and nobody."""
    t = words.WORDS[lang]
    for path in (
        f"/?q=9900000001&lang={lang}",
        f"/status/{_serial(bureau, 'KH00001')}?lang={lang}",
    ):
        text = client.get(path).get_data(as_text=True)
        assert t["undelivered"] in text
        assert "20/03/2024 16:00:00" in text
        assert t["undelivered_do"] in text
        assert not [each for each in taints(person("KH00001")) if each in text]
    other = client.get(f"/status/{_serial(bureau, 'KH00002')}?lang={lang}").get_data(as_text=True)
    assert t["undelivered"] not in other


def test_as_json(bureau: Bureau, client: FlaskClient) -> None:
    """The answer in JSON has the instants; what was published later is not in an earlier answer."""
    where = f"/status/{_serial(bureau, 'KH00001')}?format=json"
    assert client.get(where).get_json()["undelivered_notices"] == ["2024-03-20T09:00:00+00:00"]
    earlier = client.get(f"{where}&at=2024-03-21T08:00:00").get_json()
    assert earlier["undelivered_notices"] == []


def test_retry_takes_it_away(bureau: Bureau, client: FlaskClient) -> None:
    """Once the notice is out by some channel the site is silent."""
    retry(bureau.office, 1)
    deliver_due(bureau.office, post(Scripted("letter")))
    answer = client.get(f"/status/{_serial(bureau, 'KH00001')}?format=json").get_json()
    assert answer["undelivered_notices"] == []


def test_notice_of_a_case_is_for_its_owner(bureau: Bureau, client: FlaskClient) -> None:
    """That a payment request reached nobody is told to who has the look-up code alone."""
    case = remedy.open_case(bureau.office, "KH00002")
    for event in (CaseEvent.VIDEO_VERIFIED, CaseEvent.PAYMENT_REQUESTED):
        remedy.step(bureau.office, case.id, event)
    deliver_due(bureau.office, post(Scripted("email", NO)))
    code = access.give_code(bureau.office, "KH00002")
    public = client.get("/?q=KH00002&format=json").get_json()["certificates"]
    own = client.post("/subscriber?q=KH00002&format=json", data={"code": code}).get_json()[
        "certificates"
    ]
    assert [each["undelivered_notices"] for each in public] == [[]]
    assert [len(each["undelivered_notices"]) for each in own] == [1]
