"""Finds the authority that a CertID names: by hash algorithm, name hash, key hash.

An authority is one CA name with one key (RFC 6960 4.1.1). Renewed CA certificates (same name, same
key) are one authority with several issuer rows; a CA with a new key is another authority.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from ca.model import Issuer
from core import der
from core.errors import Invalid
from ocsp.identity import Identity
from ocsp.model import CertId
from ocsp.signer import Signer

_OIDS = {
    "sha1": der.oid("1.3.14.3.2.26"),
    "sha256": der.oid("2.16.840.1.101.3.4.2.1"),
    "sha384": der.oid("2.16.840.1.101.3.4.2.2"),
    "sha512": der.oid("2.16.840.1.101.3.4.2.3"),
}

_WRITTEN = {
    name: der.element(der.SEQUENCE, oid, der.element(der.NULL)) for name, oid in _OIDS.items()
}
_NAMES = {written: name for name, written in _WRITTEN.items()}

_Key = tuple[bytes, bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """One CA name with one key: the rows of its certificates, and who signs its answers.

    `signers` may be empty: then we cannot speak for this authority. `not_before` is the start of
    its first certificate, `certificate` its last.
    """

    name: str
    identity: Identity = field(repr=False)
    certificate: bytes = field(repr=False)
    issuer_ids: tuple[int, ...]
    not_before: datetime
    signers: tuple[Signer, ...] = field(repr=False)

    @property
    def first_row(self) -> int:
        """The row of its first certificate, by which the authority is known for good."""
        return self.issuer_ids[0]

    def cert_id(self, algorithm: str, serial: int) -> CertId:
        """Return the CertID of one certificate as most clients write it: parameters NULL."""
        name_hash = hashlib.new(algorithm, self.identity.subject).digest()
        key_hash = hashlib.new(algorithm, self.identity.key).digest()
        octets = der.element(
            der.SEQUENCE,
            _WRITTEN[algorithm],
            der.element(der.OCTET_STRING, name_hash),
            der.element(der.OCTET_STRING, key_hash),
            der.element(der.INTEGER, serial.to_bytes(serial.bit_length() // 8 + 1, "big")),
        )
        return CertId(
            der=octets,
            algorithm=_WRITTEN[algorithm],
            hash_oid=_OIDS[algorithm][2:],
            name_hash=name_hash,
            key_hash=key_hash,
            serial=serial,
        )

    def signer(self, now: datetime) -> Signer | None:
        """Return the signer to use at `now`: of those valid, the one that began last."""
        valid = [each for each in self.signers if each.valid(now)]
        return max(valid, key=lambda each: each.not_before, default=None)


def written(algorithm: str) -> bytes:
    """Return the AlgorithmIdentifier of a hash as most clients write it: parameters NULL."""
    return _WRITTEN[algorithm]


def named(algorithm: bytes) -> str | None:
    """Return the hash whose AlgorithmIdentifier was `written` so; None for another form."""
    return _NAMES.get(algorithm)


class Index:
    """Every authority that we can be asked about; never changes: a new one is made instead."""

    def __init__(self, issuers: Iterable[Issuer], signers: Iterable[Signer]) -> None:
        """Bind each signer to the authority that issued it; raises Invalid for a stranger."""
        waiting = list(signers)
        self._authorities: dict[_Key, Authority] = {}
        self._by_row: dict[int, Authority] = {}
        for identity, rows in _by_identity(issuers).items():
            own = tuple(each for each in waiting if each.speaks_for(rows[0].der))
            waiting = [each for each in waiting if each not in own]
            authority = Authority(
                name=rows[-1].name,
                identity=identity,
                certificate=rows[-1].der,
                issuer_ids=tuple(row.id for row in rows),
                not_before=min(row.not_before for row in rows),
                signers=own,
            )
            self._by_row |= dict.fromkeys(authority.issuer_ids, authority)
            self._authorities |= dict.fromkeys(_keys(identity), authority)
        if waiting:
            raise Invalid(
                f"The OCSP certificate {waiting[0].subject} was issued by none of our issuers "
                "(RFC 6960 4.2.2.2); give it up or add its issuer."
            )

    def find(self, cert_id: CertId) -> Authority | None:
        """Return the authority that `cert_id` names, None when it is not ours."""
        return self._authorities.get((cert_id.hash_oid, cert_id.name_hash, cert_id.key_hash))

    def of_row(self, issuer_id: int) -> Authority | None:
        """Return the authority that an issuer row belongs to, None when it is not known yet."""
        return self._by_row.get(issuer_id)

    def first_row(self, issuer_id: int) -> int:
        """Return the first row of the authority that the issuer row belongs to."""
        authority = self._by_row.get(issuer_id)
        return issuer_id if authority is None else authority.first_row

    def authorities(self) -> list[Authority]:
        """Return each authority once, oldest first."""
        return list({id(each): each for each in self._authorities.values()}.values())


def _by_identity(issuers: Iterable[Issuer]) -> dict[Identity, list[Issuer]]:
    found: dict[Identity, list[Issuer]] = {}
    for each in issuers:
        found.setdefault(Identity.of(each.der), []).append(each)
    return found


def _keys(identity: Identity) -> Iterator[_Key]:
    for name, oid in _OIDS.items():
        yield (
            oid[2:],  # a CertId holds the contents
            hashlib.new(name, identity.subject).digest(),
            hashlib.new(name, identity.key).digest(),
        )
