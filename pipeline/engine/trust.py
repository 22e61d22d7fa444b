"""Whether a local store may be used after a restart, and from where the changelogs are then read.

Pure decisions: a store is used only if it is provably a prefix of the changelog, otherwise everything is read. Imports
the store's Meta and its format.
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline.core.segment import FORMAT
from pipeline.engine.database import Meta


class Bounds(NamedTuple):
    """First and next offset of a log."""

    begin: int
    end: int


class Start(NamedTuple):
    """Where reading starts; `distrust` says why a store that is there is not used."""

    requests: int
    markers: int
    distrust: str | None


def start_of(meta: Meta | None, *, requests: Bounds, markers: Bounds, cluster: str, now: float, oldest: float) -> Start:
    """Decide by what the store says of itself and where the logs are now.

    Args:
        meta: Of the store; None if it is empty.
        requests: Bounds of the requests changelog.
        markers: Bounds of the marker changelog.
        cluster: Id of the cluster that the logs are on.
        now: Seconds since the epoch.
        oldest: Age in seconds up to which a store has missed no tombstone: half of the changelog's delete.retention.
    """
    if meta is None:
        return Start(requests.begin, markers.begin, None)
    distrust = _distrust(meta, requests, markers, cluster, now - meta.saved_at, oldest)
    if distrust is not None:
        return Start(requests.begin, markers.begin, distrust)
    return Start(meta.checkpoint, max(meta.markers, markers.begin), None)


def _distrust(meta: Meta, requests: Bounds, markers: Bounds, cluster: str, age: float, oldest: float) -> str | None:
    """Why a store is not used; None if nothing speaks against it. Its lineage is compared while reading."""
    reasons = {
        "it has another format": meta.format != FORMAT,
        "it never held a whole checkpoint": not meta.lineage,
        "it belongs to another cluster": meta.cluster != cluster,
        "it stands outside of the changelog": not requests.begin <= meta.checkpoint < meta.offset <= requests.end,
        "it stands after the end of the marker changelog": meta.markers > markers.end,
        "it may have missed tombstones that are gone": age > oldest,
        "it was written in the future": age < 0,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)
