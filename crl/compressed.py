"""Compressed copies of CRLs that say of which CRL they are; pure.

A copy is a gzip member (RFC 1952) whose comment is the CRL's tag, so that whoever serves the two
can tell from the first octets whether they belong together, whatever was published in between.
"""

import zlib

from crl import reading

_HEADER = bytes.fromhex("1f8b08100000000004ff")  # deflate, with a comment, no time, fastest
_TAG_LENGTH = 64
FRONT = len(_HEADER) + _TAG_LENGTH + 1
"""How many octets `tag_of` wants to see."""


def pack(crl: bytes) -> bytes:
    """Return the compressed copy of a CRL, made for speed: serials hardly compress anyway."""
    packer = zlib.compressobj(level=1, wbits=-zlib.MAX_WBITS)
    body = packer.compress(crl) + packer.flush()
    tag = reading.tag(crl, crl).encode("ascii")
    trailer = zlib.crc32(crl).to_bytes(4, "little") + (len(crl) % 2**32).to_bytes(4, "little")
    return b"".join((_HEADER, tag, b"\0", body, trailer))


def tag_of(front: bytes) -> str | None:
    """Return the tag of the CRL that a copy was made of, None when it is no copy of ours."""
    if len(front) < FRONT or not front.startswith(_HEADER):
        return None
    return front[len(_HEADER) : FRONT - 1].decode("ascii", "replace")
