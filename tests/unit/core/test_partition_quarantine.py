"""An exception belongs to the request or chunk that raised it; only the store's own failures end the process (G4)."""

from typing import Any

import pytest

from pipeline.core import admission, late, partition
from pipeline.core.partition import Partition
from pipeline.core.policy import Policy
from pipeline.core.rows import MemoryRows, SourceRecord
from pipeline.errors import OurFault
from pipeline.testing.chunk import HOUR, Document, chat, encoded, marker
from tests.ledger import START, Ledger

POLICY = Policy()


def finished() -> Ledger:
    """r-1, closed by finish, which late chunks may revise."""
    return Ledger().send(chat(0, "a"), chat(1, "b", finish="stop")).until(POLICY.finish_grace)


def raising(_: Any, *__: Any, **___: Any) -> Any:
    """A bug."""
    raise ZeroDivisionError("secret")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        pytest.param(admission, "rule_of", id="after the chunk was taken in"),
        pytest.param(admission, "slot_of", id="before the chunk was taken in"),
    ],
)
@pytest.mark.parametrize("before", [[], [chat(0, "a")]], ids=["first chunk", "second chunk"])
def test_an_exception_on_admission_belongs_to_its_request(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, before: list[Document]
) -> None:
    """The chunk is refused as it came, the others rebuilt, an error record says so, neighbours are whole (G4)."""
    ledger = Ledger().send(*before, chat(0, "x", request_id="near"))
    culprit = chat(1, "secret", finish="stop")

    with monkeypatch.context() as patch:
        patch.setattr(module, name, raising)
        ledger.send(culprit)
    ledger.send(chat(2, "c"), marker(1, request_id="near"))

    by_id = {record["request_id"]: record for record in ledger.records}
    assert (by_id["r-1"]["status"], by_id["r-1"]["closed_by"]) == ("error", "error")
    assert (by_id["near"]["output_message"]["content"], by_id["near"]["status"]) == ("x", "incomplete")
    internal = [letter for letter in ledger.dead if letter.reason == "internal"]
    assert [(letter.value, letter.detail) for letter in internal if letter.detail != "rebuilt"] == [
        (encoded(culprit), "ZeroDivisionError")
    ]
    assert len(internal) == len(before) + 1
    assert ledger.reasons[-1][0] == "late"


def test_an_exception_about_a_late_chunk_refuses_that_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its request has its record already."""
    ledger = finished()
    with monkeypatch.context() as patch:
        patch.setattr(late, "adds_nothing", raising)
        ledger.send(chat(2, "c"), at=5_000)

    assert ledger.reasons == [("internal", 2)]
    assert len(ledger.until(HOUR).records) == 1


def test_an_exception_in_the_decoder_refuses_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """And closes the request that its key names; without a key nobody else is touched."""
    ledger = Ledger().send(chat(0, "a"), chat(0, "x", request_id="near"))
    with monkeypatch.context() as patch:
        patch.setattr(partition, "decode", raising)
        ledger.send(chat(1, "b"), key=None)
        ledger.send(chat(1, "b"))

    assert ledger.reasons == [("internal", 2), ("internal", 3), ("internal", 0)]
    assert [record["request_id"] for record in ledger.records] == ["r-1"]


def test_a_revision_that_raises_is_quarantined_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Revision 0 stays valid until an error record supersedes it."""
    ledger = finished().send(chat(2, "c"), at=5_000)
    with monkeypatch.context() as patch:
        patch.setattr(admission, "slot_of", raising)
        ledger.send(chat(3, "d"), at=5_001)

    assert [(record["revision"], record["status"]) for record in ledger.records] == [(0, "success"), (1, "error")]
    assert ledger.reasons == [("internal", 3), ("internal", 0), ("internal", 1), ("internal", 2)]


def test_a_store_that_fails_ends_the_process() -> None:
    """It is no fault of the chunk for which it was read: nothing is refused, nothing is lost (G4)."""

    class Torn(MemoryRows):
        """A store whose disk failed while markers lie in it."""

        torn = False

        def get(self, key: bytes) -> bytes | None:
            if self.torn:
                raise OSError
            return super().get(key)

    rows = Torn()
    work = Partition(POLICY, rows, "t", 0)
    work.apply([SourceRecord(b"r-1", encoded(marker(0)), 0, START)], 1)
    work.finalize("r-1")
    snapshot = work.snapshot()
    assert snapshot is not None
    rows.write(snapshot)
    work.settled()

    rows.torn = True
    with pytest.raises(OurFault, match="cannot be read"):
        work.apply([SourceRecord(b"r-2", encoded(chat(0, "a", request_id="r-2")), 1, START)], 2)

    assert work.take_output() == ([], [])
