#!/usr/bin/env python3
"""Verifies an export of the audit trail, without any of the software that wrote it.

    verify_audit.py EXPORT (--key audit.pem | --fingerprint HEX) [--kept CHECKPOINT ...]

Needs Python 3.11 and the package `cryptography`, nothing else. EXPORT is what `antin audit export`
wrote. --key is the audit key's public half or certificate (PEM), got by another way than the
export; or --fingerprint is the SHA-256 of that key (of its SubjectPublicKeyInfo, as the ceremony's
transcript states it), and the key is taken from the export. --kept are checkpoints received earlier
(one JSON Web Signature in each file): only with them can it be told that the whole trail was not
cut back to an earlier state. Memory does not grow with the trail.

The audit key may have changed: each key's last checkpoint, a handover, names the next key. The key
given may be any of them; what it or a later one signed counts as proven, for trust goes forward
only, and every checkpoint signs all before it.

Exit codes: 0 the trail is sound, 1 it is not, 2 wrong usage.

The form, line by line, all JSON:
    {"antin_audit_export": 1, "entries": N, "head": HASH, "key": PEM, "checkpoint": JWS or null,
     "waiting": W, "handovers": [JWS, ...]}           on one line
    {"position": n, "hash": HASH, "entry": {...}}      for n = 1 .. N; HASH is SHA-256 (hex) over
                                                      the hash before and the entry's JSON with
                                                      sorted keys and no blanks, in UTF-8
    {"checkpoint": JWS}                               behind the link whose position it signs
    {"end": N}
"""

import argparse
import base64
import hashlib
import json
import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

TYP = "antin-audit-checkpoint+jws"
FIELDS = {"act", "actor", "at", "detail", "id", "subject"}
MOST_FINDINGS = 100
BLOCK = 4096


class Unfit(Exception):  # noqa: N818 - a verdict, not a fault
    """The export cannot be examined; the text is a sentence."""


class Trail:
    """The state while lines go by; `findings` are sentences."""

    def __init__(self, key: ec.EllipticCurvePublicKey) -> None:
        """Begin before the first line."""
        self.keys, self.ends, self.known = [key], list[int](), 0
        self.findings: list[str] = []
        self.position = 0
        self.hash = bytes(32)
        self.signed: dict[int, set[str]] = {}
        self.proven = 0
        self.promised: int | None = None
        self.ended = False
        self.head_hash: object = None
        self.seen: dict[int, int] = {}

    def find(self, sentence: str) -> None:
        """Keep a finding, up to the limit."""
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(sentence)

    def head(self, line: dict[str, object]) -> None:
        """Read the first line: how much there must be."""
        if line.get("antin_audit_export") != 1:
            self.find("The first line is not the head of an export in form 1.")
            return
        promised, token = line.get("entries"), line.get("checkpoint")
        self.promised = promised if isinstance(promised, int) else None
        self.head_hash = line.get("head")
        handovers = line.get("handovers", [])
        self.follow(handovers if isinstance(handovers, list) else [None])
        if isinstance(token, str):
            self.checkpoint(token, "the head of the export")

    def follow(self, handovers: list[object]) -> None:
        """Put the keys in their line; the one that was given must be among them."""
        (given,) = self.keys
        keys: list[ec.EllipticCurvePublicKey] = []
        ends: list[int] = []
        for token in handovers:
            named = handover(token)
            if named is None or (keys and (named[0] != keys[-1] or named[2] <= ends[-1])):
                self.find("A handover from one audit key to the next is forged, or one is missing.")
                return
            keys = [*(keys or [named[0]]), named[1]]
            ends.append(named[2])
        for token in handovers:
            payload = content(token)
            self.signed.setdefault(stated(str(token)), set()).add(str(payload.get("hash")))
        if keys and given not in keys:
            self.find("The given key is none of those that signed the trail one after another.")
        elif keys:
            self.keys, self.ends, self.known = keys, ends, keys.index(given)

    def link(self, line: dict[str, object]) -> None:
        """Read one link and its entry."""
        position, entry = line.get("position"), line.get("entry")
        if position != self.position + 1:
            self.find(f"Position {self.position + 1} is missing or moved: {position} stands there.")
        if not isinstance(entry, dict) or set(entry) != FIELDS:
            self.find(f"The entry at position {position} is missing or has other fields.")
            entry = {}
        text = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        expected = hashlib.sha256(self.hash + text.encode("utf-8", "surrogatepass")).digest()
        stated = line.get("hash")
        if stated != expected.hex():
            self.find(f"The entry at position {position} does not give its hash: it was changed.")
        number = entry.get("id")
        if isinstance(number, int):
            self.once(number)
        # The hash goes on as stated, so that one changed entry is one finding.
        self.hash = _octets(stated) or expected
        self.position += 1
        if self.signed.pop(self.position, {self.hash.hex()}) != {self.hash.hex()}:
            self.find(f"The trail up to position {self.position} is not the one that was signed.")

    def once(self, number: int) -> None:
        """Find an entry that came before; a bit for each number, in blocks."""
        block, place = divmod(number, BLOCK)
        bit, known = 1 << place, self.seen.get(block, 0)
        if known & bit:
            self.find(f"The entry {number} stands in the trail twice.")
        self.seen[block] = known | bit

    def checkpoint(self, token: str, where: str, *, here: bool = False) -> None:
        """Check a checkpoint's signature, and compare it now or when its position comes.

        One that stands `here`, behind its link, signs this position and no other.
        """
        turn = bisect_left(self.ends, stated(token))
        payload = verified(self.keys[turn], token)
        position = payload.get("position") if payload else None
        if payload is None or not isinstance(position, int):
            self.find(f"The checkpoint in {where} is not signed by the audit key.")
            return
        if turn >= self.known:
            self.proven = max(self.proven, position)
        if here and position != self.position:
            self.find(f"The checkpoint behind position {self.position} signs {position}: swapped.")
        elif position > self.position:
            self.signed.setdefault(position, set()).add(str(payload.get("hash")))
        elif position == self.position and payload.get("hash") != self.hash.hex():
            self.find(f"The trail up to position {position} is not the one that was signed.")
        elif position < self.position:
            self.find(f"The checkpoint of position {position} stands behind {self.position}.")

    def finish(self) -> None:
        """Look at what must have come."""
        if not self.ended:
            self.find("The export ends without its last line: its tail is cut off.")
        if self.promised is not None and self.promised != self.position:
            self.find(f"The head promises {self.promised} entries; there are {self.position}.")
        if self.position and self.head_hash != self.hash.hex():
            self.find("The last entry's hash is not the one that the head promises.")
        if self.position and not self.proven:
            self.find(f"None of the {self.position} entries is under a checkpoint of this key.")
        for position in sorted(self.signed):
            self.find(f"{position} entries were signed; the trail has {self.position}: it was cut.")


def verified(key: ec.EllipticCurvePublicKey, token: str) -> dict[str, object] | None:
    """Return the payload of a compact JWS (RFC 7515) by ES256, None when it does not verify."""
    try:
        header, payload, signature = token.strip().split(".")
        protected, content = json.loads(_decode(header)), json.loads(_decode(payload))
        raw = _decode(signature)
        der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        key.verify(der, f"{header}.{payload}".encode(), ec.ECDSA(hashes.SHA256()))
    except (ValueError, InvalidSignature):
        return None
    right = isinstance(protected, dict) and protected.get("alg") == "ES256"
    return content if right and protected.get("typ") == TYP and isinstance(content, dict) else None


def content(token: object) -> dict[str, object]:
    """Return the payload of a compact JWS, unchecked; empty when it has none."""
    try:
        found = json.loads(_decode(str(token).split(".")[1]))
    except (ValueError, IndexError):
        return {}
    return found if isinstance(found, dict) else {}


def stated(token: str) -> int:
    """Return the position that a checkpoint says it signs; 0 when it says none."""
    position = content(token).get("position")
    return position if isinstance(position, int) else 0


def handover(
    token: object,
) -> tuple[ec.EllipticCurvePublicKey, ec.EllipticCurvePublicKey, int] | None:
    """Return by which key, to which key and where a handover is, None when it is forged."""
    try:
        by, to = (
            serialization.load_der_public_key(base64.b64decode(str(content(token).get(name))))
            for name in ("key", "next")
        )
    except ValueError:
        return None
    if not isinstance(by, ec.EllipticCurvePublicKey) or not isinstance(
        to, ec.EllipticCurvePublicKey
    ):
        return None
    return (by, to, stated(str(token))) if verified(by, str(token)) else None


def verify(lines: Iterable[str], key: ec.EllipticCurvePublicKey, kept: Iterable[str] = ()) -> Trail:
    """Read a whole export; `kept` are the texts of checkpoints from elsewhere."""
    trail = Trail(key)
    for count, line in enumerate(_parsed(lines, trail)):
        if trail.ended:
            trail.find("Something follows the last line.")
        elif count == 0:
            trail.head(line)
            for number, token in enumerate(kept, 1):
                trail.checkpoint(token, f"the kept checkpoint {number}")
        elif "end" in line:
            trail.ended = True
        elif "checkpoint" in line:
            trail.checkpoint(
                str(line["checkpoint"]), f"the trail behind {trail.position}", here=True
            )
        else:
            trail.link(line)
    trail.finish()
    return trail


def _parsed(lines: Iterable[str], trail: Trail) -> Iterator[dict[str, object]]:
    for number, text in enumerate(lines, 1):
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if isinstance(line, dict):
            yield line
        else:
            trail.find(f"Line {number} is no JSON object.")


def _decode(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), b"-_", validate=True)


def _octets(text: object) -> bytes | None:
    try:
        return bytes.fromhex(text) if isinstance(text, str) else None
    except ValueError:
        return None


def load_key(pem: bytes) -> ec.EllipticCurvePublicKey:
    """Return the public key in a PEM file that holds a key or a certificate."""
    certified = b"BEGIN CERTIFICATE" in pem
    key = (
        x509.load_pem_x509_certificate(pem).public_key()
        if certified
        else serialization.load_pem_public_key(pem)
    )
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise SystemExit("The key is not an elliptic-curve key.")
    return key


def exported_key(path: Path, fingerprint: str) -> ec.EllipticCurvePublicKey:
    """Return the key that the export holds, if it has this fingerprint."""
    with path.open(encoding="utf-8") as lines:
        first = lines.readline()
    try:
        head = json.loads(first)
        keys = [load_key(head["key"].encode())]
        keys += [named[0] for each in head.get("handovers", []) if (named := handover(each))]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unfit("The export is NOT sound: its first line holds no key.") from error
    wanted = fingerprint.replace(":", "").strip().lower()
    for key in keys:
        spki = key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        if hashlib.sha256(spki).hexdigest() == wanted:
            return key
    raise Unfit("The export is NOT sound: its keys have other fingerprints than the one given.")


def main() -> int:
    """Verify the export that the command line names; print each finding."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", type=Path)
    known = parser.add_mutually_exclusive_group(required=True)
    known.add_argument("--key", type=Path, help="public key or certificate, PEM")
    known.add_argument("--fingerprint", help="SHA-256 of the key that the export holds, in hex")
    parser.add_argument("--kept", type=Path, action="append", default=[], help="a checkpoint file")
    asked = parser.parse_args()
    try:
        key = (
            load_key(asked.key.read_bytes())
            if asked.key
            else exported_key(asked.export, asked.fingerprint)
        )
    except Unfit as error:
        print(error)
        return 1
    with asked.export.open(encoding="utf-8", errors="surrogateescape") as lines:
        kept = [path.read_text(encoding="ascii") for path in asked.kept]
        trail = verify(lines, key, kept)
    for sentence in trail.findings:
        print(sentence)
    words = "is sound" if not trail.findings else f"is NOT sound: {len(trail.findings)} findings"
    print(f"The trail of {trail.position} entries {words}.")
    print(f"A checkpoint signs the first {trail.proven} of them.")
    return 1 if trail.findings else 0


if __name__ == "__main__":
    sys.exit(main())
