"""Reconciliation: chunks against records, records against a sink's database, records against somebody's usage file.

It counts for itself and folds nothing, so that a bug of the fold can't hide: pipeline.core is forbidden to this room.
"""
