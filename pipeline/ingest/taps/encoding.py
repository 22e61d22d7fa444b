"""Content codings: the bytes of a body as they were before.

Owns the codings that the standard library reads; of others the tap sees nothing. Imports the standard library only.
"""

from __future__ import annotations

import zlib
from typing import Final

_ZLIB: Final = ("gzip", "x-gzip", "deflate")
_EITHER: Final = zlib.MAX_WBITS | 32
"""zlib tells the two formats apart by itself."""


class Plain:
    """Decodes one body; once it can't, it gives nothing more.

    Attributes:
        readable: All up to now could be decoded.
    """

    def __init__(self, coding: str | None) -> None:
        """Begin; None is no coding."""
        name = (coding or "identity").strip().lower()
        self._unpack = zlib.decompressobj(_EITHER).decompress if name in _ZLIB else None
        self.readable = self._unpack is not None or name == "identity"

    def feed(self, piece: bytes) -> bytes:
        """The next piece."""
        if self._unpack is None or not self.readable:
            return piece if self.readable else b""
        try:
            return self._unpack(piece)
        except zlib.error:
            self.readable = False
            return b""
