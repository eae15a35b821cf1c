"""Checking the record against itself: hashes, the gapless order, and what every projection did with every event.

May import: ``ledger.store``, ``ledger.consumers``, ``ledger.projections.base`` and the foundation.
"""
