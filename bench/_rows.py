"""A register of many subscribers with certificates, entered as rows straight into PostgreSQL.

All that a sweep reads is there: subscribers with sealed personal data, their papers, certificates
of a real one's size and bytes, their issuance in the history. What issuance leaves beside that
(decisions, audit entries, the owners of keys) is not. One of ten dossiers lacks its contract.
"""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from psycopg import Connection, sql
from sqlalchemy import text

from app.wiring import Works
from policy.vault import Vault
from tests.support.office import person

LACKING = 10
"""One of so many dossiers lacks its contract."""

_LIFE = timedelta(days=365)
_SUBSCRIBER = (
    "COPY subscriber (id, kind, tax_code, organisation, short_name, province, reseller, personal,"
    " phone_mark, email_mark, representative_mark, registered_at) FROM STDIN"
)
# The serial has 16 octets and begins with 01 to 7E, like a drawn one.
_CERTIFICATE = """
INSERT INTO certificate (issuer_id, serial, subscriber, profile, stage, tbs, der, spki_sha256,
    not_before, not_after, decision, created_at, status)
SELECT made.issuer_id, set_byte(spread.octets, 0, 1 + get_byte(spread.octets, 0) % 126),
    'KH' || lpad(n::text, 7, '0'), 'organisation', 'issued', made.tbs, made.der,
    sha256(('key' || n)::bytea), {at}, {end} + n * interval '1 second', 'issue-' || n, {at}, 'good'
FROM generate_series(1, {size}) n
CROSS JOIN LATERAL (SELECT substring(sha256(n::text::bytea) FROM 1 FOR 16) octets) spread
CROSS JOIN (
    SELECT certificate.* FROM certificate JOIN issuer ON issuer.id = certificate.issuer_id
    WHERE issuer.name = 'issuing' AND certificate.der IS NOT NULL ORDER BY certificate.id LIMIT 1
) made
"""
_EVENT = """
INSERT INTO status_event (certificate_id, at, act, status, decision, clause, because)
SELECT id, created_at, 'issue', 'good', decision, '-', 'The benchmark entered it.'
FROM certificate WHERE subscriber LIKE 'KH%'
"""
_DOCUMENT = """
INSERT INTO document (subscriber_id, kind, form, verdict, received_at, judged_at, reason)
SELECT 'KH' || lpad(n::text, 7, '0'), paper.kind, paper.form, 'accepted', {at}, {at}, ''
FROM generate_series(1, {size}) n
CROSS JOIN (VALUES ('registration_form', 'paper_original'), ('contract', 'paper_original'),
    ('business_registration', 'certified_copy'), ('representative_id', 'certified_copy')
) AS paper (kind, form)
WHERE paper.kind != 'contract' OR n % {lacking} != 0
"""
_RESERVE = """
INSERT INTO ocsp_reserve
    (issuer_id, serial, algorithm, status, this_update, next_update, signer, head)
SELECT issuer_id, serial, algorithm, 'good', :at, :ends, decode(repeat('00', 32), 'hex'),
    decode(repeat('00', 700), 'hex')
FROM certificate CROSS JOIN (VALUES ('sha1'), ('sha256')) AS hash (algorithm)
WHERE subscriber LIKE 'KH%' ON CONFLICT DO NOTHING
"""
_PARTS = """
INSERT INTO ocsp_reserve_part (issuer_id, part, due_at)
SELECT issuer.id, part, :ends FROM issuer CROSS JOIN generate_series(0, 31) part
WHERE issuer.name = 'issuing'
ON CONFLICT (issuer_id, part) DO UPDATE SET due_at = excluded.due_at
"""


def enter(works: Works, size: int, at: datetime) -> None:
    """Enter `size` organisations that were certified at `at` for a year."""
    raw = works.db.engine.raw_connection()
    connection = raw.driver_connection
    assert isinstance(connection, Connection)
    values = {
        "at": sql.Literal(at), "end": sql.Literal(at + _LIFE), "size": sql.Literal(size),
        "lacking": sql.Literal(LACKING),
    }  # fmt: skip
    with connection.cursor() as cursor:
        # The triggers, foreign keys among them, have nothing to say to rows such as these.
        cursor.execute("SET LOCAL session_replication_role = replica")
        with cursor.copy(_SUBSCRIBER) as copy:
            for row in _subscribers(works.vault, size, at):
                copy.write_row(row)
        for statement in (_CERTIFICATE, _EVENT, _DOCUMENT):
            cursor.execute(sql.SQL(statement).format(**values))
    connection.commit()
    raw.close()
    tidy(works)


def reserve(works: Works, at: datetime) -> None:
    """Enter an OCSP reserve as it stands when the worker has signed it; no answer of it is real.

    The responder knows that by the signer, and signs for itself.
    """
    with works.db.begin() as tx:
        for statement in (_RESERVE, _PARTS):
            tx.execute(text(statement), {"at": at, "ends": at + timedelta(days=1)})


def tidy(works: Works) -> None:
    """Let PostgreSQL look at what was entered, as it does by itself after a while."""
    engine = works.db.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("VACUUM ANALYZE"))


def _subscribers(vault: Vault, size: int, at: datetime) -> Iterator[tuple[object, ...]]:
    for number in range(1, size + 1):
        name = f"KH{number:07}"
        own = person(name)
        yield (
            name, "organisation", f"99{number:08}", f"CÔNG TY TNHH SỐ {number}", None, "Hà Nội",
            f"DL{number % 100:02}", vault.seal(name, asdict(own)), vault.mark(own.phone),
            vault.mark(own.email), vault.mark(own.representative), at,
        )  # fmt: skip
