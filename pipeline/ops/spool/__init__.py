"""What publishers keep on disk: look at it, send it, remove it, and take the chunks of some requests out of it.

Owns what a person or `erase` does with a spool; publishers alone write to one. Imports the publisher's spool and the
settings.
"""

from __future__ import annotations

from pipeline.ops.spool import view
from pipeline.ops.spool.kept import Kept, State, folder_of, items, surveyed
from pipeline.ops.spool.removal import Removal, erase, remove
from pipeline.ops.spool.sending import Sent, send

__all__ = ["Kept", "Removal", "Sent", "State", "erase", "folder_of", "items", "remove", "send", "surveyed", "view"]
