"""The pure fold: admission, closing, accumulation and records.  No I/O, no clock, no framework."""
