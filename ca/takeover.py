"""Take over another CA: its certificates, revocations and holds, as its files tell them.

    gather      every file into the scratch file, sorted by serial; what cannot be used is a finding
    settle      what each serial shall be here, and what its sources do not agree on (pure)
    apply       in batches, each one commit: rows, events, holds, standings, audit entries

The same files again change nothing; what was interrupted goes on. The CRL is what the world saw, so
it is followed where a book says otherwise; nothing that anybody lists is left out of our lists.
"""

import mmap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from cryptography import x509

from ca import foreign, inheriting, ledgers
from ca.foreign import Block, Listed
from ca.gathered import Case, Gathered
from ca.inheriting import Outcome, Wanted
from ca.model import Issuer
from core.database import Database, chunked
from core.errors import AntinError, Invalid
from core.reasons import Reason

BATCH = 500
_SEQUENCE = b"\x30"
_IGNORED_NAMES = frozenset({"serial", "crlnumber"})
_IGNORED_ENDS = (".attr", ".old", ".pub")

Progress = Callable[[int], None]


def gather(
    files: Iterable[Path],
    issuer: x509.Certificate,
    found: Gathered,
    progress: Progress = lambda _files: None,
) -> None:
    """Read every file into `found`; what cannot be used becomes a finding there."""
    for count, path in enumerate(files, 1):
        try:
            _read(path, issuer, found)
        except AntinError as error:
            found.find("unparsable", None, f"{path.name}: {error}")
        except UnicodeDecodeError as error:
            found.find("unparsable", None, f"{path.name}: it is not UTF-8 text ({error.reason}).")
        progress(count)
    if found.crl is None:
        found.find("no_crl", None, "There is no CRL of this issuer; its numbers cannot go on.")


def reconcile(found: Gathered) -> Iterator[Wanted]:
    """Yield what is to be taken over, serial by serial; adds what does not agree as findings."""
    closed = None
    if found.crl is not None:
        closed = x509.load_der_x509_crl(found.crl).last_update_utc
    for case in found.cases():
        for kind, sentence in disagreements(case, closed):
            found.find(kind, case.serial, sentence)
        wanted = settle(case, found.number)
        if wanted is not None:
            yield wanted


def settle(case: Case, number: int | None) -> Wanted | None:
    """Return what the serial shall be here; None for a good one without its certificate."""
    said = case.on_crl or case.in_book
    if case.content is None and said is None:
        return None
    certificate = foreign.read_certificate(case.content) if case.content is not None else None
    return Wanted(
        serial=case.serial,
        certificate=certificate,
        said=said,
        ground=f"CRL {number}" if case.on_crl else "book",
        subscriber=case.subscriber or (certificate.subscriber if certificate else "unknown"),
    )


def disagreements(case: Case, closed: datetime | None) -> Iterator[tuple[str, str]]:
    """Yield what the sources of one serial do not agree on; `closed` is the CRL's thisUpdate."""
    on_crl, in_book = case.on_crl, case.in_book
    if case.content is None and not case.booked:
        yield "unknown", "It is on the CRL, and nothing else names it; it is kept as a serial."
    elif case.content is None:
        kept = "it is kept as a serial" if on_crl or in_book else "it is left out"
        yield "no_certificate", f"A book names it, but its certificate was not given; {kept}."
    if on_crl and case.booked and in_book is None:
        yield "differs", "The CRL lists it and the book says good; the CRL is followed."
    elif on_crl and in_book and (on_crl.since, on_crl.reason) != (in_book.since, in_book.reason):
        yield (
            "differs",
            f"The CRL says {_told(on_crl)}, the book {_told(in_book)}; the CRL is followed.",
        )
    ended = case.expires is not None and closed is not None and case.expires < closed
    if in_book and on_crl is None and closed is not None and not ended:
        yield "missing", f"The book says {_told(in_book)}, but the CRL does not list it."


def apply(
    db: Database,
    now: datetime,
    issuer: Issuer,
    found: Gathered,
    *,
    actor: str,
    progress: Progress = lambda _serials: None,
) -> Outcome:
    """Bring what was gathered into the database, batch by batch; return what was done."""
    outcome = Outcome()
    for some in chunked(reconcile(found), BATCH):
        with db.begin() as tx:  # COMMIT: one batch
            done = inheriting.inherit(tx, now, issuer, some, actor=actor)
        for serial, kind, sentence in done.findings:
            found.find(kind, serial, sentence)
        outcome.add(done)
        progress(outcome.serials)
    return outcome


def _read(path: Path, issuer: x509.Certificate, found: Gathered) -> None:
    if path.name in _IGNORED_NAMES or path.name.endswith(_IGNORED_ENDS):
        found.find("ignored", None, f"{path.name} tells nothing that is needed.")
    elif path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as lines:
            _book(ledgers.csv_rows(lines), path, found)
    elif path.suffix == ".txt":
        with path.open(encoding="utf-8") as lines:
            _book(ledgers.index_lines(lines), path, found)
    else:
        with path.open("rb") as stream:
            begins = stream.read(1)
            stream.seek(0)
            if begins != _SEQUENCE:
                _blocks(foreign.pem_blocks(stream), path, issuer, found)
                return
        with _mapped(path) as content:
            _blocks(foreign.der_blocks(content), path, issuer, found)


@contextmanager
def _mapped(path: Path) -> Iterator[memoryview]:
    with (
        path.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as octets,
        memoryview(octets) as view,
    ):
        yield view


def _book(lines: Iterable[ledgers.Line | Invalid], path: Path, found: Gathered) -> None:
    for line in lines:
        if isinstance(line, Invalid):
            found.find("unparsable", None, f"{path.name}, {line}")
        else:
            found.booked(line, f"{path.name}, {line.where}")


def _blocks(blocks: Iterable[Block], path: Path, issuer: x509.Certificate, found: Gathered) -> None:
    any_block = False
    for block in blocks:
        any_block = True
        where = f"{path.name}, {block.where}"
        if block.label not in ("", "CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CRL"):
            found.find("ignored", None, f"{where}: a {block.label} is not taken over.")
            continue
        try:
            if foreign.is_crl(block):
                _crl(block.content, issuer, found)
            else:
                _certificate(block.content, where, issuer, found)
        except Invalid as error:
            found.find("unparsable", None, f"{where}: {error}")
    if not any_block:
        found.find("ignored", None, f"{path.name} holds neither certificate nor CRL.")


def _certificate(content: bytes, where: str, issuer: x509.Certificate, found: Gathered) -> None:
    read = foreign.read_certificate(content)
    if read.tbs == issuer.tbs_certificate_bytes:
        return
    if foreign.is_issued_by(content, issuer):
        found.certificate(read.serial, content, where)
    else:
        sentence = f"{where}: the certificate is not signed by the issuer that is taken over."
        found.find("wrong_issuer", read.serial, sentence)


def _crl(content: bytes, issuer: x509.Certificate, found: Gathered) -> None:
    number, crl = foreign.read_crl(content, issuer)
    if found.number is not None and number <= found.number:
        if number < found.number:
            found.find("ignored", None, f"The CRL {number} is older than {found.number}.")
        return
    if found.number is not None:
        found.find("ignored", None, f"The CRL {found.number} is older than {number}.")
    found.replace_crl(number, content)
    try:
        for serial, said in foreign.listed(crl):
            found.listed(serial, said)
    except (ValueError, Invalid) as error:
        found.forget_crl()  # half a list would be taken for the whole
        raise Invalid(f"An entry of the CRL {number} cannot be read: {error}.") from error


def _told(said: Listed) -> str:
    status = "on hold" if said.reason is Reason.CERTIFICATE_HOLD else f"revoked ({said.reason})"
    return f"{status} since {said.since.isoformat()}"
