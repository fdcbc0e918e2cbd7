"""One subscriber's life through the shell, whatever happens in it and in whatever order."""

import contextlib
import shutil
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ca import history
from ca import records as engine
from ca.history import Validity
from ca.model import Act, Certificate, HoldSource, Stage, Standing, Status
from core.clock import SetClock
from core.database import Database
from core.errors import Conflict, NotFound, Refused
from policy import due, intake, orders, remedy, replay, sweep
from policy.cases import CaseEvent
from policy.model import Document, Party, Request, Verdict, Wanted
from policy.records import cases, decisions, documents
from tests.conftest import START
from tests.support.dossiers import HOLD_AT, PAPERS, REVOKE_AT, RULES, at
from tests.support.office import ORGANISATION, Bureau, key_request

NAME = "KH00001"
# The rules answer before the engine is asked, so the engine never has to refuse for these.
_ENGINE_ALONE = {"back_dated", "approval_of_other_act", "approval_of_other_subscriber", "lint"}
LATER = at("2024-06-20 00:00")
_REQUESTS = [
    (Wanted.SUSPEND, Request(by=Party.AUTHORITY, ground="authority_order")),
    (Wanted.SUSPEND, Request(by=Party.SUBSCRIBER, ground="subscriber_pause", verified=True)),
    (Wanted.SUSPEND, Request(by=Party.SUBSCRIBER, ground="loss_reported")),
    *(
        (Wanted.RESTORE, Request(by=by, source=source, verified=True))
        for source in HoldSource
        for by in (Party.AUTHORITY, Party.SUBSCRIBER, Party.CA)
    ),
    (Wanted.REVOKE, Request(by=Party.SUBSCRIBER, ground="key_lost", verified=True)),
    (Wanted.REVOKE, Request(by=Party.SUBSCRIBER, ground="subscriber_request")),
    (Wanted.REVOKE, Request(by=Party.AUTHORITY, ground="authority_revocation", due_at=LATER)),
    (Wanted.ACTIVATE, Request(by=Party.CA)),
    (Wanted.CONFIRM, Request(by=Party.SUBSCRIBER, verified=True)),
    *(
        (
            wanted,
            Request(by=Party.SUBSCRIBER, ground="subscriber_pause", verified=True, ends_at=end),
        )
        for wanted, end in ((Wanted.SUSPEND, HOLD_AT), (Wanted.EXTEND, LATER))
    ),
]
_STEPS = [timedelta(seconds=1), timedelta(hours=5), timedelta(days=1), timedelta(days=4),
          timedelta(days=16), timedelta(days=90)]  # fmt: skip
_DATES = [at("2024-03-20 16:00"), HOLD_AT, REVOKE_AT]
_LAST = at("2025-03-20 00:00")  # the first certificate has expired, the rulebook is in force


@contextlib.contextmanager
def _answered() -> Iterator[None]:
    """Let the rules refuse what does not fit; every other error is a finding."""
    try:
        yield
    except Refused as refusal:
        if refusal.code in _ENGINE_ALONE:
            raise
    except (Conflict, NotFound):
        pass


class Life(RuleBasedStateMachine):
    """Papers, orders, a campaign, remedy cases and the clock, in any order."""

    def __init__(self, template: Path, folder: Path) -> None:
        """Begin on a fresh copy of a migrated database."""
        super().__init__()
        self._path = folder / f"{uuid.uuid4().hex}.db"
        shutil.copy(template, self._path)
        self._db = Database(f"sqlite:///{self._path}")
        self.bureau = Bureau(self._db, SetClock(START))
        self._final: dict[int, Standing] = {}
        self._tokens = 0

    def teardown(self) -> None:
        """At the end of a life every decision comes out again as it was made."""
        with self._db.read() as tx:
            count, differences = replay.replay(tx, (RULES,))
        assert differences == []
        assert count > 0
        self._db.dispose()
        for each in self._path.parent.glob(f"{self._path.name}*"):
            each.unlink()

    # --- what may happen ----------------------------------------------------------------------

    @initialize(missing=st.sets(st.sampled_from(PAPERS[ORGANISATION]), max_size=2))
    def enrol(self, missing: set[str]) -> None:
        """The first certificate is issued, perhaps on papers that follow."""
        self.bureau.enrol(NAME, without=missing)

    @rule(step=st.sampled_from(_STEPS))
    def time_passes(self, step: timedelta) -> None:
        """The clock moves on."""
        if self.bureau.clock.now() + step < _LAST:
            self.bureau.tick(seconds=step.total_seconds())

    @rule(date=st.sampled_from(_DATES))
    def date_comes(self, date: object) -> None:
        """The clock moves to one of the campaign's dates."""
        for each in _DATES:
            if each == date and each > self.bureau.clock.now():
                self.bureau.move(each)

    @rule(
        kind=st.sampled_from(PAPERS[ORGANISATION]),
        form=st.sampled_from(["paper_original", "stamped_copy", "stamped_copy", "scan"]),
        verdict=st.sampled_from([*Verdict, Verdict.ACCEPTED, Verdict.ACCEPTED]),
    )
    def paper_comes(self, kind: str, form: str, verdict: Verdict) -> None:
        """A paper arrives, with whatever verdict."""
        now = self.bureau.clock.now()
        paper = Document(kind=kind, form=form, verdict=verdict, received_at=now)
        with _answered():
            intake.receive(self.bureau.office, NAME, [paper])

    @rule()
    def whole_dossier_comes(self) -> None:
        """All papers arrive at once, in order."""
        with _answered():
            self.bureau.bring(NAME, *PAPERS[ORGANISATION])

    @rule(which=st.integers(0, 9), verdict=st.sampled_from(Verdict))
    def officer_judges(self, which: int, verdict: Verdict) -> None:
        """An officer changes the verdict on one of the papers."""
        with self._db.read() as tx:
            numbers = [number for number, _, _ in documents.numbered_documents(tx, NAME)]
        if numbers:
            with _answered():
                intake.judge(self.bureau.office, numbers[which % len(numbers)], verdict)

    @rule(which=st.integers(0, 3), asked=st.sampled_from(_REQUESTS))
    def somebody_asks(self, which: int, asked: tuple[Wanted, Request]) -> None:
        """Somebody asks for an act on one of the certificates."""
        issued = self._issued()
        with _answered():
            orders.ask(self.bureau.office, issued[which % len(issued)].serial, *asked)

    @rule()
    def campaign_is_announced(self) -> None:
        """The spring campaign is planned, approved and announced, unless it was."""
        with _answered():
            self.bureau.campaign()

    @rule(act=st.sampled_from([Act.SUSPEND, Act.REVOKE]))
    def campaign_is_enforced(self, act: Act) -> None:
        """A run of the campaign, whether its date has come or not."""
        with _answered():
            sweep.enforce(self.bureau.office, "spring", act)

    @rule()
    def case_opens(self) -> None:
        """The subscriber uploads photos."""
        with _answered():
            remedy.open_case(self.bureau.office, NAME)

    @rule(event=st.sampled_from(CaseEvent))
    def case_goes_on(self, event: CaseEvent) -> None:
        """Something is said to have happened in the newest case."""
        with _answered():
            remedy.step(self.bureau.office, self._case(), event)

    @rule()
    @precondition(lambda self: self._tokens < 3)
    def case_is_paid_and_shipped(self) -> None:
        """The newest case is taken as far as the token's way to the customer."""
        with _answered():
            for event in (
                CaseEvent.VIDEO_VERIFIED,
                CaseEvent.PAYMENT_REQUESTED,
                CaseEvent.PAYMENT_RECEIVED,
            ):
                remedy.step(self.bureau.office, self._case(), event)
        with _answered():
            remedy.ship(self.bureau.desk, self._case(), f"LCS{self._tokens}", key_request())
            self._tokens += 1

    @rule()
    def token_arrives(self) -> None:
        """The customer has the token."""
        with _answered():
            remedy.deliver(self.bureau.office, self._case())

    @rule()
    def clocks_are_looked_at(self) -> None:
        """The worker does what is due, and locked tokens report."""
        due.lift_ended(self.bureau.office)
        due.carry_out_plans(self.bureau.office)
        remedy.settle_due(self.bureau.office)
        with self._db.read() as tx:
            ordered = remedy.tokens_to_lock(tx)
        for token in ordered:
            remedy.confirm_lock(self.bureau.office, token)

    def _case(self) -> str:
        with self._db.read() as tx:
            own = cases.cases_of(tx, [NAME]).get(NAME, [])
        return own[-1].id if own else f"{NAME}-1"

    def _issued(self) -> list[Certificate]:
        return [each for each in self.bureau.all_of(NAME) if each.stage is Stage.ISSUED]

    # --- what always holds --------------------------------------------------------------------

    @invariant()
    def revoked_never_changes(self) -> None:
        """Once revoked, a certificate's standing is the same for ever."""
        for each in self._issued():
            if each.id in self._final:
                assert each.standing == self._final[each.id]
            elif each.revoked:
                assert each.standing.holds == ()
                self._final[each.id] = each.standing

    @invariant()
    def good_without_any_hold(self) -> None:
        """A certificate that is not revoked is good exactly when no hold is open."""
        for each in self._issued():
            if not each.revoked:
                assert (each.standing.status is Status.GOOD) == (each.standing.holds == ())

    @invariant()
    def publication_tells_the_history(self) -> None:
        """What CRL and OCSP read is what the history says of this instant."""
        now, issuer = self.bureau.clock.now(), self.bureau.desk.issuer.issuer.id
        with self._db.read() as tx:
            listed = {each.serial: each for each in engine.entries_not_good(tx, issuer)}
            for each in self._issued():
                entry = engine.entry(tx, issuer, each.serial)
                answer = history.status_at(tx, each.serial, now)
                assert entry is not None
                assert answer.event is not None
                assert (entry.status, entry.reason) == (answer.event.status, answer.event.reason)
                assert listed.get(each.serial) == (None if entry.status is Status.GOOD else entry)
                assert answer.validity in (Validity(entry.status.value), Validity.EXPIRED)
                assert (answer.validity is Validity.EXPIRED) == (
                    each.expired(now) and not each.revoked
                )
                assert entry.since is None or entry.since <= now

    @invariant()
    def no_act_without_a_stored_decision(self) -> None:
        """Every status event names a stored decision of that instant, clause and sentence."""
        with self._db.read() as tx:
            stored = {row["id"]: row for row in decisions.decisions(tx, NAME)}
            for each in self._issued():
                for event in engine.events(tx, each.id):
                    row = stored[event.decision]
                    assert row["outcome"] == "decision"
                    assert (row["clause"], row["because"]) == (event.clause, event.because)
                    assert row["at"] <= event.at


def _live(template: Path, folder: Path, **how: int) -> None:
    life: Callable[[], RuleBasedStateMachine] = lambda: Life(template, folder)  # noqa: E731 - a factory
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(life, settings=settings(suppress_health_check=quiet, **how))  # type: ignore[arg-type] # two ints


def test_some_lives(sqlite_template: Path, tmp_path: Path) -> None:
    """In a few lives of thirty events the invariants hold, and the decisions come out again."""
    _live(sqlite_template, tmp_path, max_examples=12, stateful_step_count=30)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_many_lives(sqlite_template: Path, tmp_path: Path) -> None:
    """In many more lives of sixty events the invariants hold."""
    _live(sqlite_template, tmp_path, max_examples=150, stateful_step_count=60)
