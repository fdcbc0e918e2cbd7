"""The portal as people see it: a headless Chromium looks certificates up in both languages."""

import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from werkzeug.serving import make_server

from ca.model import Act
from core import serials
from core.clock import SetClock
from core.database import Database
from policy import access, sweep
from tests.support import ahead
from tests.support.dossiers import ANNOUNCED_AT, HOLD_AT, RULES
from tests.support.office import Bureau
from web.portal import site, words

VI, EN = words.WORDS["vi"], words.WORDS["en"]
CHROMIUM = "/usr/bin/chromium"
_ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture
def bureau(sqlite_db: Database, clock: SetClock) -> Bureau:
    """KH00001 lacks its contract and is held since 20 April 2024; it is 21 April."""
    made = Bureau(sqlite_db, clock)
    made.enrol("KH00001", without=["contract"])
    made.move(ANNOUNCED_AT)
    made.campaign()
    made.move(HOLD_AT)
    sweep.enforce(made.office, "spring", Act.SUSPEND)
    made.move("2024-04-21 09:00")
    return made


@pytest.fixture
def address(bureau: Bureau, sqlite_url: str) -> Iterator[str]:
    """Where the portal is served, on the loopback."""
    db = Database(sqlite_url, read_only=True)
    portal = site.build(db, bureau.clock, lambda _now: RULES, zone=RULES.calendar.zone)
    server = make_server("127.0.0.1", 0, portal, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()
    db.dispose()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium that keeps the machine's own clock and calls nobody."""
    # The tests may run under another clock; a browser does not start under one.
    own = ahead.without()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=_ARGUMENTS, env={**own}, timeout=60_000
        )
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of its own; every error that it reports fails the test."""
    context = browser.new_context()
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on(
        "console",
        lambda said: errors.append(said.text) if "Content Security Policy" in said.text else None,
    )
    yield opened
    context.close()
    assert errors == []


def test_people_look_a_certificate_up(page: Page, bureau: Bureau, address: str) -> None:
    """By tax code in Vietnamese, on to the certificate, over to English, and back by serial."""
    serial = serials.to_hex(bureau.all_of("KH00001")[0].serial)
    page.goto(address)
    expect(page).to_have_title(VI["title"])
    page.get_by_label(VI["question"]).fill("9900000001")
    page.get_by_role("button", name=VI["look_up"]).click()
    card = page.locator("article.card")
    expect(card).to_have_count(1)
    expect(card.get_by_role("heading")).to_have_text(VI["hold"])
    expect(card).to_contain_text(VI["dossier_hold"])
    page.get_by_label(VI["code"]).fill(access.give_code(bureau.office, "KH00001"))
    page.get_by_role("button", name=VI["look_up"]).last.click()
    expect(card.get_by_role("listitem")).to_have_text("hợp đồng")

    card.get_by_role("link", name=serial).click()
    expect(page).to_have_url(f"{address}/status/{serial}?lang=vi")
    expect(card).to_contain_text("20/04/2024 00:00:00")

    page.get_by_role("link", name=VI["other"]).click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(card.get_by_role("heading")).to_have_text(EN["hold"])

    page.get_by_role("link", name=EN["back"]).click()
    page.get_by_label(EN["question"]).fill(serial.lower())
    page.get_by_role("button", name=EN["look_up"]).click()
    expect(page).to_have_url(f"{address}/status/{serial.lower()}?lang=en")
    expect(card).to_contain_text("certificateHold")
    seal = page.locator("a.seal")
    assert seal.evaluate("each => getComputedStyle(each).fontFamily")  # the style sheet is let in


def test_people_are_told_what_is_not_there(page: Page, address: str) -> None:
    """An unknown code finds nothing, an unknown serial has its page, a script stays text."""
    page.goto(f"{address}/?lang=en")
    page.get_by_label(EN["question"]).fill("<script>document.title = 'x'</script>")
    page.get_by_role("button", name=EN["look_up"]).click()
    expect(page.get_by_text(EN["nothing"])).to_be_visible()
    expect(page).to_have_title(EN["title"])
    expect(page.get_by_label(EN["question"])).to_have_value("<script>document.title = 'x'</script>")

    answer = page.goto(f"{address}/status/4F0A12C3?lang=en")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading", name=EN["trouble"])).to_be_visible()
    expect(page.get_by_text("No certificate has the serial 4F0A12C3.")).to_be_visible()
    page.get_by_role("link", name=VI["title"]).or_(
        page.get_by_role("link", name="Tiếng Việt")
    ).click()
    expect(page.get_by_text(VI["not_found"])).to_be_visible()
