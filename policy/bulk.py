"""Files of requests for many certificates: each row is a wish, and brought again the same act.

A row names the subscriber, the request (its PEM text, or the name of a file beside the table) and
the years. What it asks for is known by subscriber, years and the request's octets, whatever file
it stands in: an interrupted file, or one with rows added, is simply brought again, and only what
is new is issued. A refused row is judged anew each time.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from ca import csr
from ca.issue import Outcome as Issued
from ca.model import Certificate
from core.errors import AntinError, Invalid, SigningUnavailable
from policy import enrol, tabular
from policy.enrol import Desk, Wish
from policy.tabular import Row

COLUMNS = {
    "customer_id": "Mã khách hàng",
    "request": "Yêu cầu cấp (PKCS#10)",
    "years": "Số năm",
}
"""The columns of a file of requests, by the name in CSV files, with the header in workbooks."""

_MOST_YEARS_DIGITS = 2
_DIGEST_DIGITS = 40


class Outcome(StrEnum):
    """What became of a row; FAILED may succeed when the file is brought again."""

    ISSUED = "issued"
    ISSUED_BEFORE = "issued before"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A row that can be read: where it stands, and the wish."""

    line: int
    wish: Wish


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one row: the certificate's DER if there is one, or the sentence why not."""

    line: int
    subscriber: str
    outcome: Outcome
    der: bytes | None = None
    sentence: str = ""


def read(path: Path) -> Iterator[Asked | Result]:
    """Yield the rows of a CSV file or workbook, a refusal for each that cannot be used.

    Raises Invalid for a file that is refused whole (see `tabular`).
    """
    seen: dict[str, int] = {}
    for row in tabular.rows(path, tuple(COLUMNS), _column_of):
        try:
            asked = _read_row(row, path.parent)
            first = seen.setdefault(asked.wish.decision, row.line)
            if first != row.line:
                raise Invalid(f"The row repeats line {first}.")
        except AntinError as error:
            yield _answer(row.line, row.values.get("customer_id", ""), error)
        else:
            yield asked


def issue(
    desk: Desk, batches: Iterable[Sequence[Asked]], *, ahead: bool = False
) -> Iterator[Result]:
    """Issue what the rows ask for, in batches that share their commits; yield every row's result.

    With `ahead`, one batch is decided, drafted and recorded while the token signs the one before;
    without, this thread does everything in turn.
    """
    begun = desk.office.clock.now()
    if not ahead:
        for some in batches:
            outcomes = enrol.enrol_all(desk, [each.wish for each in some])
            yield from _results(some, outcomes, begun)
        return
    with ThreadPoolExecutor(1) as signer:
        before = None
        for some in batches:
            enrolment = enrol.begin(desk, [each.wish for each in some])
            following = _Batch(some, enrolment, signer.submit(enrolment.sign))
            if before is not None:
                yield from _results(before.rows, before.end(), begun)
            before = following
        if before is not None:
            yield from _results(before.rows, before.end(), begun)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows that are being signed for."""

    rows: Sequence[Asked]
    enrolment: enrol.Enrolment
    signing: Future[None]

    def end(self) -> list[Issued]:
        """Wait for the signatures and record them; return what became of each row."""
        self.signing.result()
        return self.enrolment.end()


def _results(
    rows: Sequence[Asked], outcomes: Sequence[Issued], begun: datetime
) -> Iterator[Result]:
    for asked, outcome in zip(rows, outcomes, strict=True):
        yield _result(asked, outcome, begun)


def _result(asked: Asked, outcome: Issued, begun: datetime) -> Result:
    if not isinstance(outcome, Certificate):
        return _answer(asked.line, asked.wish.subscriber, outcome)
    before = outcome.created_at < begun
    return Result(
        line=asked.line,
        subscriber=asked.wish.subscriber,
        outcome=Outcome.ISSUED_BEFORE if before else Outcome.ISSUED,
        der=outcome.der,
    )


def _answer(line: int, subscriber: str, error: AntinError) -> Result:
    failed = isinstance(error, SigningUnavailable)
    return Result(
        line=line,
        subscriber=subscriber,
        outcome=Outcome.FAILED if failed else Outcome.REFUSED,
        sentence=str(error),
    )


def _column_of(header: str) -> str | None:
    text = header.strip().casefold()
    return next((n for n, other in COLUMNS.items() if text in {n, other.casefold()}), None)


def _read_row(row: Row, folder: Path) -> Asked:
    if row.unreadable:
        raise Invalid(row.unreadable)
    subscriber, request, years = (row.values[each].strip() for each in COLUMNS)
    if not subscriber:
        raise Invalid("The row names no subscriber.")
    if not (years.isascii() and years.isdigit() and len(years) <= _MOST_YEARS_DIGITS):
        raise Invalid(f"The years {years[:20]!r} are no number of years.")
    content = _request(request, folder)
    told = b"\0".join((subscriber.encode(), years.encode(), content))
    decision = f"bulk-{hashlib.sha256(told).hexdigest()[:_DIGEST_DIGITS]}"
    wish = Wish(subscriber=subscriber, request=content, years=int(years), decision=decision)
    return Asked(line=row.line, wish=wish)


def _request(text: str, folder: Path) -> bytes:
    """Return a request's octets: the cell's own text, or what lies beside the table."""
    if text.startswith("-----BEGIN "):
        return text.encode()
    if not text or Path(text).name != text:
        raise Invalid(
            f"The request {text[:40]!r} is neither PEM nor the name of a file beside the table."
        )
    path = folder / text
    try:
        if path.stat().st_size > csr.MOST_BYTES:
            raise Invalid(f"The request {text} has more than {csr.MOST_BYTES} bytes.")
        return path.read_bytes().strip()
    except OSError as error:
        raise Invalid(f"The request {text} cannot be read: {error.strerror}.") from None
