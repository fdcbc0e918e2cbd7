"""Certificate serial numbers: drawn at random, written as hex only at the edges.

A serial is 16 bytes of CSPRNG output with the top bit cleared and a non-zero first byte: always
positive, always 16 octets in DER, more than 120 random bits (RFC 5280 4.1.2.2; the CA/Browser
Forum's BR 7.1 asks for at least 64).
"""

import re
import secrets

from core.errors import Invalid

BYTES = 16
MOST_BYTES = 20
_POSITIVE = 0x7F
_HEX = re.compile(r"[0-9A-F]{1,40}")


def draw() -> int:
    """Return a new random serial: 16 octets, first octet 0x01 to 0x7F."""
    while True:
        octets = secrets.token_bytes(BYTES)
        first = octets[0] & _POSITIVE
        if first:
            return from_bytes(bytes((first,)) + octets[1:])


def to_hex(serial: int) -> str:
    """Return `serial` as upper-case hex with an even number of digits, as openssl prints it."""
    digits = f"{serial:X}"
    return digits if len(digits) % 2 == 0 else "0" + digits


def parse(text: str) -> int:
    """Return the serial written in `text` as hex (0x, colons and blanks allowed).

    Raises Invalid when it is not hex, is zero, or is longer than 20 octets (RFC 5280 4.1.2.2).
    """
    digits = text.strip().upper().removeprefix("0X").replace(":", "").replace(" ", "")
    if not _HEX.fullmatch(digits) or int(digits, 16) == 0:
        raise Invalid(
            f"The serial {text[:60]!r} is not a positive hex number of at most {MOST_BYTES} "
            "octets; write it as openssl prints it, for example 4F0A12C3."
        )
    return int(digits, 16)


def to_bytes(serial: int) -> bytes:
    """Return `serial` as its shortest unsigned big-endian bytes (the form kept in the database)."""
    return serial.to_bytes((serial.bit_length() + 7) // 8, "big")


def from_bytes(raw: bytes) -> int:
    """Return the serial kept as unsigned big-endian bytes."""
    return int.from_bytes(raw, "big")
