"""`streamledger chunks`: a provider's recorded stream as chunk JSON lines.

Owns the options; translating is `pipeline.ingest`.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import BinaryIO, Final

import rich_click as click

from pipeline.cli.options import examples, input_argument
from pipeline.cli.shell import COMMANDS
from pipeline.errors import UsageError
from pipeline.ingest import INTERVAL_MS, PROVIDERS, START, chunks_of

LONGEST_MS: Final = 86_400_000
"""A day between two chunks: no stream lasts longer (max_request_age)."""


@click.command(
    help=f"{COMMANDS['chunks']} FILE is SSE text, one JSON payload a line or a JSON array, `-` for standard input.",
    epilog=examples(
        "streamledger chunks --provider openai-chat --request-id r1 stream.sse",
        "curl -sN … | streamledger chunks --provider anthropic-messages --request-id r2 > chunks.jsonl",
        "streamledger chunks --provider openai-responses --request-id r3 stream.sse | streamledger fold",
        "streamledger chunks --provider openai-chat --vendor groq --request-id r4 stream.sse",
    ),
)
@input_argument
@click.option(
    "--provider",
    required=True,
    type=click.Choice(list(PROVIDERS)),
    metavar="P",
    help=f"Format of the recording: {', '.join(PROVIDERS)}.",
)
@click.option(
    "--vendor",
    metavar="NAME",
    help="Who sent it, where others speak the format too: "
    "azure, deepseek, groq, mistral, openrouter, perplexity, vertex, xai … [default: the owner of the format]",
)
@click.option("--request-id", required=True, metavar="ID", help="Request that the chunks belong to.")
@click.option("--model", metavar="M", help="Model, in place of what the payloads say.")
@click.option("--start", metavar="TS", help=f"When the request was sent. [default: {START.isoformat()}]")
@click.option(
    "--interval-ms",
    type=click.IntRange(0, LONGEST_MS),
    default=INTERVAL_MS,
    show_default=True,
    metavar="N",
    help="Milliseconds between two chunks.",
)
def command(  # noqa: PLR0913  one argument for each option
    file: BinaryIO,
    *,
    provider: str,
    vendor: str | None,
    request_id: str,
    model: str | None,
    start: str | None,
    interval_ms: int,
) -> None:
    """Print the chunks; the last one is final only if the stream ended properly."""
    chunks = chunks_of(
        file,
        provider=provider,
        vendor=vendor,
        request_id=_checked(request_id),
        model=model,
        start=None if start is None else _instant(start),
        interval_ms=interval_ms,
    )
    for chunk in chunks:
        # ASCII: a recording may hold escaped lone surrogates, which UTF-8 can't carry.
        click.echo(json.dumps(chunk, separators=(",", ":")))


def _checked(request_id: str) -> str:
    """The id, if the contract allows it.

    Raises UsageError otherwise: all of its chunks would become dead letters.
    """
    from pydantic import TypeAdapter, ValidationError

    from schemas.leaves import RequestId

    try:
        return TypeAdapter(RequestId).validate_python(request_id)
    except ValidationError:
        hint = "use 1 to 512 bytes without control characters"
        raise UsageError("--request-id is not a legal request id", hint=hint) from None


def _instant(text: str) -> datetime:
    """A time as the contract writes it, with zone.

    Raises UsageError for anything else.
    """
    from schemas.leaves import parse_timestamp

    try:
        return parse_timestamp(text)
    except ValueError as error:
        raise UsageError(f"--start {text!r}: {error}", hint="write for example 2026-01-01T00:00:00Z") from None
