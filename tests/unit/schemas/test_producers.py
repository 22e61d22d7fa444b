"""What every producer is held to, and what of the producers is delivered."""

import json
import re
import shutil
from pathlib import Path
from typing import Any, Final

from aiokafka.partitioner import murmur2
from hatchling.builders.wheel import WheelBuilder

from pipeline.topics.partitioner import partition_of
from schemas.leaves import MAX_REQUEST_ID_BYTES, check_request_id

ROOT: Final = Path(__file__).parents[3]
PRODUCERS: Final = ROOT / "schemas" / "producers"
VECTORS: Final[dict[str, Any]] = json.loads((PRODUCERS / "partitions.json").read_text(encoding="utf-8"))
KEYS: Final[list[dict[str, Any]]] = VECTORS["keys"]


def test_our_partitioner_keeps_the_vectors() -> None:
    """Where a key belongs, for 1, 4, 12 and 50 partitions."""
    for vector in KEYS:
        key = check_request_id(vector["key"]).encode()

        assert (murmur2(key) - vector["murmur2"]) % 2**32 == 0, vector
        assert [partition_of(key, count) for count in VECTORS["counts"]] == vector["partitions"], vector


def test_the_vectors_tell_wrong_partitioners_apart() -> None:
    """Both signs, every length of the last block, bytes over 127, the longest key, counts that are no power of two."""
    keys = [vector["key"].encode() for vector in KEYS]

    assert len(set(keys)) == len(keys)
    assert VECTORS["counts"] == [1, 4, 12, 50]
    for tail in range(4):
        block = [vector for vector in KEYS if len(vector["key"].encode()) % 4 == tail]
        assert {vector["murmur2"] < 0 for vector in block} == {True, False}
        assert any(not vector["key"].isascii() for vector in block)
    assert max(map(len, keys)) == MAX_REQUEST_ID_BYTES


def test_locks_tell_no_address() -> None:
    """They serve every mirror: names, versions and hashes."""
    for name in ("typescript/package-lock.json", "typescript/package.json", "typescript/.npmrc", "go/go.sum"):
        text = (PRODUCERS / name).read_text(encoding="utf-8")
        assert re.findall(r"\w+://\S+|\"resolved\"", text) == [], name


def test_links_of_the_page_lead_somewhere() -> None:
    """Who implements a producer starts from this page."""
    links = re.findall(r"\]\(([^)]+)\)", (PRODUCERS / "README.md").read_text(encoding="utf-8"))

    assert len(links) > 5
    assert [link for link in links if not (PRODUCERS / link).exists()] == []


def test_what_is_built_in_the_folders_is_not_delivered(tmp_path: Path) -> None:
    """The wheel has the sources of the producers, also when somebody has built them there."""
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "pipeline").mkdir()
    folder = tmp_path / "schemas" / "producers"
    for made in (
        "typescript/node_modules/kafkajs/index.js",
        "typescript/dist/main.js",
        "java/build/Main.class",
        "go/build/p",
    ):
        (folder / made).parent.mkdir(parents=True, exist_ok=True)
        (folder / made).touch()
    for kept in ("typescript/main.ts", "java/Main.java", "go/main.go", "partitions.json"):
        (folder / kept).touch()

    delivered = {file.relative_path for file in WheelBuilder(str(tmp_path)).recurse_included_files()}

    assert delivered == {
        f"schemas/producers/{name}"
        for name in ("typescript/main.ts", "java/Main.java", "go/main.go", "partitions.json")
    }
