"""The engine: everything that touches Faust, transactions and the local store.

The argument, why a record is sent exactly once whatever dies (keep it true; everything below serves one of its points):

1. State, output and source position of a partition change only in transactions of one `transactional.id`, which is
   `<ledger>-<topic>-<partition>` (`checkpoint`).
2. An owner first runs InitProducerId, which fences the old owner and finishes its transaction, and only then reads the
   changelogs read_committed, up to a row that it wrote itself (`restore`). From then on no older epoch can add
   anything: what it read is the final state.
3. The source position comes from the checkpoint row in the changelog, never from the consumer group. The group's offset
   goes along in the transaction for lag tools; a difference is reported.
4. Records are taken as an unbroken, numbered chain from that position (`delivery`), and a snapshot is taken without an
   await (`pipeline.core.partition`).

Group membership only decides who tries; the producer epoch decides who may.

The local store is a cache of the changelog (`store`): written after the commit, trusted after a restart only if it is
provably a prefix of the log, else wiped and rebuilt.

Each function that replaces one of Faust or leans on the inside of aiokafka says so where it stands, with the reason;
tests/unit/engine/test_hooks.py fails when an upgrade changes one of them. Imports Faust, mode, aiokafka and
rocksdict, `schemas.topics`, `pipeline.core`, `pipeline.settings`, `pipeline.log` and `pipeline.errors`.
"""

from __future__ import annotations

__all__: list[str] = []
