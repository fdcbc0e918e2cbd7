"""Answers one OCSP request: octets in, response and caching facts out.

The order of checks is the order in which RFC 6960 2.3 lets us refuse: form, authority, size; then
the database, then the signature. Whatever is away, the answer is an honest error, never a guess.
"""

import logging
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from ca import records
from ca.model import Entry
from core.clock import Clock
from core.database import Database, Tx
from core.errors import Unavailable
from ocsp import response
from ocsp.index import Authority, Index
from ocsp.model import (
    Answer,
    CertId,
    CertStatus,
    Request,
    RequestSignature,
    ResponseStatus,
    Settings,
    Source,
    Verdict,
)
from ocsp.request import Malformed, parse
from ocsp.response import Single
from ocsp.signer import Signer
from ocsp.verdict import judge

_log = logging.getLogger(__name__)


class Responder:
    """Answers requests for the authorities of `index`; `index` may be replaced at any time."""

    def __init__(self, db: Database, clock: Clock, index: Index, settings: Settings) -> None:
        """Read statuses from `db`; nothing is connected or signed yet."""
        self.db = db
        self.clock = clock
        self.index = index
        self.settings = settings

    def answer(self, data: bytes) -> Answer:
        """Return the answer to the request in `data`; never raises."""
        try:
            return self._answer(data)
        except Malformed:
            return failure(ResponseStatus.MALFORMED_REQUEST)
        except (Unavailable, SQLAlchemyError) as error:
            _log.warning("No OCSP answer now: %s", error)
            return failure(ResponseStatus.TRY_LATER)
        except Exception:  # noqa: BLE001 - whatever failed, the client gets an OCSP answer
            _log.exception("An OCSP request met a fault of ours.")
            return failure(ResponseStatus.INTERNAL_ERROR)

    def _answer(self, data: bytes) -> Answer:
        if len(data) > self.settings.most_bytes:
            raise Malformed(
                f"The request has {len(data)} octets; at most {self.settings.most_bytes} are read."
            )
        request = parse(data)
        if self.settings.request_signature is RequestSignature.REQUIRED and not request.signature:
            return failure(ResponseStatus.SIG_REQUIRED)
        authority = self._authority(request)
        if authority is None or len(request.cert_ids) > self.settings.most_cert_ids:
            return failure(ResponseStatus.UNAUTHORIZED)
        now = self.clock.now().replace(microsecond=0)
        verdicts = self._verdicts(authority, request.cert_ids, now)
        if None in verdicts:
            return failure(ResponseStatus.UNAUTHORIZED)
        signer = authority.signer(now)
        if signer is None:
            _log.error("No OCSP certificate of %s is valid now.", authority.name)
            return failure(ResponseStatus.TRY_LATER)
        told = [each for each in verdicts if each is not None]
        return self._signed(request, authority, signer, told, now)

    def _authority(self, request: Request) -> Authority | None:
        """Return the one authority asked about; None when foreign, without a signer, or mixed.

        A delegate of one CA cannot sign for another one's certificates (RFC 6960 4.2.2.2).
        """
        first = self.index.find(request.cert_ids[0])
        if first is None or not first.signers:
            return None
        alike = all(self.index.find(each) is first for each in request.cert_ids[1:])
        return first if alike else None

    def _verdicts(
        self, authority: Authority, cert_ids: tuple[CertId, ...], now: datetime
    ) -> list[Verdict | None]:
        with self.db.read() as tx:
            found = [
                next(
                    filter(None, (_entry(tx, row, each.serial) for row in authority.issuer_ids)),
                    None,
                )
                for each in cert_ids
            ]
        return [judge(entry, self.settings, now) for entry in found]

    def _signed(
        self,
        request: Request,
        authority: Authority,
        signer: Signer,
        verdicts: list[Verdict],
        now: datetime,
    ) -> Answer:
        # A response is never valid for longer than the certificate that signed it.
        next_update = min(now + self.settings.validity, signer.not_after)
        cutoff = authority.not_before if self.settings.archive_cutoff else None
        singles = [
            Single(
                cert_id=cert_id.der,
                verdict=verdict,
                this_update=now,
                next_update=next_update,
                archive_cutoff=cutoff,
            )
            for cert_id, verdict in zip(request.cert_ids, verdicts, strict=True)
        ]
        return Answer(
            der=response.successful(
                singles,
                signer,
                produced_at=now,
                nonce=request.nonce,
                by_name=self.settings.by_name,
            ),
            status=ResponseStatus.SUCCESSFUL,
            source=Source.LIVE,
            statuses=tuple(each.status for each in verdicts),
            this_update=now,
            next_update=next_update,
            max_age=None if request.nonce else self._max_age(verdicts, next_update, now),
        )

    def _max_age(self, verdicts: list[Verdict], next_update: datetime, now: datetime) -> int:
        issued = all(
            each.status is not CertStatus.UNKNOWN and not each.never_issued for each in verdicts
        )
        wanted = self.settings.max_age if issued else self.settings.unknown_max_age
        return int(min(wanted, next_update - now).total_seconds())


def failure(status: ResponseStatus) -> Answer:
    """Return the unsigned answer that says why there is none."""
    return Answer(der=response.failure(status), status=status, source=Source.ERROR)


def _entry(tx: Tx, issuer_id: int, serial: int) -> Entry | None:
    # Zero and negative serials are legal in a request, and never issued.
    return records.entry(tx, issuer_id, serial) if serial > 0 else None
