"""Structured logs without content: events with keys, as JSON lines or for a person on a terminal.

Owns how anything is logged. Our events are structlog's, carried by the standard library's logging, so that Faust, mode,
aiokafka and asyncio come out of the same door. It is built so that nothing of a chunk passes (G7): a value that is no
number or short text is replaced by its type and size, so is a text under a payload's key, and the text of an exception
is shown only where it can't quote content. Imports structlog and `pipeline.errors`.
"""

from __future__ import annotations

import logging
import logging.config
import sys
from collections.abc import Mapping, Sized
from collections.abc import Set as AbstractSet
from pathlib import PurePath
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from pipeline.errors import StreamledgerError

Level = Literal["debug", "info", "warning", "error", "critical"]
Format = Literal["auto", "console", "json"]

THIRD_PARTY: Final = ("aiokafka", "asyncio", "faust", "mode")
LONGEST: Final = 300
"""Characters of a text value: names and reasons are shorter, content rarely is."""
WIDEST: Final = 64
"""Items of a collection: the partitions of a worker fit."""
FRAMES: Final = 12
"""Innermost frames of a failure that are logged."""

# fmt: off
PAYLOAD: Final = frozenset({
    "arguments", "audio", "b64_json", "body", "chunk", "content", "data", "delta", "image", "input", "labels",
    "message", "messages", "output", "payload", "prompt", "raw_request", "raw_response", "record", "refusal",
    "response", "text", "transcript", "value",
})
# fmt: on
"""Keys under which content would travel: their texts and collections are never shown, numbers are."""


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module; an event is a few fixed words, everything that varies is a key.

    It needs no configuration and touches none: structlog's global configuration belongs to a program that embeds us.
    """
    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return logger


def configure(*, level: Level = "info", form: Format = "auto", third_party: Level = "warning") -> None:
    """Send all logging of this process to stderr; stdout belongs to data.

    Args:
        level: least severe event that is written.
        form: `auto` is console on a terminal and JSON lines otherwise.
        third_party: least severe event of the libraries; never below `level`.
    """
    logging.config.dictConfig(config(level=level, form=form, third_party=third_party, stream=sys.stderr))


def config(*, level: Level, form: Format, third_party: Level, stream: TextIO) -> dict[str, Any]:
    """The same as a `dictConfig` dictionary, for Faust, whose worker sets up logging itself (`logging_config`)."""
    terminal = stream.isatty()
    console = form == "console" or (form == "auto" and terminal)
    quiet = max(logging.getLevelNamesMapping()[name.upper()] for name in (level, third_party))
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"events": {"()": _formatter, "console": console, "colors": terminal}},
        "handlers": {"events": {"class": "logging.StreamHandler", "formatter": "events", "stream": stream}},
        "loggers": {name: {"level": quiet} for name in THIRD_PARTY},
        "root": {"level": level.upper(), "handlers": ["events"]},
    }


def failure(error: BaseException) -> dict[str, Any]:
    """An exception as keys: its type, its text if that can't quote content, and where it came from, innermost first."""
    keys: dict[str, Any] = {"error": type(error).__qualname__, "error_at": _frames(error)}
    text = _text(error)
    if text:
        keys["error_text"] = text
    if isinstance(error, StreamledgerError):
        keys |= error.coordinates
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        keys["error_cause"] = {"error": type(cause).__qualname__, "error_at": _frames(cause)[:1], "text": _text(cause)}
    return keys


def _formatter(*, console: bool, colors: bool) -> logging.Formatter:
    """The formatter of both kinds of records: ours with keys, and the libraries' formatted texts."""
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=colors)
        if console
        else structlog.processors.JSONRenderer(ensure_ascii=False, default=repr)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[_foreign],
        use_get_message=False,
        pass_foreign_args=True,
        processors=[
            structlog.stdlib.add_log_level,
            _name,
            _guard,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
            renderer,
        ],
    )


def _name(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Put the logger's name beside the event and take the formatter's own keys out."""
    event["logger"] = event.pop("_record").name
    del event["_from_structlog"]
    return event


def _foreign(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """A library's record: its first line, formatted with guarded arguments.

    The lines after the first are where asyncio prints the exceptions and values of a task.
    """
    template, arguments = str(event["event"]), event.pop("positional_args", ())
    if isinstance(arguments, Mapping):
        guarded: Any = {key: _plain(value) for key, value in arguments.items()}
    else:
        guarded = tuple(_plain(value) for value in arguments)
    try:
        template = template % guarded if guarded else template
    except (TypeError, ValueError, KeyError):
        event["unformatted"] = True  # a number format met a guarded value; the template still tells what happened
    event["event"] = template.partition("\n")[0]
    return event


def _guard(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace what could be content, and an exception by its keys."""
    error = event.pop("exc_info", None)
    event.pop("stack_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, tuple):
        error = error[1]
    kept = {key: _under(key, value) for key, value in event.items()}
    return (failure(error) if isinstance(error, BaseException) else {}) | kept


def _under(key: object, value: object) -> Any:
    """A value as it may be logged under a key."""
    return f"<{_size(value)}>" if key in PAYLOAD and isinstance(value, Sized) else _plain(value)


def _plain(value: object) -> Any:
    """A value as it may be logged: numbers, short texts, and small collections of those."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str | PurePath):
        text = str(value)
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}… <{len(text)} characters>"
    if isinstance(value, BaseException):
        text = _text(value)
        return f"{type(value).__qualname__}: {text}" if text else type(value).__qualname__
    if isinstance(value, Mapping) and len(value) <= WIDEST:
        return {str(_plain(key)): _under(key, item) for key, item in value.items()}
    if isinstance(value, list | tuple | AbstractSet) and len(value) <= WIDEST:
        return [_plain(item) for item in value]
    return f"<{_size(value)}>"


def _size(value: object) -> str:
    """What can be said of a value without showing it: its type, and its length where it has one."""
    return type(value).__qualname__ + (f" of {len(value)}" if isinstance(value, Sized) else "")


def _text(error: BaseException) -> str:
    """The text of an exception that can't quote content: our own, the operating system's and the Kafka client's."""
    if isinstance(error, StreamledgerError):
        return error.message[:LONGEST]
    if isinstance(error, OSError) or type(error).__module__.partition(".")[0] == "aiokafka":
        return str(error).partition("\n")[0][:LONGEST]
    return ""


def _frames(error: BaseException) -> list[str]:
    """Where an exception was raised, innermost first, as file:line function."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{'/'.join(PurePath(code.co_filename).parts[-3:])}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return frames[: -FRAMES - 1 : -1]
