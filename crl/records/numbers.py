"""CRL numbers: taken once and for ever, and the lock under which CRLs are stored."""

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from core.database import Tx
from core.errors import Refused
from crl.model import Refusal
from crl.tables import crl_sequence


def reserve(tx: Tx, issuer_id: int, *, partitions: int) -> int:
    """Take the issuer's next CRL number for ever; a number that is not used leaves a gap.

    `partitions` is fixed with the first number.
    """
    _begin_sequence(tx, issuer_id)
    _fix_partitions(tx, issuer_id, partitions)
    query = (
        update(crl_sequence)
        .where(crl_sequence.c.issuer_id == issuer_id)
        .values(last_number=crl_sequence.c.last_number + 1)
        .returning(crl_sequence.c.last_number)
    )
    number: int = tx.execute(query).scalar_one()
    return number


def raise_to(tx: Tx, issuer_id: int, number: int) -> None:
    """Let the next number be above `number`; nothing changes when it is already."""
    _begin_sequence(tx, issuer_id)
    tx.execute(
        update(crl_sequence)
        .where(crl_sequence.c.issuer_id == issuer_id, crl_sequence.c.last_number < number)
        .values(last_number=number)
    )


def lock(tx: Tx, issuer_id: int) -> None:
    """Let nobody else store a CRL of this issuer until the transaction ends."""
    query = select(crl_sequence.c.last_number).where(crl_sequence.c.issuer_id == issuer_id)
    tx.execute(query.with_for_update())


def set_refusal(tx: Tx, issuer_id: int, refusal: Refusal | None) -> None:
    """Record that the gate held the newest CRL back, or that one passed."""
    tx.execute(
        update(crl_sequence)
        .where(crl_sequence.c.issuer_id == issuer_id)
        .values(
            refused_at=refusal.at if refusal else None,
            refusal=refusal.sentence if refusal else None,
        )
    )


def refusal(tx: Tx, issuer_id: int) -> Refusal | None:
    """Return what the gate said of the newest attempt, None when it passed."""
    query = select(crl_sequence.c.refused_at, crl_sequence.c.refusal).where(
        crl_sequence.c.issuer_id == issuer_id, crl_sequence.c.refused_at.is_not(None)
    )
    row = tx.execute(query).one_or_none()
    return None if row is None else Refusal(at=row.refused_at, sentence=row.refusal)


def _begin_sequence(tx: Tx, issuer_id: int) -> None:
    known = select(crl_sequence.c.issuer_id).where(crl_sequence.c.issuer_id == issuer_id)
    if tx.execute(known).one_or_none() is None:
        try:
            with tx.begin_nested():
                tx.execute(insert(crl_sequence).values(issuer_id=issuer_id, last_number=0))
        except IntegrityError:
            pass  # Another publisher began it in this moment; the next statement waits for it.


def _fix_partitions(tx: Tx, issuer_id: int, partitions: int) -> None:
    """Fix the count of partitions if none is fixed; raises Refused when it is another one."""
    this = crl_sequence.c.issuer_id == issuer_id
    tx.execute(
        update(crl_sequence)
        .where(this, crl_sequence.c.partitions.is_(None))
        .values(partitions=partitions)
    )
    fixed = tx.execute(select(crl_sequence.c.partitions).where(this)).scalar_one()
    if fixed != partitions:
        raise Refused(
            f"The issuer's certificates are spread over {fixed} partitions, not {partitions}; the "
            "count is fixed, because certificates name their partition. Set it back.",
            code="partitions_fixed",
        )
