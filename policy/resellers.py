"""Files of resellers: suspend, restore, revoke for their own customers, with a cap for each month.

A row names a certificate by its serial, the act, and the customer's letter. It is known by serial,
act and campaign; without a campaign by serial, act and the file itself, so that a later file may
ask for the same again. A serial that is not this reseller's is told like one that does not exist.
"""

from collections.abc import Iterator
from pathlib import Path

from ca import records as engine
from core import audit, serials
from core.errors import AntinError, Invalid, NotFound, Refused
from policy import contracts, tabular
from policy.filed import Outcome, Result, Wish, do, key
from policy.model import Party, Request, Wanted
from policy.office import Office
from policy.records import subscribers
from policy.rulebook_parts import Resellers
from policy.tabular import Row

COLUMNS = {"serial": "Số sê-ri", "act": "Yêu cầu", "reference": "Văn bản của khách hàng"}
"""The columns of a reseller's file, by the name in CSV files, with the header in workbooks."""

ACTS = {"suspend": Wanted.SUSPEND, "restore": Wanted.RESTORE, "revoke": Wanted.REVOKE}
_VIETNAMESE = {"tạm dừng": "suspend", "phục hồi": "restore", "thu hồi": "revoke"}


def carry_out(
    office: Office,
    path: Path,
    reseller: str,
    *,
    campaign: str = "",
    verified: bool = False,
    apply: bool = False,
) -> Iterator[Result]:
    """Answer each row of a reseller's file, and with `apply` do it; the file's hash is audited.

    `verified` says that the office checked the customers' letters. Raises Invalid for a file that
    is refused whole, Refused when the rulebook takes no files, or the reseller has ended.
    """
    terms = office.rulebook(office.clock.now()).resellers
    if terms is None:
        raise Refused("The rulebook takes no files of resellers.", code="no_reseller_files")
    with office.db.read() as tx:
        contracts.check_reseller(tx, reseller, office.day(office.clock.now()))
    sha256 = tabular.digest(path)
    rows = tabular.rows(path, tuple(COLUMNS), _column_of)
    if apply:
        with office.db.begin() as tx:
            audit.append(
                tx,
                at=office.clock.now(),
                actor=office.actor,
                act="reseller.file",
                subject=f"reseller:{reseller}",
                sha256=sha256,
                campaign=campaign,
            )
    for row in rows:
        try:
            serial, act, reference = _read(row)
            _check_owner(office, serial, reseller)
            wish = Wish(
                line=row.line,
                key=key("reseller", reseller, str(serial), act, campaign or sha256),
                wanted=ACTS[act],
                request=_request(terms, act, reference, verified=verified),
                file=sha256,
                reseller=reseller,
                most=terms.most_per_month,
            )
            yield do(office, serial, wish, apply=apply)
        except NotFound as error:
            yield Result(line=row.line, outcome=Outcome.UNKNOWN, sentence=str(error))
        except AntinError as error:
            yield Result(line=row.line, outcome=Outcome.REFUSED, sentence=str(error))


def _column_of(header: str) -> str | None:
    text = header.strip().casefold()
    return next((n for n, other in COLUMNS.items() if text in {n, other.casefold()}), None)


def _read(row: Row) -> tuple[int, str, str]:
    if row.unreadable:
        raise Invalid(row.unreadable)
    serial, act, reference = (row.values[each].strip() for each in COLUMNS)
    act = _VIETNAMESE.get(act.casefold(), act.casefold())
    if act not in ACTS:
        raise Invalid(f"The act {act[:20]!r} is none of {', '.join(ACTS)}.")
    if not reference:
        raise Invalid("The row names no letter of the customer.")
    return serials.parse(serial), act, reference[:200]


def _check_owner(office: Office, serial: int, reseller: str) -> None:
    with office.db.read() as tx:
        try:
            owner = engine.by_serial(tx, serial).subscriber
        except NotFound:
            owner = ""
        if not owner or subscribers.reseller_of(tx, owner) != reseller:
            raise NotFound(f"No customer of {reseller} has a certificate {serials.to_hex(serial)}.")


def _request(terms: Resellers, act: str, reference: str, *, verified: bool) -> Request:
    """Return the customer's request that the reseller passes on."""
    grounds = {"suspend": terms.suspend_ground, "revoke": terms.revoke_ground}
    return Request(
        by=Party.SUBSCRIBER,
        ground=grounds.get(act, ""),
        source=terms.restore_source if act == "restore" else None,
        verified=verified,
        reference=reference,
    )
