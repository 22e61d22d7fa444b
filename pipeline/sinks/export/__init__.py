"""Records in the formats of others: CloudEvents for metering, FOCUS for cost reports, OTLP logs for observability.

A record becomes an entry (`entry`), which a reader may add up; a format (`cloudevent`, `focus`, `otlp`) writes entries
down; a source (`source`) hands out what was recorded, and a courier (`courier`) brings it to an address and keeps what
was refused. Imports schemas, core, pricing, topics, settings and errors; the library of each format where it is used.
"""
