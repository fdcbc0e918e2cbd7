"""Fills a responder's memory when it starts, so that the first questions are not the slow ones."""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from ca import records as engine
from ca.model import Entry
from core.database import Tx
from ocsp import compose, records
from ocsp.answer import Responder
from ocsp.index import Authority
from ocsp.lookup import Facts
from ocsp.memory import Memory
from ocsp.records import Reserved

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
    now = responder.clock.now().replace(microsecond=0)
    for serial, each in found.items():
        key = (authority.first_row, serial)
        known = memory.learn(key, each.entry, generation)
        for reserved in each.reserved:
            facts = Facts(entry=each.entry, known=known, reserved=reserved)
            answer = compose.reserved(authority, facts, responder.settings, now)
            if answer is not None:
                memory.keep(key, known, answer)
    return len(found)


@dataclass(frozen=True, slots=True)
class _Found:
    entry: Entry
    reserved: Sequence[Reserved]


def _facts(tx: Tx, authority: Authority, part: int) -> dict[int, _Found]:
    reserved = records.of_part(tx, authority.first_row, part)
    return {
        entry.serial: _Found(entry, reserved.get(entry.serial, ()))
        for row in authority.issuer_ids
        for entry in engine.live(tx, row, records.octets_of(part))
    }
