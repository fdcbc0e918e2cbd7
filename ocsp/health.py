"""Tells what keeps a responder from answering well: for /health/ready and for alarms."""

from datetime import datetime, timedelta

from ocsp.answer import Responder
from ocsp.signer import Signer

_SOON = timedelta(days=14)


def troubles(responder: Responder) -> list[str]:
    """Return a sentence for each thing that keeps the responder from present, signed truth."""
    now = responder.clock.now()
    return [*_signers(responder, now), *_data(responder)]


def warnings(responder: Responder) -> list[str]:
    """Return a sentence for each certificate that must be renewed soon, while all is well."""
    now = responder.clock.now()
    return [
        f"The OCSP certificate {each.subject} ends at {each.not_after.isoformat()}; renew it."
        for authority in responder.index.authorities()
        for each in authority.signers
        if each is authority.signer(now) and each.not_after - now < min(_SOON, _third(each))
    ]


def _third(signer: Signer) -> timedelta:
    return (signer.not_after - signer.not_before) / 3


def _signers(responder: Responder, now: datetime) -> list[str]:
    speaking = [each for each in responder.index.authorities() if each.signers]
    if not speaking:
        return ["There is no OCSP certificate; the worker issues one."]
    return [
        f"No OCSP certificate of {each.name} is valid now; the worker issues a new one."
        for each in speaking
        if each.signer(now) is None
    ]


def _data(responder: Responder) -> list[str]:
    memory = responder.memory
    if memory is None or memory.fresh():
        return []
    age = memory.age()
    if age is None:
        return ["The database was not seen yet."]
    if timedelta(seconds=age) <= responder.settings.reserve_time:
        return [f"The database was last seen {age:.1f} s ago; what was true then is told."]
    return [f"The database was last seen {age:.0f} s ago; requests are told to try later."]
