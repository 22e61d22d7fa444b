"""A file that is written whole or not at all.  Imports the standard library only."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A file beside `path` for the block, which takes its place at the end; after an error nothing is changed.

    A link stays one: what it leads to is replaced. A device or a pipe has no place to take, and is the path of the
    block itself; to replace one would destroy it (`--out /dev/null`, as root).

    Raises:
        OSError: the file can't be written; it names the path, not the one beside it.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    final = path.resolve()
    new = final.with_name(f"{final.name}.{os.getpid()}.new")
    try:
        yield new
        with new.open("rb") as file:
            os.fsync(file.fileno())
        new.replace(final)
    except OSError as error:
        if error.filename is None or Path(os.fsdecode(error.filename)) != new:
            raise
        raise type(error)(error.errno, error.strerror, str(path)) from error
    finally:
        new.unlink(missing_ok=True)
