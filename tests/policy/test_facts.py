"""Facts as the database has them, for one certificate and for many at once."""

from datetime import timedelta

import pytest

from ca import issue
from ca import records as engine
from ca.model import Act, HoldSource, Status
from core import serials
from core.errors import NotFound
from policy import enrol, facts, orders, remedy, sweep
from policy.model import CampaignStage, CaseState, Facts, Party, Request, SubscriberKind, Wanted
from tests.support import authority
from tests.support.dossiers import ANNOUNCED_AT, HOLD_AT, REVOKE_AT
from tests.support.office import Bureau, key_request


def test_facts_of_a_new_certificate(bureau: Bureau) -> None:
    """A new certificate's facts are its validity, its dossier, and nothing else."""
    certificate = bureau.enrol("KH00001", SubscriberKind.STAFF)
    known = bureau.facts(certificate)
    assert (known.subscriber, known.kind) == ("KH00001", SubscriberKind.STAFF)
    assert len(known.documents) == 6
    assert known.certificate is not None
    assert known.certificate.serial == serials.to_hex(certificate.serial)
    assert known.certificate.status is Status.GOOD
    assert known.certificate.not_after == certificate.not_after
    assert (known.campaign, known.case, known.warned_at, known.reminded_at) == (None,) * 4


def test_facts_of_a_held_certificate(bureau: Bureau) -> None:
    """Campaign, warning, holds with their start and end are all facts."""
    certificate = bureau.enrol("KH00001", without=["contract"])
    bureau.move(ANNOUNCED_AT)
    bureau.campaign()
    bureau.move(HOLD_AT)
    sweep.enforce(bureau.office, "spring", Act.SUSPEND)
    end = bureau.clock.now() + timedelta(days=5)
    pause = Request(by=Party.SUBSCRIBER, ground="subscriber_pause", verified=True, ends_at=end)
    orders.ask(bureau.office, certificate.serial, Wanted.SUSPEND, pause)
    known = bureau.facts(certificate)
    assert known.certificate is not None
    assert known.certificate.holds == (HoldSource.DOSSIER, HoldSource.SUBSCRIBER)
    assert known.certificate.dossier_held_at == HOLD_AT
    assert known.certificate.hold_ends == ((HoldSource.SUBSCRIBER, end),)
    assert known.campaign is not None
    assert (known.campaign.id, known.campaign.stage) == ("spring", CampaignStage.ENFORCING)
    assert (known.campaign.hold_at, known.campaign.revoke_at) == (HOLD_AT, REVOKE_AT)
    assert known.warned_at == ANNOUNCED_AT
    assert known.reminded_at is None  # no wave of notices has told them


def test_case_and_original_are_kept_apart(bureau: Bureau) -> None:
    """Two certificates of one subscriber see each their own dossier, and one of them the case."""
    original = bureau.enrol("KH00001", without=["contract"])
    case, reissued = bureau.shipped_case("KH00001")
    remedy.deliver(bureau.office, case.id)
    bureau.bring("KH00001", "contract")
    old, new = bureau.facts(original), bureau.facts(reissued)
    assert [each.kind for each in new.documents] == ["contract"]
    assert "contract" not in {each.kind for each in old.documents}
    assert old.case is None
    assert new.case is not None
    assert (new.case.id, new.case.state) == (case.id, CaseState.TOKEN_RECEIVED)
    assert new.case.due_at == bureau.case(case.id).due_at


def test_many_are_as_each_alone(bureau: Bureau) -> None:
    """Facts that are loaded for many certificates equal those loaded one by one, in order."""
    issued = [bureau.enrol(f"KH0000{n}", without=["contract"] * (n % 2)) for n in range(1, 6)]
    case, reissued = bureau.shipped_case("KH00002")
    bureau.move(ANNOUNCED_AT)
    bureau.campaign()
    wanted = [reissued, *reversed(issued)]
    with bureau.db.read() as tx:
        several = facts.of_certificates(tx, wanted)
        alone = [facts.of_certificate(tx, each) for each in wanted]
    assert several == alone
    assert [each.subscriber for each in several] == [each.subscriber for each in wanted]
    assert several[0].case is not None
    assert several[0].case.id == case.id


def test_facts_survive_their_json(bureau: Bureau) -> None:
    """Facts from the database come back equal from the JSON that decisions keep."""
    certificate = bureau.enrol("KH00001", without=["contract"])
    bureau.move(ANNOUNCED_AT)
    bureau.campaign()
    known = bureau.facts(certificate)
    assert Facts.from_json(known.to_json()) == known


def test_locked_facts_are_the_present_ones(bureau: Bureau) -> None:
    """Locking gives certificates and facts as they stand in that transaction, in its order."""
    issued = [bureau.enrol(f"KH0000{n}") for n in (1, 2)]
    with bureau.db.begin() as tx:
        locked = facts.lock(tx, [issued[1].id, issued[0].id])
    assert [each.id for each, _ in locked] == [issued[1].id, issued[0].id]
    assert [known.subscriber for _, known in locked] == ["KH00002", "KH00001"]


def test_wanted_certificate_of_nobody(bureau: Bureau) -> None:
    """Facts for a subscriber outside the register, or for our own certificates, do not exist."""
    issuer = bureau.desk.issuer
    order = authority.order("antin-ocsp", bureau.clock.now())
    foreign = issue.issue(bureau.db, bureau.clock, issuer, order)
    with bureau.db.read() as tx:
        with pytest.raises(NotFound, match="'KH99999'"):
            facts.of_wanted(tx, "KH99999")
        with pytest.raises(NotFound, match="'antin-ocsp'"):
            facts.of_certificate(tx, engine.by_id(tx, foreign.id))


def test_newest_campaign_counts(bureau: Bureau) -> None:
    """A certificate that was in two campaigns is judged by the later one."""
    certificate = bureau.enrol("KH00001", without=["contract"])
    bureau.move(ANNOUNCED_AT)
    bureau.campaign("spring")
    later = timedelta(days=60)
    bureau.campaign("summer", hold_at=HOLD_AT + later, revoke_at=REVOKE_AT + later)
    known = bureau.facts(certificate)
    assert known.campaign is not None
    assert known.campaign.id == "summer"


def test_request_is_a_fact(bureau: Bureau) -> None:
    """What somebody asks for stands in the stored facts, with who asked."""
    certificate = bureau.enrol("KH00001")
    bureau.tick()
    asked = Request(by=Party.AUTHORITY, ground="authority_order", reference="QD-1")
    orders.ask(bureau.office, certificate.serial, Wanted.SUSPEND, asked)
    assert bureau.decisions("KH00001")[-1].facts.request == asked


def test_second_certificate_of_a_subscriber(bureau: Bureau) -> None:
    """Every certificate of a subscriber rests on the same original dossier."""
    first = bureau.enrol("KH00001")
    second = enrol.enrol(bureau.desk, "KH00001", key_request(), years=2)
    assert bureau.facts(first).documents == bureau.facts(second).documents
