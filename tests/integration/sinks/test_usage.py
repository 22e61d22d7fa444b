"""Usage and cost, on both databases: held to sums made without SQL, exact, and proof against what people write."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.cli import main
from pipeline.sinks.migrations import migrate
from pipeline.sinks.usage import Question, ask
from pipeline.sinks.writer import Writer
from tests.billing import Record, fill, record

NAMES: Final = ("day", "model", "provider", "status", "label.team", "label.a/b~c", "label.$x")

ENDS: Final = ("2026-03-01T00:00:00.000000Z", "2026-03-01T23:59:59.999999Z", "2026-03-02T00:00:00.000000Z")
MARCH_2: Final = 1_772_409_600_000
"""2026-03-02T00:00:00Z."""

_money = st.decimals(min_value=0, max_value=1_000_000, places=12, allow_nan=False).map(lambda cost: f"{cost:f}")
_labels = st.dictionaries(st.sampled_from(["team", "a/b~c", "$x"]), st.sampled_from(["x", "y'; --", 'z"', "é"]))
_records = st.builds(
    lambda number, **fields: record(f"r-{number}", **fields),
    number=st.integers(0, 12),
    revision=st.integers(0, 2),
    cost=st.none() | _money,
    tokens=st.none() | st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)),
    end_timestamp=st.sampled_from(ENDS),
    model=st.sampled_from(["m-1", "m-2", None]),
    provider=st.sampled_from(["p", None]),
    status=st.sampled_from(["success", "error", "incomplete"]),
    time_to_first_token=st.integers(0, 5_000),
    labels=_labels,
)


def _latest(records: Sequence[Record]) -> list[Record]:
    """The highest revision of each request, with the end of its original."""
    by_id: dict[str, list[Record]] = {}
    for each in records:
        by_id.setdefault(each["request_id"], []).append(each)
    billed = []
    for revisions in by_id.values():
        newest = max(revisions, key=lambda each: int(each["revision"]))
        original = next((each for each in revisions if each["revision"] == 0), newest)
        billed.append(newest | {"billed_at": original["end_timestamp"]})
    return billed


def _group(each: Record, names: Sequence[str]) -> tuple[str | None, ...]:
    return tuple(
        each["billed_at"][:10] if name == "day" else each["labels"].get(name[6:]) if name[5:6] == "." else each[name]
        for name in names
    )


def _figures(group: Sequence[Record]) -> dict[str, Any]:
    costs = [Decimal(each["cost_details"]["total"]) for each in group if each["cost_details"]["total"] is not None]
    usages = [each["token_usage"] for each in group if each["token_usage"] is not None]
    ttft = sorted(each["time_to_first_token"] for each in group)
    return {
        "requests": len(group),
        "prompt_tokens": sum(usage["prompt_tokens"] for usage in usages) if usages else None,
        "completion_tokens": sum(usage["completion_tokens"] for usage in usages) if usages else None,
        "cost": sum(costs, Decimal()) if costs else None,
        "unpriced": len(group) - len(costs),
        "without_usage": len(group) - len(usages),
        "incomplete": sum(each["status"] == "incomplete" for each in group),
        "errors": sum(each["status"] == "error" for each in group),
        "ttft_p50": ttft[(len(ttft) - 1) // 2] if ttft else None,
    }


def _some(figures: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    return {name: figures[name] for name in names}


@given(
    records=st.lists(_records, max_size=25, unique_by=lambda each: each["record_id"]),
    names=st.lists(st.sampled_from(NAMES), max_size=3, unique=True),
    since=st.sampled_from([None, MARCH_2]),
    subtotals=st.booleans(),
    only=st.sampled_from([{}, {"model": ("m-1",)}, {"status": ("success", "error"), "provider": ("p",)}]),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_figure_is_that_of_a_sum_by_hand(
    writer: Writer,
    records: list[Record],
    names: list[str],
    since: int | None,
    subtotals: bool,
    only: dict[str, tuple[str, ...]],
) -> None:
    """Whatever the records, the groups and the span: latest revisions, on the day of their originals, to the digit."""
    migrate(writer)
    writer.change("DELETE FROM records")
    fill(writer, records)
    billed = [
        each
        for each in _latest(records)
        if (since is None or each["billed_at"] >= ENDS[2]) and all(each[name] in some for name, some in only.items())
    ]
    groups: dict[tuple[str | None, ...], list[Record]] = {}
    for each in billed:
        group = _group(each, names)
        for count in range(1 if subtotals else len(names), len(names) + 1) if names else ():
            groups.setdefault(group[:count], []).append(each)

    answer = ask(writer, Question(by=names, since=since, only=only, subtotals=subtotals))

    wanted = {group: _figures(members) for group, members in groups.items()}
    got = {tuple(line.group.values()): line.figures for line in answer.lines}
    assert len(answer.lines) == len(got)
    assert wanted == {group: _some(figures, wanted[group]) for group, figures in got.items()}
    total = _figures(billed)
    assert total == _some(answer.total.figures, total)
    assert answer.reasons == ({"no_usage": total["unpriced"]} if total["unpriced"] else {})


def test_a_span_is_half_open(writer: Writer) -> None:
    """What ends at its first moment counts, what ends at its last does not, to the microsecond."""
    migrate(writer)
    fill(writer, [record(f"r-{number}", end_timestamp=end) for number, end in enumerate(ENDS)])
    day = 86_400_000

    def counted(since: int, until: int) -> Any:
        return ask(writer, Question(since=since, until=until)).total.figures["requests"]

    assert counted(MARCH_2 - day, MARCH_2) == 2
    assert counted(MARCH_2, MARCH_2 + day) == 1
    assert counted(MARCH_2 + 1, MARCH_2 + day) == 0


NASTY: Final = ("team'; DROP TABLE records; --", '"', "$.a", "/", "~0", "a b", "é", "%s", "$1", "{utc}", "0", "a\tb")


@pytest.mark.parametrize("key", NASTY, ids=ascii)
def test_a_label_may_be_called_anything(writer: Writer, key: str) -> None:
    """Its key and value are values: one groups and filters by them, and nothing else happens."""
    migrate(writer)
    fill(writer, [record("r-1", cost="0.1", labels={key: key}), record("r-2", cost="0.2", labels={"other": key})])

    answer = ask(writer, Question(by=[f"label.{key}"]))

    assert {line.group[f"label.{key}"]: line.figures["requests"] for line in answer.lines} == {key: 1, None: 1}
    assert ask(writer, Question(labels={key: key})).total.figures["cost"] == Decimal("0.1")
    assert ask(writer, Question(labels={key: "'; --"})).total.figures["requests"] == 0


def _usage(db: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["usage", "--db", db, *arguments])


MIXED: Final = [
    record("r-1", cost="0.000000000001", tokens=(10, 5), model="m-1", labels={"tenant": "north"}),
    record("r-2", cost="12.5", tokens=(20, 5), model="m-1", labels={"tenant": "north"}),
    record("r-3", model="m-2", labels={"tenant": "south\x1b[31m"}),
]


def test_a_sum_says_what_it_leaves_out(db: str, writer: Writer) -> None:
    """A cost that nobody knows is a dash or null, never 0, and the total names how many there are, and why."""
    migrate(writer)
    fill(writer, MIXED)
    writer.close()

    text = _usage(db, "--by", "model")

    lines = text.stdout.splitlines()
    assert lines[0].split()[:4] == ["model", "requests", "tokens", "in"]
    assert lines[1].split() == ["m-1", "2", "30", "–", "10", "–", "12.500000000001", "0", "0", "0", "0", "412", "ms"]
    assert lines[2].split() == ["m-2", "1", "–", "–", "–", "–", "–", "1", "0", "0", "0", "412", "ms"]
    assert lines[3].split()[:6] == ["total", "3", "30", "–", "10", "–"]
    assert lines[4:] == [
        "cost leaves out 1 of 3 requests without a price: no_usage 1",
        "tokens leave out 1 request whose usage nobody stated",
    ]
    assert "\x1b" not in _usage(db, "--by", "label.tenant").stdout

    document = json.loads(_usage(db, "--by", "label.tenant", "--json").stdout)

    assert [(row["label.tenant"], row["cost"], row["unpriced"]) for row in document["rows"]] == [
        ("north", "12.500000000001", 0),
        ("south\x1b[31m", None, 1),
    ]
    assert (document["total"]["cost"], document["unpriced_reasons"]) == ("12.500000000001", {"no_usage": 1})

    table = _usage(db, "--by", "model", "--by", "label.tenant", "--subtotals", "--csv").stdout.splitlines()

    assert [line.split(",")[::2][:2] for line in table] == [["model", "requests"], ["m-1", "2"], ["m-2", "1"]]

    document = json.loads(_usage(db, "--by", "model", "--by", "status", "--subtotals", "--json").stdout)

    assert [(row["model"], "status" in row, row["requests"]) for row in document["subtotals"]] == [
        ("m-1", False, 2),
        ("m-2", False, 1),
    ]
    assert len(document["rows"]) == 2
