"""The picture of a ledger: what it says of requests, records and letters, in whatever order the topics are read."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.ops.live import OTHERS, Filter, Gap, Keep, MoneyRow, Strip
from pipeline.ops.live.keep import DRAWN
from pipeline.ops.live.look import look
from pipeline.ops.live.picture import Picture
from pipeline.ops.live.view import ALL
from pipeline.settings import Settings
from pipeline.testing import Stream, chat, completion, images, interleave, responses
from tests.unit.ops.live.topics import PATIENCE, START, WINDOW, Message, Topics, all_of, picture


def strip_of(seen: Picture, request_id: str) -> Strip:
    """The strip of a request that is there."""
    found = seen.find(request_id)
    assert found is not None
    return found.strip


def everything(seen: Picture, at: int) -> dict[str, Any]:
    """All that can be seen."""
    found = look(seen, at, ALL, ["model", "provider", "label.team"])
    return {
        "headline": found.headline(0),
        "strips": found.strips(1_000, "oldest"),
        "money": found.money(100),
        "dead": found.dead(),
        "labels": seen.labels,
    }


# -- one request


def test_a_request_is_open_from_its_first_chunk_until_its_record() -> None:
    """Chunks alone are open; the record closes the strip, and brings the figures."""
    topics = Topics()
    stream = chat("r-1", provider="openai", model="gpt-4o", labels={"team": "a"}).text("Hel", "lo").usage(10, 5)
    topics.send(stream.finish("stop").chunks)
    seen = picture(topics.messages)
    strip = strip_of(seen, "r-1")
    assert (strip.state, strip.provider, strip.model, strip.labels) == ("open", "openai", "gpt-4o", {"team": "a"})
    picture([replace(topics.messages[0], value=topics.messages[0].value.replace(b'"team"', b'"key"'))], into=seen)
    assert (strip.labels, strip_of(seen, "r-1").labels) == ({"team": "a"}, {"team": "a", "key": "a"})
    seen = picture(topics.messages)
    assert (strip.started_at, strip.chunks, strip.left_out) == (START, len(stream.finish().chunks), 0)
    headline = look(seen, topics.at, ALL).headline(3)
    assert (headline.open, headline.oldest_ms, headline.requests, headline.behind) == (1, topics.at - START, 0, 3)
    (record,) = topics.fold()
    seen = picture(topics.messages)
    box = strip_of(seen, "r-1").box
    assert box is not None
    assert (box.status, box.closed_by, box.tokens_in, box.tokens_out) == ("success", "final", 10, 5)
    assert (box.record_id, box.latency_ms) == (record["record_id"], record["latency"])
    headline = look(seen, topics.at, ALL).headline(0)
    assert (headline.open, headline.oldest_ms, headline.requests, headline.success_rate) == (0, None, 1, 1.0)


def test_dots_tell_kind_repeat_end_and_time_of_each_chunk() -> None:
    """A repeat is grey, the last chunk final, usage of its kind; times count from the first chunk's append time."""
    topics = Topics()
    stream = chat("r-1").text("a", "b").finish("stop").usage(1, 2)
    chunks = stream.chunks
    topics.send([chunks[0], chunks[0], *chunks[1:]])
    dots = strip_of(picture(topics.messages), "r-1").dots
    assert [dot.duplicate for dot in dots] == [False, True, *[False] * (len(chunks) - 1)]
    assert [dot.at_ms for dot in dots] == [40 * place for place in range(len(dots))]
    assert [dot.offset for dot in dots] == list(range(len(dots)))
    assert dots[-1].final
    assert {dot.kind for dot in dots} <= {"data", "usage"}


def test_gaps_are_those_of_each_attempt_and_image() -> None:
    """What is between two indexes and did not come, as the core's ranges have it; a base of 1 is none."""
    topics = Topics()
    topics.send(chat("r-1").text(*"abcdef").lost(2, 3).chunks)
    topics.send([chunk | {"chunk_index": chunk["chunk_index"] + 1} for chunk in chat("r-2").text("a", "b").chunks])
    topics.send([{**chunk, "attempt": 1, "chunk_index": 5} for chunk in chat("r-1").text("a").chunks])
    seen = picture(topics.messages)
    assert strip_of(seen, "r-1").gaps == (Gap(0, 2, 3), Gap(1, 0, 4))
    assert strip_of(seen, "r-2").gaps == ()
    topics.send([{**images("r-3").picture(b"x").chunks[0], "image_index": 1, "chunk_index": 2}])
    assert strip_of(picture(topics.messages), "r-3").gaps == (Gap(0, 0, 1, 1),)


def test_the_first_token_is_the_first_chunk_with_content() -> None:
    """A chunk that only names the role is none; None until there is one."""
    topics = Topics()
    role, word = chat("r-1").text("", "word").chunks[:2]
    topics.send([role])
    assert strip_of(picture(topics.messages), "r-1").first_token_ms is None
    topics.send([word])
    assert strip_of(picture(topics.messages), "r-1").first_token_ms == 40


def test_the_name_of_a_request_is_that_of_its_highest_chunk() -> None:
    """Whatever the order: attempt before index; a model may stand in the payload alone."""
    topics = Topics()
    first, second = chat("r-1", provider="openai", model="a").text("x", "y").chunks[:2]
    other = {**first, "attempt": 1, "provider": "azure", "model": "b"}
    topics.send([other, second, first])
    strip = strip_of(picture(topics.messages), "r-1")
    assert (strip.provider, strip.model) == ("azure", "b")
    payload = {**first["response"], "model": "m-1"}
    topics.send([{**first, "request_id": "r-2", "model": None, "response": payload}])
    assert strip_of(picture(topics.messages), "r-2").model == "m-1"


def test_a_long_request_keeps_so_many_dots_and_counts_all() -> None:
    """Dots are thinned out evenly from the beginning to the end, and what is noteworthy stays."""
    topics = Topics()
    stream = completion("r-1").text(*["word "] * 1_000).usage(3, 1_000).finish("stop")
    chunks = stream.chunks
    topics.send([*chunks[:500], chunks[250], *chunks[500:]])
    strip = strip_of(picture(topics.messages, Keep(dots=100)), "r-1")
    assert strip.chunks == len(chunks) + 1
    assert 50 <= len(strip.dots) <= 100
    assert strip.chunks == len(strip.dots) + strip.left_out
    assert (strip.dots[0].index, strip.dots[-1].final) == (0, True)
    assert [dot.index for dot in strip.dots if dot.duplicate] == [250]
    plain = [dot.index for dot in strip.dots if not dot.duplicate and not dot.final and dot.kind == "data"]
    assert len({later - earlier for earlier, later in pairwise(plain)}) == 1


def test_repeats_and_forged_indexes_cost_no_memory() -> None:
    """A thousand repeats, attempts and islands of indexes: dots, slots and ranges stay bounded."""
    topics = Topics()
    first = chat("r-1").text("x").chunks[0]
    topics.send([first] * 1_000)
    topics.send([{**first, "chunk_index": 2 * place} for place in range(2_000)])
    topics.send([{**first, "attempt": place, "chunk_index": 1 << 50} for place in range(200)])
    strip = strip_of(picture(topics.messages, Keep(dots=50)), "r-1")
    assert strip.chunks == 3_200
    assert len(strip.dots) <= 50
    assert len(strip.gaps) < 700


# -- the worker's view of what is open


def test_a_record_before_its_chunks_is_closed_from_the_beginning() -> None:
    """The topics are read one beside the other: nothing of the request is ever shown as open."""
    topics = Topics()
    topics.send(chat("r-1").text("a").finish("stop").usage(1, 1).chunks)
    topics.fold()
    record = [message for message in topics.messages if message.topic == "records"]
    seen = picture(record)
    strip = strip_of(seen, "r-1")
    assert (strip.state, strip.dots, strip.chunks > 0) == ("success", (), True)
    picture((message for message in topics.messages if message.topic != "records"), into=seen)
    assert look(seen, topics.at, ALL).headline(0).open == 0
    assert strip_of(seen, "r-1") == strip_of(picture(topics.messages), "r-1")


def test_repeats_of_a_request_closed_long_ago_are_not_open_for_ever() -> None:
    """Its record lies before what is read; once the worker is past them by every deadline, nobody waits for one."""
    topics = Topics()
    topics.send(chat("old").text("a").chunks)
    for number in range(2):
        topics.at += PATIENCE // 2 + 10_000
        topics.send(chat(f"r-{number}").text("a").finish("stop").chunks)
    topics.fold()
    first, second = ([each for each in topics.messages if each.key != b"old" or each.topic != "records"][:-1], [])
    assert {each.key for each in first if each.topic == "records"} == {b"r-0"}
    second = [each for each in topics.messages if each.topic == "records" and each.key == b"r-1"]
    seen = picture(first)
    assert look(seen, topics.at, ALL).headline(0).open == 2
    picture(second, into=seen)
    found = look(seen, topics.at, ALL)
    assert (found.headline(0).open, {each.request_id for each in found.strips(9, "oldest")}) == (0, {"r-0", "r-1"})


def test_a_letter_that_says_late_closes_a_request_without_a_record() -> None:
    """Its chunk was of a request that was closed before: it is dead, not open."""
    topics = Topics()
    made = Settings(late_policy="dead_letter")
    stream = chat("r-1").text("a", "b").finish("stop").usage(1, 1)
    topics.send(stream.chunks)
    topics.send([{**stream.chunks[0], "chunk_index": 900, "attempt": 3}])
    topics.fold(made)
    seen = picture([message for message in topics.messages if message.topic != "records"][-2:])
    found = look(seen, topics.at, ALL)
    assert [row.reason for row in found.dead()] == ["late"]
    assert (found.headline(0).open, found.headline(0).late, found.headline(0).dead) == (0, 1, 1)


def test_what_began_before_what_is_read_has_no_gap_at_its_beginning() -> None:
    """A window cuts through requests; what seems to be missing at their beginning is not known to be."""
    topics = Topics()
    chunks = chat("r-1").text(*"abcdefgh").lost(6).chunks
    topics.send(chunks[3:])
    seen = Picture(Keep(), WINDOW, "llm.chunks", PATIENCE)
    seen.begin(0, START + 1)
    picture(topics.messages, into=seen)
    assert strip_of(seen, "r-1").gaps == (Gap(0, 6, 6),)
    assert Gap(0, 0, 2) in strip_of(picture(topics.messages), "r-1").gaps


def test_open_requests_past_the_bound_are_counted_without_a_strip() -> None:
    """Oldest closed ones go first; past the second bound it says so, until there is room again."""
    topics = Topics()
    topics.send(chat("closed").text("a").finish("stop").chunks)
    topics.fold()
    topics.send(all_of(chat(f"r-{number}").text("a") for number in range(7)), partitions=1)
    seen = picture(topics.messages, Keep(requests=3, bare=3))
    found = look(seen, topics.at, ALL)
    assert {strip.request_id for strip in found.strips(99, "oldest")} == {"r-0", "r-1", "r-2"}
    assert (found.headline(0).open, found.headline(0).requests, seen.overflown) == (6, 1, True)
    topics.send(chat("r-4").text("a").finish("stop").chunks[1:])
    topics.messages = [*topics.messages, *(each for each in recorded(topics) if each.key == b"r-4")]
    seen = picture(topics.messages, Keep(requests=3, bare=3))
    assert (look(seen, topics.at, ALL).headline(0).open, seen.overflown) == (5, False)
    topics.at += PATIENCE + 10_000
    topics.send(chat("last").text("a").finish("stop").chunks)
    topics.messages = [*topics.messages, *(each for each in recorded(topics) if each.key == b"last")]
    assert look(picture(topics.messages, Keep(requests=3, bare=3)), topics.at, ALL).headline(0).open == 0


def recorded(topics: Topics) -> list[Message]:
    """What the fold writes of the chunks that are there, apart from the messages themselves."""
    copy = Topics(topics.at, list(topics.messages), dict(topics.offsets))
    copy.fold()
    return copy.messages[len(topics.messages) :]


def test_what_was_drawn_is_given_back() -> None:
    """Whoever looks at all requests one after the other does not keep the dots of all of them in memory."""
    topics = Topics()
    topics.send(all_of(chat(f"r-{number}").text("a") for number in range(DRAWN + 20)))
    seen = picture(topics.messages)
    look(seen, topics.at, ALL).strips(DRAWN + 20, "oldest")
    assert sum(request._drawn is not None for request in seen.requests()) == DRAWN
    newest = strip_of(seen, f"r-{DRAWN}")
    assert strip_of(seen, f"r-{DRAWN}") is newest


# -- filters, money, order


def _team(number: int) -> Stream:
    provider, model = (("openai", "gpt-4o"), ("anthropic", "claude-sonnet-5"))[number % 2]
    made = chat(f"r-{number}", provider=provider, model=model, labels={"team": f"t{number % 3}"}).text("a", "b")
    return made.usage(10 + number, 3).finish("stop") if number % 5 else made.usage(10, 1).cut(2)


def test_a_filter_takes_requests_records_and_letters_that_match() -> None:
    """By each of its fields and by several; a letter by its request."""
    topics = Topics()
    topics.send(all_of(map(_team, range(20))))
    topics.send([{**_team(1).chunks[0], "stream_type": "text.completion"}])
    topics.fold()
    seen = picture(topics.messages)

    def ids(where: Filter) -> set[str]:
        return {strip.request_id for strip in look(seen, topics.at, where).strips(99, "newest")}

    assert ids(Filter(status="open")) == {"r-0", "r-5", "r-10", "r-15"}
    assert ids(Filter(status="closed")) == {f"r-{number}" for number in range(20) if number % 5}
    assert ids(Filter(provider="openai", labels={"team": "t0"})) == {"r-0", "r-6", "r-12", "r-18"}
    assert ids(Filter(model="claude-sonnet-5", status="success", text="r-1")) == {"r-1", "r-11", "r-13", "r-17", "r-19"}
    assert ids(Filter(stream_type="responses")) == set()
    found = look(seen, topics.at, Filter(provider="anthropic"))
    assert found.headline(0).requests == len(found.records) == 8
    letters = {
        where.provider: look(seen, topics.at, where).headline(0).dead
        for where in (ALL, Filter(provider="openai"), Filter(provider="anthropic"))
    }
    assert letters == {None: 1, "openai": 0, "anthropic": 1}


def test_strips_come_from_either_end() -> None:
    """The newest first or the oldest first, by the time they began, and no more than asked for."""
    topics = Topics()
    topics.send(all_of(chat(f"r-{number}").text("a") for number in range(9)))
    found = look(picture(topics.messages), topics.at, ALL)
    assert [strip.request_id for strip in found.strips(2, "newest")] == ["r-8", "r-7"]
    assert [strip.request_id for strip in found.strips(2, "oldest")] == ["r-0", "r-1"]


def test_money_that_cannot_be_grouped_so_is_refused() -> None:
    """The message says what can be asked for."""
    with pytest.raises(UsageError, match="can't be grouped by 'mode'"):
        look(picture([]), START, ALL, ["mode"])


def test_a_corrected_request_counts_once_as_its_newest_record_says() -> None:
    """A late chunk makes a revision: tokens are those of it, not of both."""
    topics = Topics()
    stream = chat("r-1", model="m").text("a", "b").usage(10, 2).finish("stop")
    chunks = stream.chunks
    topics.send(chunks[:-1] if len(chunks) > 3 else chunks)
    topics.at += 400_000
    topics.send([{**chunks[-1], "chunk_index": 50, "is_final": False}])
    topics.at += 400_000
    records = topics.fold(keep_open=False)
    assert len(records) > 1
    found = look(picture(topics.messages), topics.at, ALL)
    newest = max(records, key=lambda record: record["revision"])
    usage = newest["token_usage"] or {}
    headline = found.headline(0)
    assert (headline.requests, headline.tokens_in) == (1, usage.get("prompt_tokens", 0))
    assert headline.late == 1


# -- whatever the order, whatever comes


@st.composite
def ledgers(draw: st.DrawFn) -> Topics:
    """Streams of several kinds, whole, cut, with gaps and repeats, mixed, on two partitions; and what they become."""
    made: list[Stream] = []
    for number in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from((chat, completion, responses)))
        stream: Any = kind(
            f"r-{number}",
            provider=draw(st.sampled_from(("openai", "azure", None))),
            model=draw(st.sampled_from(("gpt-4o", "gpt-4o-mini", None))),
            labels=draw(st.sampled_from(({}, {"team": "a"}, {"team": "b", "key": "k"}))),
        ).text(*draw(st.lists(st.sampled_from(("a", "b", "")), min_size=2, max_size=5)))
        if draw(st.booleans()):
            stream = stream.usage(draw(st.integers(0, 99)), draw(st.integers(0, 99)))
        stream = stream.finish() if draw(st.booleans()) else stream
        stream = stream.lost(1) if draw(st.booleans()) else stream
        made.append(stream.duplicated(draw(st.sampled_from((0.0, 0.3))), seed=number).shuffled(draw(st.integers(0, 9))))
    topics = Topics()
    chunks = interleave(*made, seed=draw(st.integers(0, 99)))
    topics.send(chunks, step=draw(st.sampled_from((1, 40, 3_000))), partitions=2)
    if draw(st.booleans()):
        topics.at += draw(st.sampled_from((3_000, 400_000)))
        topics.send([{**chunk, "chunk_index": 70} for chunk in chunks[:2]], partitions=2)
    topics.fold(Settings(late_policy=draw(st.sampled_from(("revise", "dead_letter")))), keep_open=draw(st.booleans()))
    return topics


@given(ledgers(), st.integers(0, 1 << 20))
@hypothesis(max_examples=25, deadline=None)
def test_the_order_in_which_topics_are_read_changes_nothing(topics: Topics, seed: int) -> None:
    """Each partition in its own order, the partitions and topics in any: the same is seen in the end."""
    at = topics.at + 100
    assert everything(picture(topics.mixed(seed)), at) == everything(picture(topics.messages), at)


@given(ledgers(), st.integers(1, 3))
@hypothesis(max_examples=15, deadline=None)
def test_sums_agree_and_memory_is_bounded(topics: Topics, most: int) -> None:
    """By model, by provider, by label and in all the money is the same; no bound is ever passed."""
    keep = Keep(requests=most, dots=2, bare=most, records=most, letters=1, labels=1, rows=2)
    for seen in (picture(topics.messages), picture(topics.messages, keep)):
        found = look(seen, topics.at, ALL, ["model", "provider", "label.team"])
        headline = found.headline(0)
        for rows in found.money(2).values():
            assert total(rows) == (
                headline.requests, headline.tokens_in, headline.tokens_out, headline.cost, headline.unpriced,
                headline.incomplete,
            )  # fmt: skip
            assert len(rows) <= 2
            assert all(row.key != OTHERS for row in rows[:-1])
        assert all(strip.chunks == len(strip.dots) + strip.left_out >= 0 for strip in found.strips(99, "newest"))
    strips = found.strips(99, "newest")
    assert len(strips) <= most
    assert all(len(strip.dots) <= 2 for strip in strips)
    assert len(found.records) <= most
    assert headline.open <= 2 * most
    assert headline.dead <= 1
    assert len(seen.labels) <= 1


def total(rows: tuple[MoneyRow, ...]) -> tuple[int, int, int, Decimal, int, int]:
    """The rows summed up."""
    return (
        sum(row.requests for row in rows),
        sum(row.tokens_in for row in rows),
        sum(row.tokens_out for row in rows),
        sum((row.cost for row in rows), Decimal(0)),
        sum(row.unpriced for row in rows),
        sum(row.incomplete for row in rows),
    )
