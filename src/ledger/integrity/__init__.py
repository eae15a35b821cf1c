"""Checking the record against itself and against what was sealed of it.

Hashes, the gapless order, what every projection did with every event; tiles, checkpoints, and what others have.

May import: ``ledger.proof``, ``ledger.store``, ``ledger.consumers``, ``ledger.projections.base`` and the foundation.
"""
