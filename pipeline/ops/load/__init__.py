"""`streamledger load`: realistic streams of all six types, sent at a pace, each with what must be billed for it.

One generator for everybody who needs streams: the command, `bench` and the chaos rounds. What must come of a request is
known from its making. This room never folds, so that its word is a second one (import-linter holds it): it imports
aiokafka, settings, errors and the sender's first steps of `pipeline.ops.produce`, and nothing of the core.

`manner` says how streams look, `chat`, `answer`, `audio` and `picture` make their pieces, `fate` cuts, loses and
retries, `envelope` turns pieces into chunks; `profile` mixes kinds, `template` encodes them once, `trouble` disturbs
them, `request` and `course` say what goes out when; `feed` and `lines` take it away, `ledger` notes what must be
billed, `flow` runs it all.
"""
