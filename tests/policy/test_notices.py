"""Notices: rendered in Vietnamese, written as private files, never lost and never doubled."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from ca.model import Act
from core import serials
from core.errors import Unavailable
from policy import deliver, notices, orders, remedy, sweep, wording
from policy.cases import CaseEvent
from policy.decisions import TOLD
from policy.deliver import deliver_due
from policy.model import Party, Request, SubscriberKind, Wanted
from policy.records import outbox
from policy.rulebook import load
from policy.vault import Vault, new_key
from tests.support.crash import Crash, CrashingDatabase
from tests.support.dossiers import ANNOUNCED_AT, HOLD_AT, PAPERS, REVOKE_AT, RULES, TEXT
from tests.support.office import ORGANISATION, Bureau, person, taints
from tests.support.post import to_folder


@pytest.fixture
def announced(bureau: Bureau) -> Bureau:
    """KH00001 lacks contract and ID and was told so; one notice waits."""
    bureau.enrol("KH00001", without=["contract", "representative_id"])
    bureau.move(ANNOUNCED_AT)
    bureau.campaign()
    return bureau


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The outbox's folder, which is not there yet."""
    return tmp_path / "var" / "outbox"


def _texts(folder: Path) -> dict[str, str]:
    return {each.name[9:-4]: each.read_text("utf-8") for each in sorted(folder.iterdir())}


def test_reminder_names_the_missing_papers(announced: Bureau, folder: Path) -> None:
    """The reminder is addressed to the subscriber and lists every missing paper in Vietnamese."""
    assert deliver_due(announced.office, to_folder(folder)) == 1
    (text,) = _texts(folder).values()
    personal = person("KH00001")
    (certificate,) = announced.all_of("KH00001")
    assert text.startswith(f"To: {personal.email}\nSubject: Hồ sơ của chứng thư số ")
    assert f"\n\nKính gửi: CÔNG TY TNHH SỐ 1 - {personal.holder}\n" in text
    assert f"Hồ sơ đăng ký của chứng thư số {serials.to_hex(certificate.serial)}" in text
    assert "  - hợp đồng\n  - giấy tờ tùy thân của người đại diện pháp luật\n" in text
    assert "đơn đề nghị" not in text


def test_whole_spring_in_letters(announced: Bureau, folder: Path) -> None:
    """Hold and revocation name the local instant and the clause with the contract's condition."""
    announced.move(HOLD_AT)
    sweep.enforce(announced.office, "spring", Act.SUSPEND)
    announced.move(REVOKE_AT)
    sweep.enforce(announced.office, "spring", Act.REVOKE)
    assert deliver_due(announced.office, to_folder(folder)) == 3
    texts = _texts(folder)
    assert "bị tạm dừng từ 00:00 ngày 20/04/2024" in texts["hold"]
    for template, ground in (("hold", "dossier_missing"), ("revoke", "dossier_still_missing")):
        terms = RULES.grounds[ground]
        assert f"Căn cứ: {terms.clause}; {terms.contract_clause}." in texts[template]
    assert "bị thu hồi vĩnh viễn từ 00:00 ngày 02/05/2024" in texts["revoke"]


def test_hold_of_a_complete_dossier_lists_no_paper(lite: Bureau, folder: Path) -> None:
    """Who is held by an authority with all papers in order is not told that any is missing."""
    certificate = lite.enrol("KH00001", SubscriberKind.INDIVIDUAL)
    order = Request(by=Party.AUTHORITY, ground="authority_order", reference="QD-1")
    orders.ask(lite.office, certificate.serial, Wanted.SUSPEND, order)
    deliver_due(lite.office, to_folder(folder))
    (text,) = _texts(folder).values()
    assert f"\nKính gửi: {person('KH00001').holder}\n" in text
    assert "  (không)" in text
    assert "130/2018:28(1)(c)" in text


def test_both_ends_of_the_remedy_in_letters(lite: Bureau, folder: Path) -> None:
    """Activation, forfeiture and an unpaid case each have their own letter."""
    for name in ("KH00001", "KH00002", "KH00003"):
        lite.enter(name)
    for name, papers in (("KH00001", PAPERS[ORGANISATION]), ("KH00002", ())):
        case, _ = lite.shipped_case(name, token=f"LCS{name}")
        remedy.deliver(lite.office, case.id)
        lite.bring(name, *papers)
    case = remedy.open_case(lite.office, "KH00003")
    for event in (CaseEvent.VIDEO_VERIFIED, CaseEvent.PAYMENT_REQUESTED):
        remedy.step(lite.office, case.id, event)
    lite.tick(days=20)
    remedy.settle_due(lite.office)
    assert deliver_due(lite.office, to_folder(folder)) == 6
    texts = _texts(folder)
    assert "được kích hoạt từ" in texts["activate"]
    assert "thiết bị bị khóa vĩnh viễn" in texts["forfeit"]
    asked = texts["request_payment"]
    assert "đã được lập: số tiền mà tổng đài đã thông báo." in asked
    assert "Đề nghị Quý khách thanh toán trước 24:00 ngày " in asked
    assert "chưa nhận được thanh toán" in texts["close_unpaid"]


def test_price_of_the_rulebook_is_asked_for(lite: Bureau, folder: Path) -> None:
    """Where the rulebook has a price the payment request names it."""
    priced = load(TEXT.replace("extension_days", "price_dong = 1250000\nextension_days"))
    office = replace(lite.office, rulebooks=(priced,))
    lite.enter("KH00001")
    case = remedy.open_case(office, "KH00001")
    for event in (CaseEvent.VIDEO_VERIFIED, CaseEvent.PAYMENT_REQUESTED):
        remedy.step(office, case.id, event)
    assert deliver_due(lite.office, to_folder(folder)) == 1
    assert "đã được lập: 1.250.000 đồng." in _texts(folder)["request_payment"]


def test_every_told_action_has_its_text() -> None:
    """There is a text for each action of which subscribers are told, in each language."""
    texts = Path(notices.__file__).parent / "texts"
    kinds = {*wording.KINDS, "frame"}
    assert {each.name for each in texts.iterdir()} == {
        f"{kind}.{language}.txt" for kind in kinds for language in ("vi", "en")
    }
    assert set(wording.KINDS) >= TOLD


def test_files_are_private(announced: Bureau, folder: Path) -> None:
    """Letters hold personal data: the folder is 0700 and each file 0600."""
    deliver_due(announced.office, to_folder(folder))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()} == {0o600}


def test_what_was_written_is_not_written_again(announced: Bureau, folder: Path) -> None:
    """A second run writes nothing; a new notice gets a new file beside the old one."""
    assert deliver_due(announced.office, to_folder(folder)) == 1
    assert deliver_due(announced.office, to_folder(folder)) == 0
    announced.move(HOLD_AT)
    sweep.enforce(announced.office, "spring", Act.SUSPEND)
    assert deliver_due(announced.office, to_folder(folder)) == 1
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("commit", [1, 2])
@pytest.mark.parametrize("persisted", [False, True])
def test_crash_around_sending(
    announced: Bureau, folder: Path, *, commit: int, persisted: bool
) -> None:
    """Wherever the machine stops, the notice goes out, at least once, as the same file."""
    crashing = announced.on(CrashingDatabase(announced.db, commit, persisted=persisted)).office
    with pytest.raises(Crash):
        deliver_due(crashing, to_folder(folder))
    announced.tick(minutes=5)
    done = (commit, persisted) == (2, True)
    assert deliver_due(announced.office, to_folder(folder)) == (0 if done else 1)
    assert len(_texts(folder)) == 1
    assert announced.notices() == []


def test_one_that_cannot_be_read_holds_up_no_other(bureau: Bureau, folder: Path) -> None:
    """What no text can be made of is put aside with its reason; all after it are written."""
    bureau.enter("KH00001")
    bureau.enrol("KH00002", without=["contract"])
    now = bureau.clock.now()
    broken = ("{}", "no JSON", "[]", '{"decision": 7}', '{"at": "yesterday"}', '{"decision": "x"}',
              '{"decision": "\\u0000"}', '{"decision": "\\ud800"}')  # fmt: skip
    with bureau.db.begin() as tx:
        for values in broken:
            outbox.add_notice(tx, "KH00001", "hold", values, now)
        outbox.add_notice(tx, "KH00001", "no_such_text", "{}", now)
    bureau.move(ANNOUNCED_AT)
    bureau.campaign()
    with pytest.raises(Unavailable, match="The notice 1 was put aside: "):
        deliver_due(bureau.office, to_folder(folder))
    assert list(_texts(folder)) == ["remind"]
    with bureau.db.read() as tx:
        aside = outbox.troubled_notices(tx)
    assert len(aside) == len(broken) + 1
    assert aside[0].trouble.startswith("The text of 'hold' asks for ")
    assert aside[-1].trouble == "There is no text for notices of the kind 'no_such_text'."
    assert deliver_due(bureau.office, to_folder(folder)) == 0  # it rests
    bureau.tick(hours=1)
    with pytest.raises(Unavailable, match="put aside"):
        deliver_due(bureau.office, to_folder(folder))


def test_letters_that_cannot_be_opened_are_not_lost(lite: Bureau, folder: Path) -> None:
    """With the wrong vault key nothing is written; with the right one a retry writes it."""
    lite.enrol("KH00001", without=["contract"])
    lite.move(ANNOUNCED_AT)
    lite.campaign()
    blind = replace(lite.office, vault=Vault(new_key()))
    with pytest.raises(Unavailable, match="does not open"):
        deliver_due(blind, to_folder(folder))
    assert not folder.exists()
    (waiting,) = lite.notices()
    deliver.retry(lite.office, waiting.id)
    assert deliver_due(lite.office, to_folder(folder)) == 1
    assert lite.notices() == []


def test_queue_holds_no_personal_data(announced: Bureau) -> None:
    """What waits in the outbox names a decision and a serial; the person comes in when written."""
    (waiting,) = announced.notices()
    assert set(json.loads(waiting.values)) == {"decision", "serial", "at", "clause"}
    for value in taints(person("KH00001")):
        assert value not in waiting.values


def test_more_than_one_batch(lite: Bureau, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue longer than one batch is written to its end in one run."""
    monkeypatch.setattr(deliver, "_BATCH", 2)
    for number in range(1, 6):
        lite.enrol(f"KH0000{number}", without=["contract"])
    lite.move(ANNOUNCED_AT)
    lite.campaign()
    assert deliver_due(lite.office, to_folder(folder)) == 5
    assert len(list(folder.iterdir())) == 5


def test_queued_in_the_acting_commit(announced: Bureau) -> None:
    """A hold that did not commit tells nobody: notice and act are one commit."""
    announced.move(HOLD_AT)
    crashing = announced.on(CrashingDatabase(announced.db, 2, persisted=False)).office
    with pytest.raises(Crash):
        sweep.enforce(crashing, "spring", Act.SUSPEND)
    assert [each.template for each in announced.notices()] == ["remind"]
