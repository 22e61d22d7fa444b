"""One partition's rows in RocksDB, with where in its source they stand; all databases of a process share one budget.

The worker's are a cache of the changelogs (`store`), those of an offline fold what its memory has no room for
(`spill`). Imports rocksdict, msgspec and the core's row formats, but not Faust: tools start fast.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

import msgspec
from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
    WriteBufferManager,
    WriteOptions,
)

from pipeline.core.rows import Row
from pipeline.core.segment import hour_prefix
from pipeline.engine.config import MIB
from pipeline.errors import OurFault

META_KEY: Final = b"\0meta"
"""Local only, never in a changelog; sorts before every row."""

CACHE_BYTES: Final = 128 * MIB
"""Blocks, indexes, bloom filters and write buffers of all partitions together."""

BUFFER_BYTES: Final = 64 * MIB
"""Of those at most, write buffers: above it the fullest is written out."""

FLUSH_SECONDS: Final = 300.0
"""A quiet partition is written out so often, so that a restart reads little again."""

BLOOM_BITS: Final = 10
"""Per key, one false positive in a hundred: a new request id is looked up in up to 25 hours of markers."""


class Meta(msgspec.Struct, array_like=True, frozen=True):
    """Where a store stands.

    Attributes:
        format: of the rows, pipeline.core.segment.FORMAT, and of Meta itself.
        lineage: random id of the changelog partition's life, carried by every checkpoint row.
        cluster: Kafka's id of the cluster.
        checkpoint: changelog offset of the last checkpoint row in the store.
        offset: next changelog offset.
        markers: next marker changelog offset.
        saved_at: seconds since the epoch.
    """

    format: int
    lineage: bytes
    cluster: str
    checkpoint: int
    offset: int
    markers: int
    saved_at: float


_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(Meta).decode


class Memory:
    """The budget that all databases of a process share."""

    def __init__(self, cache: int = CACHE_BYTES, buffers: int = BUFFER_BYTES) -> None:
        """Sizes in bytes; write buffers count against the cache."""
        self.put = 0  # bytes handed to all databases since the start
        self._cache = Cache(cache)
        self._buffers = WriteBufferManager.new_write_buffer_manager_with_cache(buffers, False, self._cache)  # noqa: FBT003 (rocksdict takes positions only)

    @property
    def used(self) -> int:
        """Bytes in use by all databases."""
        return self._cache.get_usage()

    def options(self) -> Options:
        """Options of one database."""
        table = BlockBasedOptions()
        table.set_block_cache(self._cache)
        table.set_bloom_filter(BLOOM_BITS, block_based=False)
        table.set_cache_index_and_filter_blocks(v=True)
        table.set_pin_l0_filter_and_index_blocks_in_cache(v=True)
        options = Options(raw_mode=True)
        options.create_if_missing(create_if_missing=True)
        options.set_block_based_table_factory(table)
        options.set_write_buffer_manager(self._buffers)
        options.set_write_buffer_size(16 * MIB)
        options.set_max_write_buffer_number(3)
        options.set_max_open_files(128)
        options.set_compression_type(DBCompressionType.lz4())
        options.set_keep_log_file_num(2)
        options.set_max_log_file_size(MIB)
        options.set_stats_dump_period_sec(0)
        return options


class Database:
    """One partition's rows; implements `pipeline.core.rows.Rows`."""

    def __init__(self, path: Path, memory: Memory, *, logged: bool = False) -> None:
        """Open or create.

        Args:
            path: directory of its files.
            memory: the budget.
            logged: whether writes survive the death of the process by themselves; without it a part of the newest,
                always a tail of whole writes, may be gone.

        Raises:
            OurFault: The files can't be opened.
        """
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = Rdict(str(path), memory.options())
        except Exception as error:
            raise OurFault(f"can't open the store {path}", hint=_first_line(error)) from error
        self._memory = memory
        self._writing = WriteOptions()
        if not logged:
            self._writing.disable_wal = True  # type: ignore[method-assign, assignment]  # the stub calls this attribute a method
        self._flushed = time.monotonic()
        self.meta = _read_meta(self._db.get(META_KEY))

    def get(self, key: bytes) -> bytes | None:
        """Value of a key."""
        return self._db.get(key)

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Rows whose key begins with `prefix`, from `start` on, in key order.

        Bounded above, so that RocksDB does not walk over a neighbour's tombstones to the next living key.
        """
        bounds = ReadOptions()
        bounds.set_iterate_upper_bound(_after(prefix))
        yield from self._db.items(from_key=max(prefix, start), read_opt=bounds)

    def write(
        self,
        rows: Iterable[Row],
        meta: Meta,
        *,
        markers: Iterable[tuple[bytes, bytes]] = (),
        drop_hours: Iterable[int] = (),
        without: AbstractSet[bytes] = frozenset(),
    ) -> None:
        """Apply rows, markers and where the store then stands, all or nothing.

        Args:
            rows: Of the requests changelog; None deletes.
            meta: Where the store stands afterwards.
            markers: Store keys and values.
            drop_hours: Hours whose markers go, before `markers` come.
            without: Keys that are no rows of the store.

        Raises:
            OurFault: The disk does not take it.
        """
        batch = WriteBatch(raw_mode=True)
        for hour in drop_hours:
            batch.delete_range(hour_prefix(hour), hour_prefix(hour + 1))
        put, delete = batch.put, batch.delete
        for key, value in rows:
            if value is None:
                delete(key)
            elif key not in without:
                put(key, value)
        for key, value in markers:
            put(key, value)
        put(META_KEY, _pack(meta))
        self._memory.put += batch.size_in_bytes()
        try:
            self._db.write(batch, self._writing)
            self._flush_sometimes()
        except Exception as error:
            raise OurFault(f"can't write the store {self.path}", hint=_first_line(error)) from error
        self.meta = meta

    def _flush_sometimes(self) -> None:
        now = time.monotonic()
        if now - self._flushed > FLUSH_SECONDS:
            self._flushed = now
            self._db.flush(wait=False)

    def close(self) -> None:
        """Write out what is in memory and let go of the files."""
        self._db.flush()
        self._db.close()


def _read_meta(raw: bytes | None) -> Meta | None:
    """What a store says of itself; a text that can't be read is that of an unknown format."""
    if raw is None:
        return None
    try:
        return _unpack(raw)
    except msgspec.MsgspecError:
        return Meta(-1, b"", "", 0, 0, 0, 0.0)


def _after(prefix: bytes) -> bytes:
    """The first key after all that begin with `prefix`, which is not made of 0xff alone."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1])


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
