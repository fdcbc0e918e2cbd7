"""Every stored decision is made again from its own facts; a changed one is found."""

import contextlib
from dataclasses import replace

from sqlalchemy import text

from ca.model import Act
from core.database import Database
from core.errors import Refused
from policy import orders, remedy, replay, rulebook, sweep
from policy.model import Party, Request, Verdict, Wanted
from policy.replay import Difference
from policy.rulebook import Rulebook
from tests.support.dossiers import ANNOUNCED_AT, HOLD_AT, PAPERS, REVOKE_AT, RULES, TEXT
from tests.support.office import ORGANISATION, Bureau


def _replay(db: Database, *rulebooks: Rulebook) -> tuple[int, list[Difference]]:
    with db.read() as tx:
        return replay.replay(tx, rulebooks)


def _live(bureau: Bureau) -> None:
    """Let decisions of every kind be made: issued, held, lifted, revoked, refused, forfeited."""
    first = bureau.enrol("KH00001", without=["contract"])
    bureau.enrol("KH00002", without=["contract"])
    pause = Request(by=Party.SUBSCRIBER, ground="subscriber_pause", verified=True)
    orders.ask(bureau.office, first.serial, Wanted.SUSPEND, pause)
    unverified = Request(by=Party.SUBSCRIBER, ground="key_lost")
    with contextlib.suppress(Refused):
        orders.ask(bureau.office, first.serial, Wanted.REVOKE, unverified)
    bureau.move(ANNOUNCED_AT)
    bureau.campaign()
    bureau.move(HOLD_AT)
    sweep.enforce(bureau.office, "spring", Act.SUSPEND)
    bureau.tick(minutes=5)
    bureau.bring("KH00001", "contract")
    bureau.move(REVOKE_AT)
    sweep.enforce(bureau.office, "spring", Act.REVOKE)
    for name, papers in (("KH00002", PAPERS[ORGANISATION]), ("KH00003", ())):
        if name == "KH00003":
            bureau.enter(name)
        case, _ = bureau.shipped_case(name, token=f"LCS{name}")
        remedy.deliver(bureau.office, case.id)
        bureau.bring(name, *papers)
    bureau.tick(days=10)
    remedy.settle_due(bureau.office)
    bureau.bring("KH00001", "contract", verdict=Verdict.CONTESTED, reason="Con dấu lạ.")


def test_every_decision_comes_out_again(bureau: Bureau) -> None:
    """All decisions and refusals of a whole life are identical when they are made again."""
    _live(bureau)
    count, differences = _replay(bureau.db, RULES)
    assert differences == []
    assert count == len(bureau.decisions())
    kinds = {str(each) for each in bureau.actions()}
    assert kinds == {
        "issue", "issue_on_hold", "remind", "hold", "lift", "revoke", "activate", "forfeit",
        "not_verified",
    }  # fmt: skip


def _plant(db: Database, old: str, new: str, *, outcome: str = "decision") -> str:
    """Change the stored text of one decision, as who drops the guards could; return its id."""
    with db.begin() as tx:
        guards = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'decision'"
        for name in tx.execute(text(guards)).scalars().all():
            tx.execute(text(f"DROP TRIGGER {name}"))
        query = "SELECT id, record FROM decision WHERE outcome = :outcome ORDER BY at, id"
        rows = tx.execute(text(query), {"outcome": outcome}).all()
        key, record = next((row.id, row.record) for row in rows if old in row.record)
        change = text("UPDATE decision SET record = :record WHERE id = :id")
        tx.execute(change, {"record": record.replace(old, new), "id": key})
    return str(key)


def test_planted_act_is_found(lite: Bureau) -> None:
    """A stored act that the rules would not have done is named with what they would have done."""
    _live(lite)
    key = _plant(lite.db, '"action":"hold"', '"action":"revoke"')
    _, (found,) = _replay(lite.db, RULES)
    assert found.decision == key
    assert found.sentence.startswith("It was revoke (")
    assert "and would be hold (" in found.sentence


def test_planted_fact_is_found(lite: Bureau) -> None:
    """A fact that was changed afterwards no longer gives the stored decision."""
    _live(lite)
    key = _plant(lite.db, '"kind":"contract"', '"kind":"title_proof"')
    _, (found,) = _replay(lite.db, RULES)
    assert found.decision == key


def test_planted_refusal_is_found(lite: Bureau) -> None:
    """A refusal whose facts were touched up comes out as what it would have been."""
    _live(lite)
    key = _plant(lite.db, '"verified":false', '"verified":true', outcome="refusal")
    _, (found,) = _replay(lite.db, RULES)
    assert found.decision == key
    assert found.sentence.startswith("It was refused (not_verified)")


def test_decision_of_an_unknown_rulebook_is_found(lite: Bureau) -> None:
    """A decision whose rulebook the instance does not have is a finding, not a crash."""
    lite.enrol("KH00001")
    count, (found,) = _replay(lite.db, _version(2))
    assert count == 1
    assert found.sentence == "Its rulebook lcs-2024/1 is not among the instance's."


def test_each_decision_keeps_its_own_rulebook(lite: Bureau) -> None:
    """With a newer version in force, old decisions are still made again under theirs."""
    lite.enrol("KH00001")
    both = (RULES, _version(2))
    newer = replace(lite.office, rulebooks=both)
    lite.bring("KH00001", "contract", verdict=Verdict.FORGED)
    stop = Request(by=Party.SUBSCRIBER, ground="key_lost", verified=True)
    with contextlib.suppress(Refused):
        orders.ask(newer, lite.all_of("KH00001")[0].serial, Wanted.REVOKE, stop)
    assert {each.rulebook for each in lite.decisions()} == {"lcs-2024/1", "lcs-2024/2"}
    assert _replay(lite.db, *both) == (3, [])


def _version(number: int) -> Rulebook:
    return rulebook.load(TEXT.replace("\nversion = 1\n", f"\nversion = {number}\n"))
