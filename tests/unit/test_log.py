"""Logs: events with keys on one stream, in two forms, and no way for content to get through (G7)."""

from __future__ import annotations

import io
import json
import logging
import logging.config
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import TopicPartition

from pipeline import log
from pipeline.errors import UsageError

CONTENT = "the user's own words"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Logging is global to the process: leave it as it was."""
    names = ("", *log.THIRD_PARTY)
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in names]
    handlers = list(logging.getLogger().handlers)
    yield
    for logger, level in before:
        logger.setLevel(level)
    logging.getLogger().handlers[:] = handlers


class Output(io.StringIO):
    """A stream that may pass for a terminal."""

    def __init__(self, *, terminal: bool = False) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        """What the automatic form goes by."""
        return self.terminal

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON lines written so far."""
        return [json.loads(line) for line in self.getvalue().splitlines()]


def started(
    *,
    level: log.Level = "info",
    form: log.Format = "json",
    third_party: log.Level = "warning",
    terminal: bool = False,
) -> Output:
    """Logging into a stream of the test's own."""
    output = Output(terminal=terminal)
    logging.config.dictConfig(log.config(level=level, form=form, third_party=third_party, stream=output))
    return output


class TestForm:
    """Events with keys, as JSON lines or for a person."""

    def test_an_event_is_one_json_line_with_its_keys(self) -> None:
        """With level, logger and a UTC time besides."""
        output = started()
        log.get_logger("pipeline.x").info("checkpoint done", topic="llm.chunks", partition=3, took=0.25)
        (event,) = output.events

        assert event.pop("timestamp").endswith("Z")
        assert event == {
            "event": "checkpoint done",
            "level": "info",
            "logger": "pipeline.x",
            "topic": "llm.chunks",
            "partition": 3,
            "took": 0.25,
        }

    def test_keys_can_be_bound(self) -> None:
        """A partition's task names its coordinates once."""
        output = started()
        log.get_logger("pipeline.x").bind(partition=3).warning("restored")

        assert (output.events[0]["partition"], output.events[0]["level"]) == (3, "warning")

    @pytest.mark.parametrize(
        ("form", "terminal", "is_json"),
        [("auto", False, True), ("auto", True, False), ("json", True, True), ("console", False, False)],
    )
    def test_the_form_follows_setting_and_terminal(self, form: log.Format, terminal: bool, is_json: bool) -> None:
        """Automatic means console for a person and JSON for everything else."""
        output = started(form=form, terminal=terminal)
        log.get_logger("pipeline.x").info("started", partition=3)

        assert is_json == output.getvalue().startswith("{")
        assert "started" in output.getvalue()

    def test_colours_are_for_terminals_only(self) -> None:
        """A log file has no escape sequences."""
        plain, coloured = started(form="console"), None
        log.get_logger("pipeline.x").error("started")
        coloured = started(form="console", terminal=True)
        log.get_logger("pipeline.x").error("started")

        assert "\x1b[" not in plain.getvalue()
        assert "\x1b[" in coloured.getvalue()

    def test_events_below_the_level_are_not_written(self) -> None:
        """Whatever logger they come from."""
        output = started(level="warning")
        log.get_logger("pipeline.x").info("quiet")
        logging.getLogger("other").info("quiet")

        assert not output.getvalue()

    def test_logging_goes_to_stderr(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Standard output belongs to data."""
        log.configure(form="json")
        log.get_logger("pipeline.x").info("started")
        captured = capsys.readouterr()

        assert not captured.out
        assert "started" in captured.err

    def test_a_logger_works_before_logging_is_configured(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A program that embeds the core and configures nothing sees no output of ours on stdout."""
        log.get_logger("pipeline.x").info("started")

        assert not capsys.readouterr().out


class TestThirdParty:
    """Libraries come out of the same door, more quietly."""

    @pytest.mark.parametrize("name", log.THIRD_PARTY)
    def test_libraries_are_heard_from_warning_on(self, name: str) -> None:
        """Their information is ours to give, their warnings are not to be missed."""
        output = started(level="debug")
        logging.getLogger(f"{name}.part").info("chatter")
        logging.getLogger(f"{name}.part").warning("trouble with %s", "broker 1")

        assert [event["event"] for event in output.events] == ["trouble with broker 1"]
        assert output.events[0]["logger"] == f"{name}.part"

    def test_a_command_can_quieten_them_further(self) -> None:
        """Its one error line says what the client's retries would say many times."""
        output = started(third_party="critical")
        logging.getLogger("aiokafka").error("Unable to connect")

        assert not output.getvalue()

    def test_they_are_never_louder_than_we_are(self) -> None:
        """level=error means errors, of everyone."""
        output = started(level="error")
        logging.getLogger("aiokafka").warning("trouble")

        assert not output.getvalue()

    def test_named_arguments_are_formatted(self) -> None:
        """`%(name)s` with a dictionary is as good as a tuple."""
        output = started()
        logging.getLogger("faust").warning("lost %(what)s", {"what": "contact"})

        assert output.events[0]["event"] == "lost contact"

    def test_a_message_that_can_not_be_formatted_is_still_an_event(self) -> None:
        """A guarded argument may not fit a number format; the template tells enough."""
        output = started()
        logging.getLogger("faust").warning("read %d bytes of %s", b"abc", "x")

        assert output.events[0]["event"] == "read %d bytes of %s"
        assert output.events[0]["unformatted"]


class TestNoContent:
    """Nothing of a chunk can pass, on whatever way it comes (G7)."""

    @pytest.mark.parametrize("key", sorted(log.PAYLOAD))
    def test_texts_under_a_payloads_key_are_not_shown(self, key: str) -> None:
        """A developer who logs `text=…` in a hurry leaks nothing; a count under the same key is shown."""
        output = started()
        log.get_logger("pipeline.x").info("odd", **{key: CONTENT})
        log.get_logger("pipeline.x").info("odd", **{key: 3})

        assert CONTENT not in output.getvalue()
        assert [event[key] for event in output.events] == [f"<str of {len(CONTENT)}>", 3]

    def test_bytes_and_objects_are_shown_as_type_and_size(self) -> None:
        """A Kafka record's repr would quote its value."""
        output = started()
        log.get_logger("pipeline.x").info("odd", got=CONTENT.encode(), thing=object())

        assert output.events[0]["got"] == f"<bytes of {len(CONTENT)}>"
        assert output.events[0]["thing"] == "<object>"

    def test_small_collections_are_shown_and_guarded_inside(self) -> None:
        """Offsets by partition are wanted; a payload hidden in a dictionary is not."""
        point = TopicPartition("llm.chunks", 3)
        output = started()
        log.get_logger("pipeline.x").info(
            "assigned", offsets={3: 17}, partitions=[point], path=Path("/data"), nested={"delta": CONTENT}
        )
        (event,) = output.events

        assert event["offsets"] == {"3": 17}
        assert event["partitions"] == [["llm.chunks", 3]]
        assert event["path"] == "/data"
        assert event["nested"] == {"delta": f"<str of {len(CONTENT)}>"}

    def test_large_collections_and_long_texts_are_cut(self) -> None:
        """What is long is more likely content than a name, and floods a log in any case."""
        output = started()
        log.get_logger("pipeline.x").info(
            "odd", many=list(range(1000)), long="x" * 1000, words={str(n): n for n in range(99)}
        )
        (event,) = output.events

        assert event["many"] == "<list of 1000>"
        assert event["words"] == "<dict of 99>"
        assert event["long"].endswith("<1000 characters>")
        assert len(event["long"]) < log.LONGEST + 30

    def test_an_exceptions_text_is_left_out_where_it_may_quote(self) -> None:
        """A KeyError quotes the key, a decoder its input; type and place tell where to look."""
        output = started()
        known: dict[str, int] = {}
        try:
            known[CONTENT]
        except KeyError:
            log.get_logger("pipeline.x").exception("fold failed", request_id="r1")
        (event,) = output.events

        assert CONTENT not in output.getvalue()
        assert (event["error"], event["request_id"]) == ("KeyError", "r1")
        assert event["error_at"][0].startswith("tests/unit/test_log.py:")
        assert "error_text" not in event

    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (UsageError("no such topic", topic="t", hint="create it"), "no such topic"),
            (PermissionError(13, "Permission denied", "/data"), "[Errno 13] Permission denied: '/data'"),
            (KafkaConnectionError("no route\nto host"), "KafkaConnectionError: no route"),
        ],
    )
    def test_an_exceptions_text_is_shown_where_it_can_not_quote(self, error: Exception, text: str) -> None:
        """Ours, the operating system's and the Kafka client's."""
        assert log.failure(error)["error_text"] == text

    def test_coordinates_of_our_errors_become_keys(self) -> None:
        """They are attributes of the error, so nobody has to read them out of a text."""
        keys = log.failure(UsageError("bad", topic="t", partition=1, offset=2, request_id="r"))

        assert (keys["topic"], keys["partition"], keys["offset"], keys["request_id"]) == ("t", 1, 2, "r")

    def test_a_cause_is_named_without_its_text(self) -> None:
        """The chain shows where it began."""
        try:
            try:
                raise ValueError(CONTENT)
            except ValueError as error:
                raise RuntimeError(CONTENT) from error
        except RuntimeError as error:
            keys = log.failure(error)

        assert keys["error_cause"]["error"] == "ValueError"
        assert CONTENT not in json.dumps(keys)

    def test_a_suppressed_cause_is_not_named(self) -> None:
        """`from None` is there because the cause holds what must not be seen."""
        try:
            try:
                raise ValueError(CONTENT)
            except ValueError:
                raise RuntimeError from None
        except RuntimeError as error:
            keys = log.failure(error)

        assert "error_cause" not in keys

    def test_an_exception_as_a_value_is_its_type(self) -> None:
        """`why=error` is written quickly; our own errors may speak."""
        output = started()
        log.get_logger("pipeline.x").warning("odd", why=ValueError(CONTENT), told=UsageError("no topic"))

        assert output.events[0]["why"] == "ValueError"
        assert output.events[0]["told"] == "UsageError: no topic"

    @pytest.mark.parametrize("given", ["exception", "tuple", "none"])
    def test_every_way_to_hand_over_an_exception_is_understood(self, given: str) -> None:
        """An exception, a triple, or True, also when there is none: structlog takes them all."""
        error = ValueError(CONTENT)
        ways: dict[str, Any] = {"exception": error, "tuple": (type(error), error, None), "none": True}
        output = started()
        log.get_logger("pipeline.x").warning("odd", exc_info=ways[given])

        assert output.events[0].get("error") == (None if given == "none" else "ValueError")
        assert CONTENT not in output.getvalue()

    def test_arguments_of_a_librarys_message_are_guarded(self) -> None:
        """The Kafka client formats records and exceptions into its messages."""
        output = started()
        logging.getLogger("aiokafka").warning("bad %r %s %s", ValueError(CONTENT), CONTENT.encode(), object())

        assert CONTENT not in output.getvalue()
        assert output.events[0]["event"] == f"bad 'ValueError' <bytes of {len(CONTENT)}> <object>"

    def test_only_the_first_line_of_a_librarys_message_is_kept(self) -> None:
        """The event loop prints a task with its exception in the lines below."""
        output = started()
        logging.getLogger("asyncio").error(f"Task exception was never retrieved\nfuture: <Task {CONTENT}>")  # noqa: G004 (as asyncio does)

        assert output.events[0]["event"] == "Task exception was never retrieved"

    def test_a_librarys_traceback_is_places_only(self) -> None:
        """Faust's supervisor logs a crashed agent's exception with its traceback."""
        output = started(form="console")
        try:
            raise ValueError(CONTENT)
        except ValueError:
            logging.getLogger("mode").exception("crashed", stack_info=True)

        assert CONTENT not in output.getvalue()
        assert "test_log.py" in output.getvalue()
