"""Symptoms that bite on a real broker: one run for all of them, described in `tests.symptoms.live`."""

from __future__ import annotations

import asyncio
from collections import Counter

from pipeline.testing.chunk import Document
from tests.integration.engine.harness import committed
from tests.symptoms.command import record
from tests.symptoms.live import Live
from tests.symptoms.traffic import (
    ABANDONED,
    BYTES,
    GARBAGE,
    KILLED,
    RESTARTED,
    UNPRICED,
    UPSTREAM,
    WAVES,
    WORDS,
    whole,
)
from tests.symptoms.wire import counts


def offline(live: Live, chunks: list[Document]) -> Document:
    """The record that `fold` makes of the same chunks."""
    return record(chunks, "--ledger", live.settings.ledger)


def test_symptom_16_client_disconnect(live: Live) -> None:
    """A caller that vanished leaves one record `incomplete` with the usage so far, though its worker was killed too.

    Threads: litellm#14457, #35958, PR#30630, PR#37558; openai-openapi#539; vercel/ai#7628; openlit#1515.
    """
    (found,) = live.of("vanished")

    assert (found["status"], found["closed_by"], found["complete"]) == ("incomplete", "expiry", False)
    assert (found["token_usage"], found["output_message"]["content"]) == (counts(7, 5), "part " * 5)


def test_symptom_18_upstream_goes_on(live: Live) -> None:
    """What comes half a minute after the cancellation is in the record, what comes after its close is a revision of it.

    Threads: bifrost#3164; litellm PR#36008.
    """
    first, second = live.of("upstream")

    assert (first["status"], first["token_usage"]) == ("incomplete", UPSTREAM)
    assert first["output_message"]["content"] == "w0 w1 w2 late late "
    assert (second["revision"], second["supersedes"], second["token_usage"]) == (1, first["record_id"], counts(9, 55))
    assert second["delta"]["token_usage"]["completion_tokens"] == 15


def test_symptom_22_two_finishes(live: Live) -> None:
    """Two chunks with a finish_reason and usage after them are one record.

    Threads: litellm#1172, PR#27580; fms-guardrails-orchestrator#482.
    """
    (found,) = live.of("finishes")

    assert (found["closed_by"], found["token_usage"], found["chunk_count"]) == ("finish", counts(5, 1), 4)


def test_symptom_25_lost_chunks(live: Live) -> None:
    """What a gateway lost on its way to the topic is listed in the record.

    Threads: bifrost#597.
    """
    (found,) = live.of("lossy")

    assert (found["complete"], found["missing_indexes"], found["chunk_count"]) == (False, [[3, 4], [8, 8]], WORDS - 3)


def test_symptom_27_three_plugins(live: Live) -> None:
    """Chunks that three plugins publish, and all of them again after the close, make the record that one plugin makes.

    Threads: bifrost PR#1257.
    """
    (found,) = live.of("plugins")

    assert found["digest"] == offline(live, whole("plugins"))["digest"]
    assert (found["chunk_count"], found["duplicate_count"]) == (WORDS, 2 * (WORDS - 1))


def test_symptom_28_out_of_order(live: Live) -> None:
    """Chunks that arrive with the last one first make the record that `fold` makes of them in order.

    Threads: bifrost PR#238.
    """
    (found,) = live.of("disorder")

    assert found["digest"] == offline(live, whole("disorder"))["digest"]


def test_symptom_30_idempotency_key(live: Live) -> None:
    """Over a kill, a restart and a rebalance no record_id is there twice; it stands in the header, and is `fold`'s.

    Threads: litellm#5118, #14340, PR#21355, #15740.
    """
    ids = Counter(dict(each.headers)["record_id"] for each in live.records)
    (found,) = live.of("killed-0")

    assert set(ids.values()) == {1}
    assert found["record_id"].encode() in ids
    assert found["record_id"] == offline(live, whole("killed-0"))["record_id"]


def test_symptom_31_empty_key(live: Live) -> None:
    """A chunk without a Kafka key is a dead letter, and no record is made for its id.

    Threads: litellm#1571, #6633, PR#39507; microsoft/foundry-local#144.
    """
    letters = [each for each in live.dead if each.key is None]

    assert [dict(each.headers)["dl.reason"] for each in letters] == [b"key_mismatch"]
    assert live.of("keyless") == []


def test_symptom_42_abandoned_streams(live: Live) -> None:
    """Each of 4,000 abandoned streams is one record; no chunk of them stays in the table, and memory does not grow.

    Threads: bifrost PR#4678; litellm#6404, #8620, #12685.
    """
    found = live.all("abandoned-")
    _, warm, *_, last = live.resident  # the first wave is what buffers and caches grow to
    kept = (WAVES - 2) * ABANDONED * 2 * BYTES / (1 << 20)  # MiB of text alone, by whoever keeps it

    assert len(found) == ABANDONED * WAVES
    assert {(each["status"], each["closed_by"], each["chunk_count"]) for each in found} == {("incomplete", "expiry", 2)}
    assert live.left == (0, 0)
    assert last - warm < kept / 2, f"{live.resident} MiB; kept, the text would be {kept:.0f}"


def test_symptom_43_killed_between_produce_and_commit(live: Live) -> None:
    """Records that were sent and not committed when the worker was killed are seen by nobody, and are there once later.

    Threads: litellm#33872, #35531.
    """
    assert live.produced > 0
    assert live.before == 0
    everything = asyncio.run(
        committed(live.settings, live.settings.record_topic, isolation="read_uncommitted", at_least=len(live.records))
    )
    assert len(everything) >= len(live.records) + live.produced  # whoever reads uncommitted counts those twice
    for number in range(KILLED):
        (found,) = live.of(f"killed-{number}")
        assert found["digest"] == offline(live, whole(f"killed-{number}"))["digest"]


def test_symptom_44_state_survives_restart_and_rebalance(live: Live) -> None:
    """Streams half of which one worker read before it was killed, and half another after a rebalance, are whole.

    Threads: litellm PR#25374.
    """
    assert live.moved > 0  # open requests that the worker took over
    for number in range(RESTARTED):
        (found,) = live.of(f"restarted-{number}")
        assert found["digest"] == offline(live, whole(f"restarted-{number}"))["digest"]


def test_symptom_45_payloads_that_are_no_json(live: Live) -> None:
    """[DONE] and broken JSON on the topic become dead letters, byte for byte, and their stream goes on.

    Threads: litellm PR#39507.
    """
    letters = [each for each in live.dead if each.key == b"garbage"]
    (found,) = live.of("garbage")

    assert sorted(each.value or b"" for each in letters) == sorted(GARBAGE)
    assert {dict(each.headers)["dl.reason"] for each in letters} == {b"not_json"}
    assert (found["complete"], found["chunk_count"]) == (True, WORDS)


def test_ask_11_missing_price_is_said_once(live: Live) -> None:
    """Five requests of a model without a price are one warning of each worker that meets it, with a hint.

    Threads: bifrost#1659, #565.
    """
    found = live.all("unpriced-")
    said = [[each for each in events if each["model"] == UNPRICED] for events in live.warnings]

    assert {(each["cost"], each["cost_details"]["reason"]) for each in found} == {(None, "unknown_model")}
    assert len(found) == 5
    assert max(map(len, said)) == 1


def test_ask_15_totals_over_replicas(live: Live) -> None:
    """Totals per virtual key over the records of two workers are those of the requests, none twice.

    Threads: bifrost#428, #3547, PR#7366.
    """
    tokens: Counter[str] = Counter()
    for each in live.all("unpriced-"):
        tokens[each["labels"]["virtual_key"]] += each["token_usage"]["total_tokens"]

    assert tokens == {"vk-0": 3 * 18, "vk-1": 2 * 18}
