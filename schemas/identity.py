"""record_id: the name of one revision of one request in one ledger, the same for every replay (CONTRACT §2)."""

from __future__ import annotations

import uuid
from hashlib import sha1
from typing import Final

NAMESPACE: Final = uuid.UUID("5465aedf-7558-4636-91c3-30cebed399ad")
"""Namespace of all record ids.  It never changes: whoever derives an id by RFC 9562 §5.5 gets ours."""

_NAMESPACE: Final = NAMESPACE.bytes

TEST_VECTOR: Final = (("main", "req-1", 0), "8b116701-d390-5402-a21a-67ee8a27426c")
"""Arguments of record_id and what it gives, for implementations elsewhere."""


def record_id(ledger: str, request_id: str, revision: int) -> str:
    """UUIDv5 of ledger, request id and revision in decimal digits, joined by NUL, in UTF-8.

    NUL keeps them apart: no request id holds a control character.
    """
    name = f"{ledger}\0{request_id}\0{revision}".encode()
    # What uuid.uuid5 does, a fifth as long: SHA-1 of namespace and name, with the bits of version and variant.
    digest = bytearray(sha1(_NAMESPACE + name, usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
