"""Which partition a certificate belongs to: a pure function of its serial and the issuer's count.

The certificate's CDP names the partition for as long as it lives, so the count never changes once
certificates carry it.
"""

from collections.abc import Iterable

from core import serials
from crl.entries import Region
from crl.reading import serial_octets


def partition_of(serial: int, count: int) -> int:
    """Return the partition, 1 to `count`, of a certificate; random serials fill them evenly."""
    return 1 + serial % count


def split(lines: Iterable[bytes], count: int) -> list[Region]:
    """Return the entries of each partition in the order they came; index 0 is number 1."""
    contents, counts = [bytearray() for _ in range(count)], [0] * count
    for line in lines:
        index = partition_of(serials.from_bytes(serial_octets(line)), count) - 1
        contents[index] += line
        counts[index] += 1
    return [Region(bytes(content), many) for content, many in zip(contents, counts, strict=True)]
