"""data_dir and what the system allows: rights, room, kind of file system, directories of workers, open files.

Looking leaves nothing behind, and takes no lock that a starting worker would miss. Imports the standard library and the
settings.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.ops.doctor.finding import Finding, fine, thin, unseen, wrong

GIB: Final = 1 << 30
LEAST_BYTES: Final = GIB // 2
"""Below it a store can't even be compacted."""
FEW_BYTES: Final = 5 * GIB
FEW_INODES: Final = 10_000
STORE_FILES: Final = 128
"""Files that one partition's store keeps open (engine.database)."""
OWN_FILES: Final = 256
"""Connections, logs and libraries of a worker."""
_VOLATILE: Final = frozenset({"tmpfs", "ramfs"})
_REMOTE: Final = re.compile(r"nfs|cifs|smb|9p|ceph|glusterfs|fuse\.(?!fuse-overlayfs)", re.ASCII)
_ESCAPED: Final = re.compile(r"\\([0-7]{3})", re.ASCII)


@dataclass(frozen=True)
class Disk:
    """The file system below a directory.

    Attributes:
        kind: As the system names it; None where it does not say.
        free: Bytes that this user may still write.
        inodes: Files that may still be made; None where there is no such limit.
    """

    kind: str | None
    free: int
    inodes: int | None


@dataclass(frozen=True)
class Slot:
    """A worker's directory below data_dir.

    Attributes:
        name: Of the directory.
        held: Whether a process has it; None where that can't be seen.
        bytes: Of its files.
    """

    name: str
    held: bool | None
    bytes: int


def existing(path: Path) -> Path:
    """The directory, or the nearest above it that is there and may be looked at."""
    return next(each for each in (path.absolute(), *path.absolute().parents) if _there(each))


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def refusal(path: Path) -> str | None:
    """Why this process can't make files in a directory; None if it can.

    Rights alone don't tell: a disk may be read-only, and root may all.
    """
    try:
        with tempfile.NamedTemporaryFile(prefix=".doctor-", dir=path):
            return None
    except OSError as error:
        return error.strerror or type(error).__name__


def look(path: Path) -> Disk:
    """The file system of an existing directory."""
    stat = os.statvfs(path)
    return Disk(_kind(path), shutil.disk_usage(path).free, stat.f_favail if stat.f_files else None)


def slots(data_dir: Path, ledger: str) -> list[Slot]:
    """The workers' directories of a ledger."""
    locks = _locks()
    found = []
    for folder in sorted((data_dir / ledger).glob("worker-*")):
        try:
            inode = (folder / "lock").stat().st_ino
            size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        except OSError:  # of another user, or gone meanwhile
            continue
        found.append(Slot(folder.name, None if locks is None else inode in locks, size))
    return found


def check_directory(data_dir: Path, there: Path, why_not: str | None) -> Finding:
    """Whether a worker can keep its stores.

    Args:
        data_dir: As set.
        there: data_dir, or the nearest directory above it.
        why_not: Why `there` can't be written; None if it can.
    """
    if why_not is not None:
        text = f"{data_dir} can't be used by uid {os.getuid()}: {why_not}"
        return wrong("data-dir", text, "give that user the directory, or set data_dir to one that it owns")
    return fine("data-dir", f"{data_dir}" + ("" if there == data_dir else " (will be made)"))


def check_room(disk: Disk) -> Iterator[Finding]:
    """Room for stores, and whether they survive what they should."""
    room = f"{disk.free / GIB:,.1f} GiB free"
    if disk.free < LEAST_BYTES:
        yield wrong("disk", room, "make room: a store that can't be written ends its worker")
    elif disk.free < FEW_BYTES:
        yield thin("disk", room, "make room before traffic grows: see the README on how large stores become")
    elif disk.inodes is not None and disk.inodes < FEW_INODES:
        yield thin("disk", f"{disk.inodes:,} inodes left", "remove files: each store makes dozens")
    else:
        yield fine("disk", room)
    if disk.kind is None:
        yield unseen("filesystem", "the system does not say what kind it is")
    elif disk.kind in _VOLATILE:
        text = f"{disk.kind}: stores count as memory and are gone after a restart, which then reads whole changelogs"
        yield thin("filesystem", text, "put data_dir on a disk")
    elif _REMOTE.match(disk.kind):
        text = f"{disk.kind}: locks and syncs of network file systems are slow, and not always kept"
        yield thin("filesystem", text, "put data_dir on a local disk: it is only a cache of the changelog")
    else:
        yield fine("filesystem", disk.kind)


def check_slots(found: list[Slot]) -> Finding:
    """Who uses data_dir, and what nobody uses."""
    total = sum(slot.bytes for slot in found)
    size = f"{total / GIB:.1f} GiB"
    if not found:
        return fine("slots", "no worker has been here")
    if any(slot.held is None for slot in found):
        return unseen("slots", f"{len(found)} directories, {size}; who holds them can't be seen here")
    held = [slot for slot in found if slot.held]
    left = [slot for slot in found if not slot.held]
    text = f"{len(held)} in use, {len(left)} free, {size}"
    if held and sum(slot.bytes for slot in left) > GIB:
        names = ", ".join(slot.name for slot in left)
        return thin("slots", text, f"delete {names} if no more workers are started here: they are caches")
    if len(held) > 1:
        return fine("slots", f"{text}: these workers share the disk, each in a directory of its own")
    return fine("slots", text)


def open_files() -> int | None:
    """How many files this process may open; None without a limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def check_open_files(limit: int | None, partitions: int) -> Finding:
    """Whether one worker could hold all partitions, as the last one that lives has to."""
    needed = partitions * STORE_FILES + OWN_FILES
    if limit is None:
        return fine("open-files", "no limit")
    text = f"{limit:,} allowed; a worker with all {partitions} partitions may need {needed:,}"
    if limit < needed:
        return thin("open-files", text, "raise it for workers: `ulimit -n 65536`, or LimitNOFILE of the service")
    return fine("open-files", text)


def _kind(path: Path) -> str | None:
    """Type of the mount that holds a directory."""
    best, kind = -1, None
    real = path.resolve()
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(_ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), before.split(" ")[4]))
        if real.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split(" ")[0]
    return kind


def _locks() -> frozenset[int] | None:
    """Inodes of files that somebody has locked; None where the system does not say.

    Trying the lock would tell, too; but a worker that starts in this moment would pass its own store by. The device of
    a lock is left aside: some file systems tell another one for it than for the file.
    """
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return frozenset(
        int(line.split()[5].rpartition(":")[2]) for line in lines if " FLOCK " in line and "->" not in line
    )
