"""Bytes of a record: canonical form, digest, and what is shed when a record is too large."""

import json
from hashlib import sha256
from typing import Any

import pytest

from pipeline.core.canonical import canonical, encode, seal
from pipeline.testing.chunk import USAGE, chat
from schemas.record import NOT_CANONICAL, RECORD_FIELDS
from tests.ledger import fold, valid

SOURCE = {"topic": "llm.chunks", "partition": 0, "first_offset": 1, "last_offset": 9}
ROOMY = 8 << 20


def record(**fields: Any) -> dict[str, Any]:
    """A record of two chunks, with these fields set."""
    made = fold(chat(0, "Hello "), chat(1, "world", finish="stop", usage=USAGE, is_final=True, cost=0.25))
    return made | fields


def test_the_canonical_record_leaves_out_what_depends_on_delivery() -> None:
    """Exactly source, repeat and conflict counts, closed_by and the digest are left out (CONTRACT §2)."""
    assert tuple(json.loads(canonical(record()))) == tuple(name for name in RECORD_FIELDS if name not in NOT_CANONICAL)


@pytest.mark.parametrize("name", sorted(NOT_CANONICAL))
def test_the_digest_does_not_depend_on_delivery(name: str) -> None:
    """Two workers that met different repeats give the same digest."""
    assert canonical(record(**{name: "other"})) == canonical(record())


def test_the_digest_is_sha_256_of_the_canonical_record() -> None:
    """Anyone can check a record with a hash function."""
    made = record()

    value = seal(made, SOURCE, limit=ROOMY)

    document = valid(value)
    assert document["digest"] == sha256(canonical(document)).hexdigest()
    assert document["source"] == SOURCE


def test_a_record_is_one_line_of_utf_8() -> None:
    """Whatever characters the content has, no reader of lines splits a record."""
    value = encode({"text": "a\nb\u2028c\u2029d\x85é\x00"})

    assert value.splitlines() == [value]
    assert len(value.decode().splitlines()) == 1
    assert json.loads(value) == {"text": "a\nb\u2028c\u2029d\x85é\x00"}


def test_ascii_is_written_as_it_is() -> None:
    """The common case is not rewritten."""
    assert encode({"a": None, "b": [1, 1.5, "x"]}) == b'{"a":null,"b":[1,1.5,"x"]}'


def test_surrogates_are_mended() -> None:
    """Halves that meet are joined, lone ones become U+FFFD (S-CHAT-9)."""
    document = json.loads('{"joined": "\\ud83d\\ude00", "alone": "x\\ud83d"}')
    halves = {"met": "\ud83d" + "\ude00", "alone": "x\ud83d"}

    assert json.loads(encode(halves)) == {"met": "😀", "alone": "x\ufffd"}
    assert json.loads(encode(document))["alone"] == "x\ufffd"


def test_raw_payloads_are_shed_first() -> None:
    """A record over the limit loses raw_request and raw_response, and says so."""
    made = record(raw_response="x" * 5_000, raw_request={"prompt": "y" * 5_000})

    document = valid(seal(made, SOURCE, limit=5_000))

    assert (document["raw_response"], document["raw_request"], document["content_omitted"]) == (None, None, "raw")
    assert document["output_message"]["content"] == "Hello world"


def test_content_is_shed_next_and_money_never() -> None:
    """The bill and the evidence stay when all content has to go."""
    made = record(raw_response="x" * 5_000)
    made["output_message"]["content"] = "z" * 5_000

    document = valid(seal(made, SOURCE, limit=4_000))

    assert (document["output_message"], document["raw_response"], document["content_omitted"]) == (
        None,
        None,
        "content",
    )
    assert (document["token_usage"], document["cost"], document["finish_reason"]) == (USAGE, 0.25, "stop")
    assert (document["chunk_count"], document["complete"], document["source"]) == (2, True, SOURCE)


def test_a_record_at_the_limit_is_whole() -> None:
    """The limit itself is allowed."""
    size = len(seal(record(), SOURCE, limit=ROOMY))

    assert json.loads(seal(record(), SOURCE, limit=size))["content_omitted"] is None
    assert json.loads(seal(record(), SOURCE, limit=size - 1))["content_omitted"] is not None


def test_the_digest_is_of_the_record_that_was_sent() -> None:
    """What was shed is not in the digest either."""
    document = valid(seal(record(raw_response="x" * 5_000), SOURCE, limit=4_000))

    assert document["digest"] == sha256(canonical(document)).hexdigest()
