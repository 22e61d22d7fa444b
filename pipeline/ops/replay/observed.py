"""The core's working set, with an eye on how its requests began.

Imports the core and the window.
"""

from __future__ import annotations

from typing import Any

from pipeline.core.partition import Partition
from pipeline.ops.replay.window import Window


class Observed(Partition):
    """The working set, with an eye on how requests began: their heads go when their records are made.

    Attributes:
        headless: ids of requests that closed without showing their first chunk; taken away by who reads the output.
    """

    def __init__(self, *args: Any, window: Window, **kwargs: Any) -> None:
        """As the core's; `window` knows what a beginning is."""
        super().__init__(*args, **kwargs)
        self._window = window
        self.headless: set[str] = set()

    def finalize(self, request_id: str) -> None:
        """As the core's, which calls it, too, when a chunk comes that is late for a request just closed."""
        head = self.closing.get(request_id)
        if head is not None and not head.revision and not self._window.begins(head):
            self.headless.add(request_id)
        super().finalize(request_id)
