"""The examples of the contract, read from schemas/examples."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import schemas

FOLDER: Final = Path(schemas.__file__).parent / "examples"
CHUNKS: Final = sorted(FOLDER.glob("*/*.chunk.json"))
RECORDS: Final = sorted(FOLDER.glob("*/*.accumulated.json"))


def place(path: Path) -> str:
    """An example's place, for test ids."""
    return str(path.relative_to(FOLDER))


def streams() -> dict[Path, list[Path]]:
    """Chunk examples in stream order by the record example that they fold into."""
    found: dict[Path, list[Path]] = defaultdict(list)
    for path in CHUNKS:
        found[path.with_name(path.name.rsplit("-", 1)[0] + ".accumulated.json")].append(path)
    return dict(found)


def record_example() -> dict[str, Any]:
    """A record, fresh each time."""
    record: dict[str, Any] = json.loads((FOLDER / "chat.completion/tool-call.accumulated.json").read_bytes())
    return record
