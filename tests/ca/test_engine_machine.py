"""The engine under random commands, crashes and clocks, beside a naive model of what must be so."""

import contextlib
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from ca import history, plan, records
from ca import issue as issuance
from ca.model import Act, Certificate, HoldSource, Stage, Status, Succession
from ca.order import Order, Replacement
from ca.reconcile import reconcile
from core import proof, sealing
from core.database import Database
from core.errors import Conflict, NotFound, Refused
from core.reasons import FINAL_REASONS, Reason
from tests.conftest import START
from tests.support import authority
from tests.support.acts import Acts
from tests.support.crash import Crash, CrashingDatabase
from tests.support.naive import Naive, Wound
from tests.support.office import ca_key

KEYS = [ec.generate_private_key(ec.SECP256R1()) for _ in range(6)]
AUDIT = ec.generate_private_key(ec.SECP256R1())
SOURCES = st.sampled_from([HoldSource.DOSSIER, HoldSource.AUTHORITY, HoldSource.SUBSCRIBER])
STEPS = st.sampled_from([timedelta(seconds=1), timedelta(hours=5), timedelta(days=3),
                         timedelta(days=30), timedelta(days=200)])  # fmt: skip
LATER = st.sampled_from([None, timedelta(hours=1), timedelta(days=5), timedelta(days=400)])
CRASHES = st.sampled_from([None, None, None, None, (1, False), (1, True), (2, False), (2, True)])
_CRASH = tuple[int, bool] | None
_MADE = int | MultipleResults[int]
_GRACE = timedelta(minutes=10)


class Engine(RuleBasedStateMachine):
    """One issuer, a few keys, and commands in any order; some of them crash at their commits."""

    certificates: Bundle[int] = Bundle("certificates")

    def __init__(self, db: Database) -> None:
        """Establish a CA in an empty, migrated database."""
        super().__init__()
        self.db = db
        self.clock = Wound()
        self.issuer = authority.establish(db, self.clock, ca_key("root"), ca_key("issuing"))
        self.model: dict[int, Naive] = {}
        self.decisions: dict[int, list[tuple[Act, str]]] = {}

    def teardown(self) -> None:
        """At the end every serial is there once, and the audit trail is sound."""
        sealing.seal(self.db)
        sealing.checkpoint(self.db, self.clock.now(), AUDIT)
        with self.db.read() as tx:
            assert proof.examine(tx, AUDIT.public_key()).findings == ()
            everyone = records.of_profiles(tx, authority.PROFILES.names())
        drawn = [each.serial for each in everyone]
        assert len(set(drawn)) == len(drawn)
        self.db.dispose()

    # --- issuance -------------------------------------------------------------------------------

    @initialize(target=certificates)
    def first(self) -> int:
        """A good certificate to begin with."""
        order = authority.order("KH0", self.clock.now(), public_key=KEYS[0].public_key())
        return self._born(issuance.issue(self.db, self.clock, self.issuer, order))

    @rule(target=certificates, subscriber=st.integers(0, 2), on_hold=st.booleans(), crash=CRASHES)
    def issue(self, subscriber: int, *, on_hold: bool, crash: _CRASH) -> _MADE:
        """Issue, perhaps on hold; the same command again ends what a crash interrupted."""
        order = authority.order(
            f"KH{subscriber}",
            self.clock.now(),
            public_key=KEYS[subscriber].public_key(),
            on_hold=on_hold,
        )
        return self._issue(order, crash)

    @rule(target=certificates, old=certificates, kind=st.sampled_from(Succession), crash=CRASHES,
          ends=st.booleans())  # fmt: skip
    def follow(self, old: int, kind: Succession, crash: _CRASH, *, ends: bool) -> _MADE:
        """Renew, re-key or re-issue; the older one ends with it, or stays."""
        before = self._find(old)
        number = int(before.subscriber[2:])
        now = self.clock.now()
        retire = authority.approval(Act.REVOKE, before.subscriber, now, serial=before.serial)
        changes: dict[str, object] = {}
        if kind is Succession.REISSUE:
            changes["subject"] = authority.name(f"Subscriber {uuid.uuid4().hex[:8]}")
        elif before.der:
            changes["subject"] = x509.load_der_x509_certificate(before.der).subject
        order = authority.order(
            before.subscriber,
            now,
            public_key=KEYS[number + 3 * (kind is Succession.REKEY)].public_key(),
            replaces=Replacement(serial=old, kind=kind, retire=retire if ends else None),
            **changes,
        )
        made = self._issue(order, crash)
        if isinstance(made, int) and ends:
            naive = self.model[old]
            if self._find(old).revoked and naive.status is not Status.REVOKED:
                naive.end(now, Reason.SUPERSEDED)
        return made

    def _issue(self, order: Order, crash: _CRASH) -> _MADE:
        try:
            try:
                made = issuance.issue(self._crashing(crash), self.clock, self.issuer, order)
            except Crash:
                made = issuance.issue(self.db, self.clock, self.issuer, order)
        except Refused:
            return multiple()
        return self._born(made)

    def _born(self, made: Certificate) -> int:
        assert made.serial not in self.model
        assert x509.load_der_x509_certificate(made.der or b"").serial_number == made.serial
        holds: dict[HoldSource, datetime | None] = dict.fromkeys(made.standing.sources)
        status = Status.HOLD if holds else Status.GOOD
        reason = Reason.CERTIFICATE_HOLD if holds else None
        now = self.clock.now()
        self.model[made.serial] = Naive(
            [(now, status, reason)], made.not_before, made.not_after, holds, last=now
        )
        return made.serial

    @rule(crash=st.sampled_from([(1, True), (2, False)]))
    def lose(self, crash: _CRASH) -> None:
        """An issuance crashes and nobody asks again: reconcile revokes its serial."""
        order = authority.order("KH2", self.clock.now(), public_key=KEYS[2].public_key())
        with contextlib.suppress(Refused):
            try:
                issuance.issue(self._crashing(crash), self.clock, self.issuer, order)
            except Crash:
                self.clock.instant += timedelta(seconds=1)
                (lost,) = reconcile(self.db, self.clock, patience=timedelta(0))
                assert lost not in self.model
                assert self._find(lost).stage is Stage.LOST

    # --- acts -----------------------------------------------------------------------------------

    @rule(serial=certificates, crash=CRASHES)
    def confirm(self, serial: int, crash: _CRASH) -> None:
        """The subscriber confirms."""
        naive = self.model[serial]
        fit = not naive.confirmed and naive.status is not Status.REVOKED
        if self._act(serial, crash, lambda acts, c, d: acts.confirm(c, decision=d), fit=fit):
            naive.confirmed, naive.last = True, self.clock.now()

    @rule(serial=certificates, source=SOURCES, lasts=LATER, crash=CRASHES)
    def suspend(
        self, serial: int, source: HoldSource, lasts: timedelta | None, crash: _CRASH
    ) -> None:
        """A hold is placed, with or without an end."""
        naive, now = self.model[serial], self.clock.now()
        end = None if lasts is None else now + lasts
        fit = naive.status is not Status.REVOKED and source not in naive.holds
        if self._act(serial, crash, lambda acts, c, d: acts.suspend(c, source, end, d), fit=fit):
            naive.holds[source] = end
            naive.write(now)

    @rule(serial=certificates, source=SOURCES, lasts=LATER, crash=CRASHES)
    def extend(
        self, serial: int, source: HoldSource, lasts: timedelta | None, crash: _CRASH
    ) -> None:
        """A hold gets a later end, or none."""
        naive, now = self.model[serial], self.clock.now()
        end = None if lasts is None else now + lasts
        present = naive.holds.get(source)
        fit = source in naive.holds and (end is None or (present is not None and end > present))
        if self._act(serial, crash, lambda acts, c, d: acts.extend(c, source, end, d), fit=fit):
            naive.holds[source] = end
            naive.write(now)

    @rule(serial=certificates, source=SOURCES | st.just(HoldSource.NOT_ACTIVATED), crash=CRASHES)
    def restore(self, serial: int, source: HoldSource, crash: _CRASH) -> None:
        """A hold is lifted."""
        naive = self.model[serial]
        fit = source in naive.holds
        if self._act(serial, crash, lambda acts, c, d: acts.restore(c, source, d), fit=fit):
            del naive.holds[source]
            naive.write(self.clock.now())

    @rule(serial=certificates, reason=st.sampled_from(sorted(FINAL_REASONS)), crash=CRASHES)
    def revoke(self, serial: int, reason: Reason, crash: _CRASH) -> None:
        """A revocation."""
        if reason is Reason.KEY_COMPROMISE:
            reason = Reason.AFFILIATION_CHANGED  # so that the few keys are not all blocked
        naive = self.model[serial]
        fit = naive.status is not Status.REVOKED
        if self._act(serial, crash, lambda acts, c, d: acts.revoke(c, reason, None, d), fit=fit):
            naive.end(self.clock.now(), reason)

    @rule(serial=certificates, lasts=st.sampled_from([timedelta(hours=1), timedelta(days=9)]))
    def plan(self, serial: int, lasts: timedelta) -> None:
        """A revocation is planned."""
        naive, due_at = self.model[serial], self.clock.now() + lasts
        fit = (
            naive.status is not Status.REVOKED
            and naive.planned is None
            and due_at <= naive.not_after
        )
        try:
            Acts(self.db, self.clock).plan(self._find(serial), due_at)
        except (Refused, Conflict):
            assert not fit
        else:
            assert fit
            naive.planned = due_at

    @rule(serial=certificates)
    def cancel(self, serial: int) -> None:
        """A planned revocation is cancelled."""
        now = self.clock.now()
        try:
            with self.db.begin() as tx:
                plan.cancel(tx, serial, now, actor="operator:lan", because="It goes on.")
        except NotFound:
            assert self.model[serial].planned is None
        else:
            self.model[serial].planned = None

    @rule(serial=certificates, again=st.integers(0, 9))
    def repeat(self, serial: int, again: int) -> None:
        """A command that was carried out before is sent again: nothing happens."""
        done = self.decisions.get(serial)
        if done:
            act, decision = done[again % len(done)]
            before = self._find(serial)
            with self.db.read() as tx:
                events = records.events(tx, before.id)
            assert Acts(self.db, self.clock).again(act, before, decision) == before
            with self.db.read() as tx:
                assert records.events(tx, before.id) == events

    # --- clocks ---------------------------------------------------------------------------------

    @rule(step=STEPS)
    def time_passes(self, step: timedelta) -> None:
        """The clock moves on, and the worker lifts what ended and revokes what was planned."""
        self.clock.instant += step
        self._lapse()
        self._carry_out()

    @rule(step=st.sampled_from([timedelta(seconds=1), timedelta(minutes=5)]))
    def clock_goes_back(self, step: timedelta) -> None:
        """Another machine's clock is a bit behind: what would lie before an act is refused."""
        self.clock.instant = max(START + _GRACE, self.clock.instant - step)

    def _lapse(self) -> None:
        now = self.clock.now()
        with self.db.read() as tx:
            ended = [
                (records.by_id(tx, each), source) for each, source in records.holds_ended(tx, now)
            ]
        expected = {
            (serial, source)
            for serial, naive in self.model.items()
            for source, end in naive.holds.items()
            if end is not None and end <= now <= naive.not_after
        }
        assert {(each.serial, source) for each, source in ended} == expected
        for each, source in ended:
            if now >= self.model[each.serial].last:
                self.restore(each.serial, source, None)

    def _carry_out(self) -> None:
        now = self.clock.now()
        blocked = [each for each in self.model.values() if each.planned and now < each.last]
        if blocked:
            return  # the clock went back: the worker waits until nothing would be back-dated
        done = {each.serial for each in Acts(self.db, self.clock).carry_out_due()}
        for serial, naive in self.model.items():
            if naive.planned is None or naive.planned > now:
                assert serial not in done
            elif now > naive.not_after:
                naive.planned = None
            else:
                assert serial in done
                naive.end(now, Reason.CESSATION_OF_OPERATION)

    # --- what always holds ----------------------------------------------------------------------

    @invariant()
    def it_stands_as_the_model_says(self) -> None:
        """Good exactly when no hold is open, revoked for ever, and what is published says so."""
        with self.db.read() as tx:
            listed = {each.serial: each for each in records.entries_not_good(tx, self._issuer_id)}
            for serial, naive in self.model.items():
                found = records.by_serial(tx, serial)
                at, status, reason = naive.steps[-1]
                assert (found.standing.status, found.standing.reason) == (status, reason)
                assert {hold.source: hold.ends_at for hold in found.standing.holds} == naive.holds
                assert found.standing.since in (at, None)
                assert (found.confirmed_at is not None) is naive.confirmed
                entry = records.entry(tx, found.issuer_id, serial)
                assert entry is not None
                assert entry.status is status
                assert listed.get(serial) == (None if status is Status.GOOD else entry)

    @invariant()
    def history_is_the_models(self) -> None:
        """At, just before and just after every step the history tells what the model wrote."""
        tick = timedelta(microseconds=1)
        with self.db.read() as tx:
            for serial, naive in self.model.items():
                found = records.by_serial(tx, serial)
                events = records.events(tx, found.id)
                instants = [each for each, _, _ in naive.steps]
                instants += [naive.not_before, naive.not_after, self.clock.now()]
                for each in instants:
                    for at in (each - tick, each, each + tick):
                        assert history.judge(found, events, at).validity is naive.at(at)

    @property
    def _issuer_id(self) -> int:
        return self.issuer.issuer.id

    def _find(self, serial: int) -> Certificate:
        with self.db.read() as tx:
            return records.by_serial(tx, serial)

    def _crashing(self, crash: _CRASH) -> Database:
        return self.db if crash is None else CrashingDatabase(self.db, crash[0], persisted=crash[1])

    def _act(
        self,
        serial: int,
        crash: _CRASH,
        act: Callable[[Acts, Certificate, str], Certificate],
        *,
        fit: bool,
    ) -> bool:
        """Do an act, again after a crash; return whether it was done, as the model says it is."""
        naive, now = self.model[serial], self.clock.now()
        fit = fit and naive.last <= now <= naive.not_after
        decision, found = uuid.uuid4().hex, self._find(serial)
        try:
            try:
                act(Acts(self._crashing(crash), self.clock), found, decision)
            except Crash:
                act(Acts(self.db, self.clock), found, decision)
        except Refused as refusal:
            if fit:
                raise AssertionError("The model allows it.") from refusal
            return False
        assert fit
        with self.db.read() as tx:
            kind = records.events(tx, found.id)[-1].act
        self.decisions.setdefault(serial, []).append((kind, decision))
        return True


def _drive(open_db: Callable[[], Database], **how: int) -> None:
    engine: Callable[[], RuleBasedStateMachine] = lambda: Engine(open_db())  # noqa: E731 - a factory
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        engine,  # type: ignore[arg-type] # a factory will do
        settings=settings(suppress_health_check=quiet, deadline=None, **how),  # type: ignore[arg-type] # two ints
    )


def test_engine(copies: Callable[[], Database]) -> None:
    """In some runs of forty commands on SQLite the engine does what the model says."""
    _drive(copies, max_examples=30, stateful_step_count=40)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_engine_at_length(copies: Callable[[], Database]) -> None:
    """In many runs of eighty commands on SQLite it does so too."""
    _drive(copies, max_examples=120, stateful_step_count=80)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_engine_on_postgresql(postgres_copies: Callable[[], Database]) -> None:
    """And in some runs on PostgreSQL."""
    _drive(postgres_copies, max_examples=25, stateful_step_count=40)
