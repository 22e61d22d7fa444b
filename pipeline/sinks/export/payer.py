"""Who is meant to pay for a request: a label of it, or one name for all.  Imports errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipeline.errors import UsageError

_PREFIX: Final = "label."


@dataclass(frozen=True)
class Payer:
    """How a payer is found.

    Attributes:
        label: whose value names them; null where the name is fixed.
        name: of all of them; null where the label decides.
    """

    label: str | None = None
    name: str | None = None

    @classmethod
    def of(cls, text: str) -> Payer:
        """Read `label.NAME`, or any other text as a name.

        Raises:
            UsageError: it names nothing.
        """
        if text.startswith(_PREFIX) and len(text) > len(_PREFIX):
            return cls(label=text.removeprefix(_PREFIX))
        if not text.strip() or text == _PREFIX:
            raise UsageError(f"{text!r} names nobody", hint="write label.tenant, or a name for all")
        return cls(name=text)

    def of_labels(self, labels: Mapping[str, Any]) -> str | None:
        """Who pays for a request with these labels; null where they don't say."""
        value = self.name if self.label is None else labels.get(self.label)
        return value if isinstance(value, str) and value.strip() else None
