"""Provider streams → chunks: one module per provider format, and the recordings they come in.

May import `schemas`, `pipeline.core` and `pipeline.errors`; nothing is kept between requests.
"""

from pipeline.ingest.format import Format, Part, Stream
from pipeline.ingest.messages import Fault
from pipeline.ingest.providers import PROVIDERS
from pipeline.ingest.recording import INTERVAL_MS, START, chunks_of, refuse

__all__ = ["INTERVAL_MS", "PROVIDERS", "START", "Fault", "Format", "Part", "Stream", "chunks_of", "refuse"]
