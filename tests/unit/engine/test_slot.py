"""Directories of workers that share data_dir."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.engine.slot import claim
from pipeline.errors import UsageError


def test_each_living_worker_has_a_directory_of_its_own(tmp_path: Path) -> None:
    """Two workers on one machine never open the same store."""
    first, second = claim(tmp_path, "main"), claim(tmp_path, "main")

    assert first.path != second.path
    first.release()
    second.release()


def test_a_directory_is_free_again_after_its_worker(tmp_path: Path) -> None:
    """A restarted worker finds its own stores."""
    first = claim(tmp_path, "main")
    path = first.path
    first.release()
    again = claim(tmp_path, "main")

    assert path == again.path
    again.release()


def test_ledgers_do_not_share_directories(tmp_path: Path) -> None:
    """Another ledger's store would be wiped as foreign."""
    one, other = claim(tmp_path, "main"), claim(tmp_path, "staging")

    assert one.path.parent != other.path.parent
    one.release()
    other.release()


def test_a_data_dir_that_is_a_file_is_refused_with_a_hint(tmp_path: Path) -> None:
    """The error names the setting."""
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="data_dir"):
        claim(tmp_path / "file", "main")
