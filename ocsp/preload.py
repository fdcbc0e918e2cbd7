"""Fills a responder's memory when it starts, so that the first questions are not the slow ones."""

import logging
import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from ca import records as engine
from core.database import Tx
from ocsp import compose, records
from ocsp.answer import Responder
from ocsp.index import Authority, written
from ocsp.lookup import Facts
from ocsp.memory import Kept, Memory

_BREATH_SECONDS = 0.005

_log = logging.getLogger(__name__)


def start(responder: Responder) -> threading.Thread:
    """Fill the memory in a thread of its own, which ends by itself."""
    thread = threading.Thread(target=preload, args=(responder,), name="ocsp-preload", daemon=True)
    thread.start()
    return thread


def preload(responder: Responder) -> int:
    """Remember every certificate and every answer in reserve; return how many certificates.

    Where there are more certificates than the memory holds nothing is loaded: which ones the world
    asks about is not known before it asks.
    """
    memory = responder.memory
    if memory is None:
        return 0
    loaded = 0
    try:
        with responder.db.read() as tx:
            if engine.count(tx) > responder.settings.most_known:
                return 0
        for authority in responder.index.authorities():
            for part in range(records.PARTS):
                loaded += _part(responder, memory, authority, part)
                time.sleep(_BREATH_SECONDS)
    except SQLAlchemyError as error:
        _log.warning("The memory is not filled beforehand: %s", error)
    return loaded


def _part(responder: Responder, memory: Memory, authority: Authority, part: int) -> int:
    """Remember the certificates of one part, as one snapshot shows them."""
    if not authority.signers:
        return 0
    generation = memory.generation
    with responder.db.read() as tx:
        found = _facts(tx, authority, part)
    for serial, each in found.items():
        key = (authority.first_row, serial)
        known = memory.learn(key, each[0].entry, generation) if each[0].entry else None
        for facts in each:
            answer = compose.reserved(
                authority, facts, responder.settings, responder.clock.now().replace(microsecond=0)
            )
            if known and answer and answer.lease and facts.reserved:
                algorithm = written(facts.reserved.algorithm)
                kept = Kept(algorithm=algorithm, answer=answer, lease=answer.lease)
                memory.keep(key, known, kept)
    return len(found)


def _facts(tx: Tx, authority: Authority, part: int) -> dict[int, list[Facts]]:
    found: dict[int, list[Facts]] = {}
    reserved = records.of_part(tx, authority.first_row, part)
    for row in authority.issuer_ids:
        for entry in engine.live(tx, row, records.octets_of(part)):
            answers = reserved.get(entry.serial, [])
            found[entry.serial] = [Facts(entry=entry, reserved=each) for each in answers] or [
                Facts(entry=entry)
            ]
    return found
