"""Corrections of records that are already on the topic: one more revision each, sent exactly once.

Public face of the room for what corrects the past (`reprice`; `replay` where it sends differences). The order of work
is part of the promise:

1. `correcting` fences every other run of the ledger: from here on only this one can send corrections.
2. `standings` says how far the worker has come. By it `Guard` leaves alone what the worker may still revise by itself,
   because two revisions of one number would be two bills under one id; `restless` asks the chunks where it is in doubt.
3. `latest_of` finds the latest revision of each request, also what lies behind open transactions: nothing that 1 or 2
   let pass comes after it. A run that was killed anywhere and is repeated finds here what it had sent.
4. `amended` makes the next revision; `Sender` commits them in batches, the last of them on `flush`.
"""

from pipeline.ops.correction.amendment import alike, altered, amended
from pipeline.ops.correction.guard import Doubt, Guard, Held, Standing
from pipeline.ops.correction.latest import Index, Latest, Stored, latest_of, stored_of
from pipeline.ops.correction.restless import restless
from pipeline.ops.correction.sender import Correction, Sender, correcting
from pipeline.ops.correction.standing import NOWHERE, standings

__all__ = [
    "NOWHERE",
    "Correction",
    "Doubt",
    "Guard",
    "Held",
    "Index",
    "Latest",
    "Sender",
    "Standing",
    "Stored",
    "alike",
    "altered",
    "amended",
    "correcting",
    "latest_of",
    "restless",
    "standings",
    "stored_of",
]
