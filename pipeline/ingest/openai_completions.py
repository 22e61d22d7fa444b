"""openai-completions: text completion chunks → WIRE §6, which they already are. Imports this room only."""

from __future__ import annotations

from pipeline.ingest.choices import ChoiceStream


class CompletionStream(ChoiceStream):
    """A stream of text_completion objects: content is choices[].text (S-TEXT-1)."""
