"""The worker's round: every task is done, and none that fails stops another."""

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from app import config, create, mailing, worker
from app.instance import CRL_FOLDER, OCSP_SUBSCRIBER, VAULT_FILE
from app.wiring import Works
from ca import lifecycle, records
from ca.issue import issue
from ca.model import Act, Certificate, HoldSource, Stage, Status
from core.clock import SetClock
from core.reasons import Reason
from hsm.mechanisms import KeyKind
from policy import enrol, orders, remedy
from policy.cases import CaseEvent
from policy.model import CaseState, Party, Request, SubscriberKind, Wanted
from policy.records import cases
from policy.register import Subscriber
from tests.support import authority
from tests.support.crash import Crash, CrashingDatabase
from tests.support.dossiers import TEXT
from tests.support.office import key_request, person


@pytest.fixture
def works(tmp_path: Path, clock: SetClock, sqlite_template: Path) -> Iterator[Works]:
    """An instance with P-256 keys in SoftHSM and the clock at 1 March 2024, 08:00 in Vietnam."""
    plan = create.Plan(
        root_kind=KeyKind.P_256, issuing_kind=KeyKind.P_256, rulebooks={"lcs-2024.toml": TEXT}
    )
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(sqlite_template, home / "antin.db")  # spares every test the migrations
    made = create.create(home, plan, clock=clock)
    yield made
    made.instance.keyring.close()
    made.db.dispose()


@pytest.fixture
def reopened(works: Works, clock: SetClock) -> Iterator[Callable[[], Works]]:
    """Opens the instance once more, as a process that starts after the configuration changed."""
    with ExitStack() as until_the_end:

        def again() -> Works:
            opened = Works(works.instance.home, clock=clock)
            until_the_end.callback(opened.db.dispose)
            until_the_end.callback(opened.instance.keyring.close)
            return opened

        yield again


@pytest.fixture
def subscriber(works: Works) -> str:
    """KH00001 in the register."""
    new = Subscriber(
        id="KH00001",
        kind=SubscriberKind.ORGANISATION,
        tax_code="9900000001",
        organisation="CÔNG TY PHÚ QUÝ",
        short_name="",
        province="Hà Nội",
        reseller="",
        personal=person("KH00001"),
        registered_at=works.clock.now(),
    )
    enrol.enter(works.office("operator:lan"), new)
    return new.id


@pytest.fixture
def later(works: Works, clock: SetClock) -> datetime:
    """A day later: new CRLs are due."""
    clock.move_to(clock.now() + timedelta(days=1))
    return clock.now()


def _issue(works: Works, subscriber: str) -> Certificate:
    return enrol.enrol(works.desk("operator:lan"), subscriber, key_request(), years=1)


def _delegates(works: Works) -> list[Certificate]:
    with works.db.read() as tx:
        return records.of_subscriber(tx, OCSP_SUBSCRIBER)


def _number(works: Works, issuer: str = "issuing") -> int:
    path = works.instance.home / CRL_FOLDER / f"{issuer}.crl"
    crl = x509.load_der_x509_crl(path.read_bytes())
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def _outbox(works: Works) -> list[Path]:
    folder = works.instance.home / mailing.OUTBOX_FOLDER
    return sorted(folder.iterdir()) if folder.is_dir() else []


def test_round_without_work(works: Works) -> None:
    """In a new instance nothing is due: a round says nothing and issues nothing."""
    before = (_number(works, "root"), _number(works), len(_delegates(works)))
    assert worker.once(works) == []
    assert (_number(works, "root"), _number(works), len(_delegates(works))) == before


def test_round_does_every_task(works: Works, subscriber: str, clock: SetClock) -> None:
    """Lost issuance, due case, waiting notice, old delegate, due CRL: one round does them all."""
    desk = works.desk("operator:lan")
    certificate = _issue(works, subscriber)
    order = Request(by=Party.AUTHORITY, ground="authority_order")
    orders.ask(desk.office, certificate.serial, Wanted.SUSPEND, order)
    lost = authority.order("KH00001", clock.now())
    with pytest.raises(Crash):
        issue(CrashingDatabase(works.db, 2, persisted=False), clock, desk.issuer, lost)
    case = remedy.open_case(desk.office, subscriber)
    for event in (CaseEvent.VIDEO_VERIFIED, CaseEvent.PAYMENT_REQUESTED):
        remedy.step(desk.office, case.id, event)
    number = _number(works)
    clock.move_to(clock.now() + timedelta(days=20))
    assert worker.once(works) == []
    with works.db.read() as tx:
        stages = [each.stage for each in records.of_subscriber(tx, subscriber)]
        assert cases.case_named(tx, case.id).state is CaseState.UNPAID
    assert sorted(stages) == [Stage.ISSUED, Stage.LOST]
    assert len(_outbox(works)) == 3
    assert len(_delegates(works)) == 2
    assert _number(works) > number


def test_round_does_what_the_clock_made_due(works: Works, subscriber: str, clock: SetClock) -> None:
    """A hold whose time is over is lifted and a planned revocation done, in one round."""
    office = works.office("operator:lan")
    paused, stopped = _issue(works, subscriber), _issue(works, subscriber)
    tomorrow = clock.now() + timedelta(days=1)
    own = {"by": Party.SUBSCRIBER, "verified": True}
    pause = Request(ground="subscriber_pause", ends_at=tomorrow, **own)  # type: ignore[arg-type] # mixed
    stop = Request(ground="subscriber_request", due_at=tomorrow, **own)  # type: ignore[arg-type] # mixed
    orders.ask(office, paused.serial, Wanted.SUSPEND, pause)
    orders.ask(office, stopped.serial, Wanted.REVOKE, stop)
    clock.move_to(tomorrow)
    assert worker.once(works) == []
    with works.db.read() as tx:
        now = [records.by_id(tx, each.id).standing.status for each in (paused, stopped)]
    assert now == [Status.GOOD, Status.REVOKED]


def test_delegate_is_renewed_at_half_life(works: Works, clock: SetClock) -> None:
    """The responder's certificate of 30 days is renewed on day 15, once."""
    clock.move_to(clock.now() + timedelta(days=15) - timedelta(seconds=1))
    assert worker.renew_responder(works) is False
    clock.move_to(clock.now() + timedelta(seconds=1))
    assert worker.renew_responder(works) is True
    assert worker.renew_responder(works) is False
    first, second = _delegates(works)
    assert second.not_after - first.not_after == timedelta(days=15)
    assert second.standing.status == first.standing.status


def test_delegate_is_not_renewed_without_end(works: Works, clock: SetClock) -> None:
    """Near the issuer's own end one certificate that lasts until then is enough."""
    end = works.issuer().issuer.not_after
    clock.move_to(end - timedelta(days=5))
    assert worker.renew_responder(works) is True
    assert _delegates(works)[-1].not_after == end
    assert worker.renew_responder(works) is False


def test_revoked_delegate_is_replaced(works: Works, clock: SetClock) -> None:
    """A responder's certificate that was revoked does not count as one that is valid."""
    (first,) = _delegates(works)
    clock.move_to(clock.now() + timedelta(hours=1))
    approval = authority.approval(Act.REVOKE, OCSP_SUBSCRIBER, clock.now(), serial=first.serial)
    with works.db.begin() as tx:
        lifecycle.revoke(tx, approval, Reason.SUPERSEDED, clock.now())
    assert worker.renew_responder(works) is True
    assert len(_delegates(works)) == 2


@pytest.mark.usefixtures("later")
def test_unwritable_outbox_stops_no_other_task(works: Works, subscriber: str) -> None:
    """When notices cannot be written the CRLs still come out, and the sentence says what failed."""
    certificate = _issue(works, subscriber)
    order = Request(by=Party.AUTHORITY, ground="authority_order")
    orders.ask(works.office("operator:lan"), certificate.serial, Wanted.SUSPEND, order)
    outbox = works.instance.home / mailing.OUTBOX_FOLDER
    outbox.touch()
    number = _number(works)
    (sentence,) = worker.once(works)
    assert sentence.startswith("The worker could not deliver notices: ")
    assert _number(works) > number
    outbox.unlink()
    assert worker.once(works) == []
    assert len(_outbox(works)) == 1


@pytest.mark.usefixtures("later")
def test_lost_vault_stops_no_crl(works: Works) -> None:
    """Without the vault's key nobody is written to, but status is published."""
    number = _number(works)
    (works.instance.home / VAULT_FILE).unlink()
    failures = worker.once(works)
    assert failures
    assert not any("publish" in each for each in failures)
    assert _number(works) > number


@pytest.mark.usefixtures("later")
def test_root_key_that_is_elsewhere_stops_no_crl(
    works: Works, reopened: Callable[[], Works]
) -> None:
    """Where the root's key is kept offline, the issuing CA's CRL is published all the same."""
    path = works.instance.home / config.FILE
    lines = path.read_text().splitlines()
    path.write_text("\n".join(each for each in lines if not each.startswith("root = ")))
    roots, numbers = _number(works, "root"), _number(works)
    assert worker.once(reopened()) == []
    assert _number(works) > numbers
    assert _number(works, "root") == roots


@pytest.mark.usefixtures("later")
def test_one_issuer_that_fails_stops_no_other(works: Works, reopened: Callable[[], Works]) -> None:
    """When the root's key cannot be found the issuing CA's CRL is published, and it is said."""
    path = works.instance.home / config.FILE
    path.write_text(path.read_text().replace("object=root", "object=elsewhere"))
    number = _number(works)
    failure, alarm = worker.once(reopened())
    assert failure.startswith("The worker could not publish CRLs: ")
    assert "root" in failure
    assert "CRL 1 of root should have been followed" in alarm
    assert _number(works) > number


def test_unforeseen_failure_is_told_without_detail(
    works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """A failure that nobody foresaw goes to the log with its place, and the round goes on."""
    works.db.dispose()
    for each in works.instance.home.glob("antin.db*"):
        each.unlink()
    (works.instance.home / "antin.db").write_bytes(b"no database" * 1000)
    with caplog.at_level(logging.ERROR):
        failures = worker.once(works)
    begun = "The worker could not reconcile lost issuances: "
    assert failures[0] == f"{begun}DatabaseError; see the log."
    assert len(failures) == 13
    assert "Traceback" in caplog.text


def test_running_worker_goes_on_and_stops(works: Works, clock: SetClock) -> None:
    """The worker does rounds, also after one that failed, until it is told to stop."""
    (works.instance.home / mailing.OUTBOX_FOLDER).touch()
    clock.move_to(clock.now() + timedelta(days=1))
    number = _number(works)
    stop = threading.Event()
    rounds = threading.Timer(0.2, stop.set)
    rounds.start()
    worker.run(works, stop)
    rounds.join()
    assert _number(works) > number


def test_held_certificate_of_the_round_is_on_the_crl(
    works: Works, subscriber: str, clock: SetClock
) -> None:
    """What was held before a round is on the CRL after it."""
    certificate = _issue(works, subscriber)
    clock.move_to(clock.now() + timedelta(hours=13))
    order = Request(by=Party.AUTHORITY, ground="authority_order")
    held = orders.ask(works.office("operator:lan"), certificate.serial, Wanted.SUSPEND, order)
    assert held.standing.sources == {HoldSource.AUTHORITY}
    assert worker.once(works) == []
    path = works.instance.home / CRL_FOLDER / "issuing.crl"
    crl = x509.load_der_x509_crl(path.read_bytes())
    key = works.issuer().certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert crl.is_signature_valid(key)
    assert crl.get_revoked_certificate_by_serial_number(certificate.serial) is not None
