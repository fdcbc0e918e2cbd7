"""Acts on certificates for tests, each with an approval of its own and in one commit."""

from datetime import datetime

from ca import lifecycle, plan
from ca.model import Act, Approval, Certificate, HoldSource
from core.clock import Clock
from core.database import Database
from core.reasons import Reason
from tests.support import authority


class Acts:
    """Acts at the clock's instant; `decision` names the approval's decision."""

    def __init__(self, db: Database, clock: Clock) -> None:
        """Act in `db`."""
        self._db = db
        self._clock = clock

    def confirm(self, certificate: Certificate, decision: str = "") -> Certificate:
        """Record the subscriber's confirmation."""
        allowed = self._allowed(Act.CONFIRM, certificate, decision)
        with self._db.begin() as tx:
            return lifecycle.confirm(tx, allowed, self._clock.now())

    def suspend(
        self,
        certificate: Certificate,
        source: HoldSource = HoldSource.DOSSIER,
        ends_at: datetime | None = None,
        decision: str = "",
    ) -> Certificate:
        """Put a hold on it."""
        allowed = self._allowed(Act.SUSPEND, certificate, decision)
        with self._db.begin() as tx:
            return lifecycle.suspend(tx, allowed, source, self._clock.now(), ends_at=ends_at)

    def extend(
        self,
        certificate: Certificate,
        source: HoldSource,
        ends_at: datetime | None,
        decision: str = "",
    ) -> Certificate:
        """Give a hold a later end."""
        allowed = self._allowed(Act.EXTEND, certificate, decision)
        with self._db.begin() as tx:
            return lifecycle.extend(tx, allowed, source, self._clock.now(), ends_at=ends_at)

    def restore(
        self,
        certificate: Certificate,
        source: HoldSource = HoldSource.DOSSIER,
        decision: str = "",
    ) -> Certificate:
        """Lift a hold."""
        allowed = self._allowed(Act.RESTORE, certificate, decision)
        with self._db.begin() as tx:
            return lifecycle.restore(tx, allowed, source, self._clock.now())

    def revoke(
        self,
        certificate: Certificate,
        reason: Reason = Reason.SUPERSEDED,
        invalidity_date: datetime | None = None,
        decision: str = "",
    ) -> Certificate:
        """Revoke it for ever."""
        allowed = self._allowed(Act.REVOKE, certificate, decision)
        with self._db.begin() as tx:
            return lifecycle.revoke(
                tx, allowed, reason, self._clock.now(), invalidity_date=invalidity_date
            )

    def plan(
        self,
        certificate: Certificate,
        due_at: datetime,
        reason: Reason = Reason.CESSATION_OF_OPERATION,
        decision: str = "",
    ) -> None:
        """Plan its revocation."""
        allowed = self._allowed(Act.REVOKE, certificate, decision)
        with self._db.begin() as tx:
            plan.plan(tx, allowed, reason, self._clock.now(), due_at=due_at)

    def carry_out_due(self) -> list[Certificate]:
        """Revoke every certificate whose planned date has come; each is one commit."""
        now = self._clock.now()
        with self._db.read() as tx:
            waiting = plan.due(tx, now)
        done = []
        for each in waiting:
            with self._db.begin() as tx:
                after = plan.carry_out(tx, each.certificate_id, now)
            done.extend([after] if after else [])
        return done

    def again(self, act: Act, certificate: Certificate, decision: str) -> Certificate:
        """Repeat an act by its decision; what else is said does not count."""
        match act:
            case Act.CONFIRM:
                return self.confirm(certificate, decision)
            case Act.SUSPEND:
                return self.suspend(certificate, HoldSource.LOSS, None, decision)
            case Act.EXTEND:
                return self.extend(certificate, HoldSource.LOSS, None, decision)
            case Act.RESTORE:
                return self.restore(certificate, HoldSource.LOSS, decision)
            case _:
                return self.revoke(certificate, Reason.SUPERSEDED, None, decision)

    def _allowed(self, act: Act, certificate: Certificate, decision: str) -> Approval:
        return authority.approval(
            act,
            certificate.subscriber,
            self._clock.now(),
            serial=certificate.serial,
            decision=decision,
        )
