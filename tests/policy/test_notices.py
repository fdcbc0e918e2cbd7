"""Notices: rendered in Vietnamese, written as private files, never lost and never doubled."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from ca.model import Act
from core import serials
from core.errors import Invalid
from policy import notices, orders, remedy, sweep
from policy.cases import CaseEvent
from policy.decisions import TOLD
from policy.model import Party, Request, SubscriberKind, Wanted
from policy.vault import Vault, new_key
from tests.support.crash import Crash, CrashingDatabase
from tests.support.dossiers import ANNOUNCED_AT, HOLD_AT, PAPERS, REVOKE_AT, RULES
from tests.support.office import ORGANISATION, Bureau, person, taints


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
    assert notices.write_due(announced.office, folder) == 1
    (text,) = _texts(folder).values()
    personal = person("KH00001")
    (certificate,) = announced.all_of("KH00001")
    assert text.startswith(f"Kính gửi: CÔNG TY TNHH SỐ 1 - {personal.holder} <{personal.email}>\n")
    assert f"Hồ sơ đăng ký của chứng thư số {serials.to_hex(certificate.serial)}" in text
    assert "  - hợp đồng\n  - giấy tờ tùy thân của người đại diện pháp luật\n" in text
    assert "đơn đề nghị" not in text


def test_whole_spring_in_letters(announced: Bureau, folder: Path) -> None:
    """Hold and revocation name the local instant and the clause with the contract's condition."""
    announced.move(HOLD_AT)
    sweep.enforce(announced.office, "spring", Act.SUSPEND)
    announced.move(REVOKE_AT)
    sweep.enforce(announced.office, "spring", Act.REVOKE)
    assert notices.write_due(announced.office, folder) == 3
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
    notices.write_due(lite.office, folder)
    (text,) = _texts(folder).values()
    assert text.startswith(f"Kính gửi: {person('KH00001').holder} <")
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
    assert notices.write_due(lite.office, folder) == 3
    texts = _texts(folder)
    assert "được kích hoạt từ" in texts["activate"]
    assert "thiết bị bị khóa vĩnh viễn" in texts["forfeit"]
    assert "chưa nhận được thanh toán" in texts["close_unpaid"]


def test_every_told_action_has_its_text() -> None:
    """There is a text for each action of which subscribers are told, and it is Vietnamese."""
    texts = Path(notices.__file__).parent / "texts"
    assert {each.name for each in texts.iterdir()} == {f"{each}.vi.txt" for each in TOLD}
    for each in texts.iterdir():
        assert each.read_text("utf-8").startswith("Kính gửi: ${addressee} <${email}>\n")


def test_files_are_private(announced: Bureau, folder: Path) -> None:
    """Letters hold personal data: the folder is 0700 and each file 0600."""
    notices.write_due(announced.office, folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()} == {0o600}


def test_what_was_written_is_not_written_again(announced: Bureau, folder: Path) -> None:
    """A second run writes nothing; a new notice gets a new file beside the old one."""
    assert notices.write_due(announced.office, folder) == 1
    assert notices.write_due(announced.office, folder) == 0
    announced.move(HOLD_AT)
    sweep.enforce(announced.office, "spring", Act.SUSPEND)
    assert notices.write_due(announced.office, folder) == 1
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("persisted", [False, True])
def test_crash_between_writing_and_marking(
    announced: Bureau, folder: Path, *, persisted: bool
) -> None:
    """A crash after the file was written leaves one file of that name, whole, also afterwards."""
    crashing = announced.on(CrashingDatabase(announced.db, 1, persisted=persisted)).office
    with pytest.raises(Crash):
        notices.write_due(crashing, folder)
    before = _texts(folder)
    assert notices.write_due(announced.office, folder) == (0 if persisted else 1)
    assert _texts(folder) == before
    assert len(before) == 1


def test_letters_that_cannot_be_opened_stay_queued(lite: Bureau, folder: Path) -> None:
    """With the wrong vault key nothing is written and nothing is marked: no letter is lost."""
    lite.enrol("KH00001", without=["contract"])
    lite.move(ANNOUNCED_AT)
    lite.campaign()
    blind = replace(lite.office, vault=Vault(new_key()))
    with pytest.raises(Invalid, match="does not open"):
        notices.write_due(blind, folder)
    assert list(folder.iterdir()) == []
    assert notices.write_due(lite.office, folder) == 1


def test_queue_holds_no_personal_data(announced: Bureau) -> None:
    """What waits in the outbox names a decision and a serial; the person comes in when written."""
    (waiting,) = announced.notices()
    assert set(json.loads(waiting.values)) == {"decision", "serial", "at", "clause"}
    for value in taints(person("KH00001")):
        assert value not in waiting.values


def test_more_than_one_batch(lite: Bureau, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue longer than one batch is written to its end in one run."""
    monkeypatch.setattr(notices, "_BATCH", 2)
    for number in range(1, 6):
        lite.enrol(f"KH0000{number}", without=["contract"])
    lite.move(ANNOUNCED_AT)
    lite.campaign()
    assert notices.write_due(lite.office, folder) == 5
    assert len(list(folder.iterdir())) == 5


def test_queued_in_the_acting_commit(announced: Bureau) -> None:
    """A hold that did not commit tells nobody: notice and act are one commit."""
    announced.move(HOLD_AT)
    crashing = announced.on(CrashingDatabase(announced.db, 2, persisted=False)).office
    with pytest.raises(Crash):
        sweep.enforce(crashing, "spring", Act.SUSPEND)
    assert [each.template for each in announced.notices()] == ["remind"]
