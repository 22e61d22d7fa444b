"""Files that are written whole or not at all, whatever stands where they shall be."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from pipeline.sinks.target import replaced


def test_a_file_takes_its_place_only_when_it_is_whole(tmp_path: Path) -> None:
    """After an error the old one is there, and nothing else."""
    path = tmp_path / "costs.csv"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(OSError, match="none"), replaced(path) as new:
        _break_off(new)
    assert (path.read_text(encoding="utf-8"), list(tmp_path.iterdir())) == ("old", [path])
    with replaced(path) as new:
        new.write_text("whole", encoding="utf-8")
    assert (path.read_text(encoding="utf-8"), list(tmp_path.iterdir())) == ("whole", [path])


def test_a_link_stays_a_link_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    """Whoever links reports to another disk finds them there."""
    (tmp_path / "disk").mkdir()
    real, link = tmp_path / "disk" / "rows.csv", tmp_path / "rows.csv"
    link.symlink_to(real)
    for content in (b"first", b"second"):
        with replaced(link) as new:
            new.write_bytes(content)

        assert link.is_symlink()
        assert real.read_bytes() == content


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    """To take its place would leave its reader with nothing; `/dev/null`, replaced by root, would be gone for all."""
    pipe, read = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    with replaced(pipe) as new, new.open("wb") as file:
        file.write(b"rows")
    reader.join(60)

    assert read == [b"rows"]
    assert pipe.is_fifo()


def test_what_can_not_be_written_is_named_by_its_own_path(tmp_path: Path) -> None:
    """The name of a draft that nobody asked for says nothing to its reader."""
    path = tmp_path / "absent" / "rows.csv"
    with pytest.raises(FileNotFoundError) as raised, replaced(path) as new:
        new.write_bytes(b"rows")

    assert raised.value.filename == str(path)


def _break_off(path: Path) -> None:
    """Write half of a file."""
    path.write_text("half", encoding="utf-8")
    raise OSError("none left")
