"""Commands in, events out; and the one door through which charts are read.

What lives here: carrying out a command (load, decide, append), batches of them, the reading of commands and questions
from what people and other systems send, and the grant that every read of a chart needs.
May import: ``ledger.aggregates``, ``ledger.policies``, ``ledger.store``, and the foundation (clock, errors, grants).
"""
