"""`streamledger prices`: what would be used, what a call costs, what an overlay changes; exit codes and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Invoke = Callable[..., Result]

EXAMPLE = str(Path(__file__).parents[3] / "docker/prices.toml")
AT = ("--at", "2026-11-20")


def shown(result: Result) -> Any:
    """What a command printed as JSON."""
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


class TestShow:
    """The prices that would be used."""

    def test_a_model_shows_all_its_tiers_and_where_they_are_from(self, invoke: Invoke) -> None:
        """By any name of provider and model; the data is named by version and hash."""
        result = shown(invoke("prices", "show", "--provider", "openai", "--model", "gpt-4o-2024-08-06", *AT, "--json"))

        assert [(row["price_id"], row["tier"], row["source"]) for row in result["prices"]] == [
            ("openai/gpt-4o", tier, "catalog") for tier in ("standard", "priority", "fast", "batch")
        ]
        assert result["prices"][0]["prices"] == {
            "input": "2.5",
            "output": "10",
            "cache_read": "1.25",
            "web_searches": "10000",
            "file_searches": "2500",
        }
        assert (result["overlay"], result["catalog"]["package"]) == (None, "genai-prices")
        assert result["prices"][0]["hash"] == result["catalog"]["hash"]

    def test_own_prices_stand_before_the_lists(self, invoke: Invoke) -> None:
        """Tier by tier, with what longer prompts cost."""
        rows = shown(
            invoke(
                *("prices", "show", "--provider", "gemini", "--model", "gemini-2.5-pro"),
                *("--price-overlay", EXAMPLE, "--json"),
                *AT,
            )
        )["prices"]

        assert [(row["tier"], row["source"], row["version"]) for row in rows] == [
            ("standard", "overlay", "2026-04"),
            ("flex", "overlay", "2026-04"),
            ("batch", "catalog", rows[2]["version"]),
        ]
        assert rows[0]["above"] == [{"tokens": 200_000, "input": "2", "cache_read": "0.2", "output": "12"}]

    def test_a_part_of_a_name_lists_what_holds_it(self, invoke: Invoke) -> None:
        """Seconds too are per million; the overlay's own models come first."""
        result = invoke("prices", "show", "--model", "whisper", *AT)

        assert result.exit_code == 0
        assert [line.split() for line in result.stdout.splitlines() if line.startswith("openai/whisper-1")] == [
            ["openai/whisper-1", "standard", "catalog", "seconds", "100"]
        ]
        own = invoke("prices", "show", "--provider", "vllm", "--price-overlay", EXAMPLE, *AT)
        assert own.stdout.splitlines()[1].split() == ["vllm/*", "standard", "overlay", "input", "0", "output", "0"]
        assert own.stdout.splitlines()[2].startswith(f"{EXAMPLE} 2026-04 (")

    def test_prices_have_dates(self, invoke: Invoke) -> None:
        """o3 was five times as dear."""
        asked = ("prices", "show", "--provider", "openai", "--model", "o3", "--json", "--at")

        assert shown(invoke(*asked, "2025-06-09"))["prices"][0]["prices"]["output"] == "40"
        assert shown(invoke(*asked, "2025-06-10T00:00:00Z"))["prices"][0]["prices"]["output"] == "8"

    @pytest.mark.parametrize(
        ("names", "line"),
        [
            (("--provider", "zzz"), "error: no price for zzz"),
            (("--provider", "zzz", "--model", "m"), "error: no price for zzz/m: unknown_provider"),
            (("--provider", "openai", "--model", "dall-e-3"), "error: no price for openai/dall-e-3: unknown_model"),
        ],
    )
    def test_no_price_is_a_problem_found(self, invoke: Invoke, names: tuple[str, ...], line: str) -> None:
        """Exit 1, why, and where to look."""
        result = invoke("prices", "show", *names)

        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(line)
        assert "price_overlay" in result.stderr

    def test_what_is_no_time_is_refused(self, invoke: Invoke) -> None:
        """With the two ways to write one."""
        result = invoke("prices", "show", "--at", "yesterday")

        assert result.exit_code == 2
        assert "2026-04-01T12:00:00Z" in result.stderr


class TestTest:
    """What a call costs."""

    def test_a_call_is_shown_line_by_line(self, invoke: Invoke) -> None:
        """Counts, prices per million, amounts; parts that add up."""
        result = invoke(
            *("prices", "test", "--provider", "openai", "--model", "gpt-4o", "--input", "1000", "--output", "200"),
            *("--use", "cache_read=300", *AT),
        )

        assert result.exit_code == 0
        assert [line.split() for line in result.stdout.splitlines()] == [
            ["gpt-4o", "0.004125", "USD", "input", "0.002125", "output", "0.002", "openai/gpt-4o,", "catalog"],
            ["cache_read", "300", "×", "1.25", "=", "0.000375"],
            ["input", "700", "×", "2.5", "=", "0.00175"],
            ["output", "200", "×", "10", "=", "0.002"],
        ]

    @pytest.mark.parametrize(
        ("uses", "cost"),
        [
            pytest.param(("--model", "gpt-5", "--tier", "flex", "--input", "1000"), "0.000625", id="tier"),
            pytest.param(
                ("--model", "whisper-1", "--type", "audio.transcription", "--use", "seconds=30"), "0.003", id="seconds"
            ),
            pytest.param(
                ("--model", "tts-1", "--type", "audio.speech", "--use", "characters=44"), "0.00066", id="characters"
            ),
            pytest.param(
                (
                    *("--model", "gpt-audio", "--input", "120", "--use", "input_audio=100"),
                    *("--output", "340", "--use", "output_audio=300"),
                ),
                "0.02285",
                id="modalities",
            ),
            pytest.param(("--model", "gpt-4o", "--input", "0", "--use", "web_searches=2"), "0.02", id="searches"),
        ],
    )
    def test_whatever_has_a_price_can_be_counted(self, invoke: Invoke, uses: tuple[str, ...], cost: str) -> None:
        """By the keys of overlay files; --expect holds it to a figure."""
        asked = ("prices", "test", "--provider", "openai", *uses, *AT, "--json")

        assert shown(invoke(*asked, "--expect", cost))["as_expected"] is True
        other = invoke(*asked, "--expect", "9")
        assert (other.exit_code, json.loads(other.stdout)["as_expected"]) == (1, False)

    def test_writes_by_how_long_they_are_kept_can_be_counted(self, invoke: Invoke) -> None:
        """100 × 3.75 + 400 × 6."""
        result = invoke(
            *("prices", "test", "--provider", "anthropic", "--model", "claude-sonnet-4-5", "--input", "500"),
            *("--use", "cache_write_5m=100", "--use", "cache_write_1h=400", "--json", *AT),
        )

        assert shown(result)["cost"] == "0.002775"

    def test_no_price_is_a_problem_found(self, invoke: Invoke) -> None:
        """Never 0; with the reason."""
        result = invoke("prices", "test", "--provider", "openai", "--model", "dall-e-3", "--use", "images=1")

        assert result.exit_code == 1
        assert result.stdout == "dall-e-3   no price: unknown_model\n"

    def test_a_file_of_calls_is_held_to_its_expectations(self, invoke: Invoke) -> None:
        """One line each; blank lines are nothing."""
        calls = [
            {"provider": "openai", "model": "gpt-4o", "counts": {"input": 1000}, "expect": "0.0025"},
            {"provider": "openai", "model": "gpt-4o", "usage": {"prompt_tokens": 9, "completion_tokens": 0}},
            {"request_id": "r-9", "provider": "openai", "model": "gpt-4o", "counts": {"input": 1}, "expect": 1},
        ]
        text = "\n\n".join(map(json.dumps, calls))

        good = invoke("prices", "test", "-", *AT, stdin="\n\n".join(map(json.dumps, calls[:2])))
        bad = invoke("prices", "test", "-", *AT, stdin=text)

        assert (good.exit_code, bad.exit_code) == (0, 1)
        assert bad.stdout.splitlines()[-2].startswith("r-9   0.0000025 USD")
        assert bad.stdout.splitlines()[-2].endswith("expected 1")

    def test_records_are_priced_by_what_they_hold(self, invoke: Invoke) -> None:
        """Attempts are summed; tools are counted in the output; the time is the record's own."""
        attempt = {"provider": "openai", "model": "o3", "token_usage": {"prompt_tokens": 1000, "completion_tokens": 0}}
        record = {
            "request_id": "r-1",
            "stream_type": "responses",
            "start_timestamp": "2025-06-09T00:00:00.000000Z",
            "output_messages": [{"type": "web_search_call", "status": "completed"}],
        }
        single = invoke("prices", "test", "-", "--json", stdin=json.dumps(record | attempt))
        double = invoke(
            "prices",
            "test",
            "-",
            "--json",
            stdin=json.dumps(record | {"output_messages": None, "attempts": [attempt] * 2}),
        )

        assert (single.exit_code, json.loads(single.stdout)["cost"]) == (0, "0.02")  # 1000 × 10, and a search
        assert json.loads(double.stdout)["cost"] == "0.02"

    @pytest.mark.parametrize(
        ("arguments", "stdin", "line"),
        [
            pytest.param((), "", "error: whose price?", id="nothing"),
            pytest.param(("--provider", "openai"), "", "error: whose price?", id="no model"),
            pytest.param(("-", "--model", "m"), "", "error: a FILE says all about its calls", id="both"),
            pytest.param(("-",), "nonsense", "error: line 1: it is no JSON object", id="no JSON"),
            pytest.param(("-",), "\n[]", "error: line 2: it is no JSON object", id="no object"),
            pytest.param(("-",), '{"usage": 5}', "error: line 1: usage is no object", id="usage"),
            pytest.param(("-",), '{"model": 5}', "error: line 1: model 5 is no text", id="model"),
            pytest.param(("-",), '{"stream_type": "x"}', "error: line 1: stream_type 'x' is unknown", id="type"),
            pytest.param(
                ("-",), '{"start_timestamp": "x"}', "error: line 1: start_timestamp 'x' is no time", id="time"
            ),
            pytest.param(("-",), '{"expect": "x"}', "error: line 1: expect 'x' is no number", id="expect"),
            pytest.param(
                ("--provider", "p", "--model", "m", "--use", "inptu=5"),
                "",
                "error: nothing is counted as 'inptu' — did you mean input?",
                id="key",
            ),
            pytest.param(
                ("--provider", "p", "--model", "m", "--use", "zzz=5"),
                "",
                "error: nothing is counted as 'zzz' — one of input",
                id="no key",
            ),
            pytest.param(
                ("--provider", "p", "--model", "m", "--input", "x"), "", "error: input 'x' is no number", id="no number"
            ),
            pytest.param(
                ("--provider", "p", "--model", "m", "--input", "1.5"), "", "error: input 1.5 is no count", id="half"
            ),
            pytest.param(
                ("--provider", "p", "--model", "m", "--use", "seconds=-1"),
                "",
                "error: seconds -1 is no count",
                id="negative",
            ),
        ],
    )
    def test_bad_usage_is_one_line(self, invoke: Invoke, arguments: tuple[str, ...], stdin: str, line: str) -> None:
        """Exit 2, and what to write."""
        result = invoke("prices", "test", *arguments, stdin=stdin)

        assert result.exit_code == 2
        assert result.stderr.startswith(line)
        assert result.stderr.count("\n") == 1


class TestDiff:
    """What an overlay changes."""

    def test_an_overlay_is_held_against_the_list(self, invoke: Invoke) -> None:
        """In percent, price by price, tier by tier; what it leaves out is told."""
        result = shown(invoke("prices", "diff", "--price-overlay", EXAMPLE, *AT, "--json"))
        changes = {(row["price_id"], row["tier"], row["unit"]): row for row in result["changes"]}

        assert changes["openai/gpt-4o", "standard", "input"] == {
            "price_id": "openai/gpt-4o",
            "tier": "standard",
            "unit": "input",
            "before": "2.5",
            "after": "2",
            "percent": "-20.00",
        }
        assert changes["google/gemini-2.5-pro", "standard", "input above 200,000"]["percent"] == "-20.00"
        assert changes["openai/gpt-4o", "standard", "web_searches"]["after"] is None
        assert changes["openai/dall-e-3", "standard", "images"]["before"] is None
        assert changes["vllm/*", "standard", "input"]["after"] == "0"
        assert (result["before"]["overlay"], result["after"]["overlay"]["version"]) == (None, "2026-04")

    def test_a_part_that_an_entry_leaves_out_costs_what_the_whole_costs(self, invoke: Invoke, tmp_path: Path) -> None:
        """Cached input at ten times the price is seen before it is billed."""
        other = tmp_path / "other.toml"
        other.write_text('[models."openai/gpt-5"]\ninput = 1.25\noutput = 10')

        rows = shown(invoke("prices", "diff", str(other), *AT, "--json"))["changes"]

        cached = [row for row in rows if row["unit"] == "cache_read"]
        assert [(row["before"], row["after"], row["percent"]) for row in cached] == [("0.125", "1.25", "+900.00")]

    def test_two_overlays_are_compared(self, invoke: Invoke, tmp_path: Path) -> None:
        """What the other would change in what is used now; equal prices are no lines."""
        other = tmp_path / "other.toml"
        other.write_text('[models."openai/gpt-4o"]\ninput = 3\ncache_read = 1\noutput = 8')

        text = invoke("prices", "diff", "--price-overlay", EXAMPLE, str(other), *AT).stdout

        lines = [line.split() for line in text.splitlines() if line.startswith("openai/gpt-4o ")]
        assert lines == [["openai/gpt-4o", "standard", "input", "2", "3", "+50.00"]]
        assert f"after:  {other} (" in text

    def test_prices_of_sound_are_compared_once(self, invoke: Invoke, tmp_path: Path) -> None:
        """The list has them twice, with a direction and without."""
        other = tmp_path / "other.toml"
        other.write_text('version = "2"\n[models."openai/whisper-1"]\nseconds = 50')

        result = shown(invoke("prices", "diff", str(other), *AT, "--json"))

        assert [(row["unit"], row["percent"]) for row in result["changes"]] == [("seconds", "-50.00")]
        assert result["after"]["overlay"]["version"] == "2"

    def test_without_an_overlay_there_is_nothing_to_compare(self, invoke: Invoke) -> None:
        """Exit 2, and how to name one."""
        result = invoke("prices", "diff")

        assert (result.exit_code, result.stderr.startswith("error: nothing to compare")) == (2, True)
