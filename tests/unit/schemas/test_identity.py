"""record_id is the same for every replay and every implementation (CONTRACT §2)."""

import hashlib
import uuid

from schemas.identity import NAMESPACE, TEST_VECTOR, record_id


def test_the_published_vector_holds() -> None:
    """The namespace and the vector are constants: a change of either would rename every record ever written."""
    arguments, expected = TEST_VECTOR

    assert str(NAMESPACE) == "5465aedf-7558-4636-91c3-30cebed399ad"
    assert (arguments, expected) == (("main", "req-1", 0), "8b116701-d390-5402-a21a-67ee8a27426c")
    assert record_id(*arguments) == expected


def test_it_is_version_5_of_ledger_request_and_revision_joined_by_nul() -> None:
    """Built by hand from RFC 9562 §5.5, the id is the same, also for names beyond ASCII."""
    name = b"main\0" + "anfrage-ü".encode() + b"\0" + b"12"
    digest = hashlib.sha1(NAMESPACE.bytes + name, usedforsecurity=False).digest()[:16]
    assert record_id("main", "anfrage-ü", 12) == str(uuid.UUID(bytes=digest, version=5))


def test_ledger_request_and_revision_all_count() -> None:
    """No two of them can be confused, whatever digits or words they hold."""
    ids = {
        record_id(*arguments)
        for arguments in [("main", "r", 1), ("main", "r", 0), ("staging", "r", 0), ("main", "r1", 0), ("mainr", "", 0)]
    }
    assert len(ids) == 5
