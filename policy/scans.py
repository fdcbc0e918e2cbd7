"""What a document's file really is, pure: PDF, JPEG or PNG by its structure, never by its name.

A file is taken only when it is whole and holds nothing beside the picture or the pages: no bytes
after the end, no script, no attachment, no password.
"""

import re
import struct
import zlib

from core.errors import Invalid

MOST_BYTES = 20 * 1024 * 1024
_MOST_PIXELS = 100_000_000
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_PDF = re.compile(rb"%PDF-[12]\.\d")
_PDF_END = re.compile(rb"startxref\s+\d+\s+%%EOF\s*\Z")
_ACTIVE = re.compile(rb"/(JavaScript|JS|Launch|EmbeddedFile|RichMedia|OpenAction|AA|Encrypt)\b")
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


def media_type(content: bytes) -> str:
    """Return the media type of a whole, harmless PDF, JPEG or PNG; raises Invalid for others."""
    if not 0 < len(content) <= MOST_BYTES:
        raise Invalid(f"The file has {len(content)} bytes; it must have 1 to {MOST_BYTES}.")
    if content.startswith(_PNG):
        _check_png(content)
        return "image/png"
    if content.startswith(_JPEG):
        _check_jpeg(content)
        return "image/jpeg"
    if _PDF.match(content):
        _check_pdf(content)
        return "application/pdf"
    raise Invalid("The file is no PDF, JPEG or PNG.")


def _check_pdf(content: bytes) -> None:
    if _PDF_END.search(content[-2048:]) is None:
        raise Invalid("The PDF does not end as one must: it is torn, or something follows it.")
    active = _ACTIVE.search(content)
    if active is not None:
        name = active[1].decode()
        raise Invalid(f"The PDF holds {name}: scripts, attachments and passwords are not taken.")


def _check_png(content: bytes) -> None:
    """Walk the chunks, each with its check sum, from IHDR to IEND (ISO/IEC 15948, clause 5)."""
    place, kind = len(_PNG), b""
    while place < len(content) and kind != b"IEND":
        head = content[place : place + 8]
        if len(head) < 8:  # noqa: PLR2004 - a length and a name, four bytes each
            raise Invalid("The PNG is torn.")
        length, kind = struct.unpack(">I4s", head)
        data = content[place + 8 : place + 8 + length]
        check = content[place + 8 + length : place + 12 + length]
        if check != struct.pack(">I", zlib.crc32(kind + data)):
            raise Invalid("The PNG is torn: a check sum is wrong.")
        if place == len(_PNG):
            _check_header(kind, data)
        place += 12 + length
    if kind != b"IEND" or place != len(content):
        raise Invalid("The PNG is torn, or something follows it.")


def _check_header(kind: bytes, data: bytes) -> None:
    if kind != b"IHDR" or len(data) != 13:  # noqa: PLR2004 - ISO/IEC 15948, 11.2.1
        raise Invalid("The PNG does not begin with its header.")
    width, height = struct.unpack(">II", data[:8])
    _check_pixels(width, height)


def _check_jpeg(content: bytes) -> None:
    """Walk the segments up to the scan, then ask for the end of the image (ITU-T T.81, B.1)."""
    if content[-2:] != bytes([0xFF, _END_OF_IMAGE]):
        raise Invalid("The JPEG is torn, or something follows it.")
    place, framed = 2, False
    while True:
        head = content[place : place + 4]
        if len(head) < 4 or head[0] != 0xFF:  # noqa: PLR2004 - a marker and a length
            raise Invalid("The JPEG is torn.")
        marker, (length,) = head[1], struct.unpack(">H", head[2:])
        if marker in _FRAMES and length >= 7:  # noqa: PLR2004 - precision, height, width
            height, width = struct.unpack(">HH", content[place + 5 : place + 9])
            _check_pixels(width, height)
            framed = True
        if marker == _START_OF_SCAN:
            break
        place += 2 + max(length, 2)
    if not framed:
        raise Invalid("The JPEG says no size.")


def _check_pixels(width: int, height: int) -> None:
    if not 0 < width * height <= _MOST_PIXELS:
        raise Invalid(f"The picture has {width} x {height} points; the limit is {_MOST_PIXELS}.")
