"""Tokens of a text, counted by the tokenizer of the extra `estimate`: bpe-openai, GitHub's linear BPE in Rust.

It ships OpenAI's vocabularies inside its wheel, so nothing is fetched at run time; one wheel serves every Python. Other
providers publish no tokenizer that could run here, and OpenAI's is near theirs: what it gives is an estimate, and is
marked as one (`usage_source`). Nothing here runs per chunk: a cut request asks once, when it is closed.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from pipeline.core.estimate import Characters
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.core.valuation import Estimator
    from pipeline.settings import Settings

EXACT: Final = 200_000
"""Characters that are counted; of a longer text the rest is taken at the rate of these.  Well below the 1,000,000 that
the library takes, and about 20 ms of work."""

_NEWER: Final = "o200k_base"
_OLDER: Final = "cl100k_base"
_OLDER_MODELS: Final = ("gpt-4-", "gpt-3.5", "gpt-35")
"""Beside gpt-4 itself; everything since gpt-4o has the newer vocabulary, and so do models of others here."""


def estimator(settings: Settings) -> Estimator | None:
    """What counts tokens by these settings; None when nothing is to be estimated.

    Raises:
        UsageError: the tokenizer is asked for and not installed.
    """
    if settings.estimate_usage == "off":
        return None
    return Tokenizer() if settings.estimate_usage == "tokenizer" else Characters()


class Tokenizer:
    """An Estimator by OpenAI's vocabularies."""

    def __init__(self) -> None:
        """Load the newer vocabulary; the older one comes when a model asks for it.

        Both need up to a second and 190 MB of memory, which is why nothing is loaded unless it is asked for.

        Raises:
            UsageError: the extra is not installed.
        """
        try:
            from bpe_openai import get_encoding  # noqa: PLC0415 (an optional extra)
        except ImportError:
            raise UsageError(
                "estimate_usage tokenizer needs a tokenizer that is not installed",
                hint="pip install 'streamledger[estimate]', or set estimate_usage to characters",
            ) from None
        self._encoding = cache(get_encoding)
        self._encoding(_NEWER)

    def tokens(self, model: str | None, text: str) -> int:
        """How many tokens a text is; half characters count as U+FFFD."""
        name = (model or "").lower().rpartition("/")[2]
        older = name == "gpt-4" or name.startswith(_OLDER_MODELS)
        counted = len(self._encoding(_OLDER if older else _NEWER).encode_ordinary(text[:EXACT]))
        return counted if len(text) <= EXACT else -(-counted * len(text) // EXACT)
