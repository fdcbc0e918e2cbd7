"""A strict reader of DER over bytes, for what the world sends; pure.

It demands definite, minimal lengths and single-octet tags, and never looks outside the range that
it was given. It knows no schema; `request` and `index` do.
"""

_MOST_LENGTH_OCTETS = 4


class BadDer(ValueError):  # noqa: N818 - named for what was found
    """The bytes are not DER of the wanted shape; the text says what was found where."""


class Reader:
    """Reads the elements of `data[at:end]` one after the other."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        """Begin at octet `at`; `end` (exclusive) is the end of `data` unless given."""
        self.data = data
        self.at = at
        self.end = len(data) if end is None else end

    def peek(self) -> int:
        """Return the next element's tag, or -1 when nothing is left."""
        return self.data[self.at] if self.at < self.end else -1

    def enter(self, tag: int) -> "Reader":
        """Return a reader over the contents of the next element, which must have this `tag`."""
        start, stop = self._next(tag)
        return Reader(self.data, start, stop)

    def contents(self, tag: int) -> bytes:
        """Return the contents of the next element, which must have this `tag`."""
        start, stop = self._next(tag)
        return self.data[start:stop]

    def whole(self, tag: int | None = None) -> bytes:
        """Return the next element with its tag and length; any tag unless one is given."""
        begin = self.at
        _, stop = self._next(self.peek() if tag is None else tag)
        return self.data[begin:stop]

    def finish(self) -> None:
        """Raise BadDer unless everything was read."""
        if self.at != self.end:
            raise BadDer(f"{self.end - self.at} octets are left over at octet {self.at}.")

    def _next(self, tag: int) -> tuple[int, int]:
        """Step over the next element; return where its contents start and stop."""
        data, at, end = self.data, self.at, self.end
        if end - at < 2:  # noqa: PLR2004 - a tag and a length
            raise BadDer(f"An element is cut off at octet {at}.")
        if data[at] != tag or tag & 0x1F == 0x1F:  # noqa: PLR2004 - the mark of long tags
            raise BadDer(f"Tag {data[at]:#04x} stands at octet {at} where {tag:#04x} must stand.")
        length = data[at + 1]
        start = at + 2
        if length >= 0x80:  # noqa: PLR2004 - the long form (X.690 8.1.3.5)
            length, start = self._long_length(start, length & 0x7F)
        stop = start + length
        if stop > end:
            raise BadDer(f"The element at octet {at} is longer than what holds it.")
        self.at = stop
        return start, stop

    def _long_length(self, at: int, octets: int) -> tuple[int, int]:
        if not 1 <= octets <= _MOST_LENGTH_OCTETS or at + octets > self.end:
            raise BadDer(f"The length at octet {at - 1} is indefinite, too long or cut off.")
        length = int.from_bytes(self.data[at : at + octets], "big")
        # X.690 10.1: DER writes a length in the fewest octets.
        if length < 0x80 or self.data[at] == 0:  # noqa: PLR2004 - X.690 8.1.3.4
            raise BadDer(f"The length at octet {at - 1} is not minimal.")
        return length, at + octets
