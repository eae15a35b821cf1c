"""The views: one file each, with its row, how each event changes a row, and its queries.

What lives here: ``base`` (what a projection is), and one file a view. A projection is a fold over rows: pure functions
``(row, event) → row``; the runner in ``ledger.consumers`` reads, folds and writes in batches (design §6.1).
May import: ``ledger.aggregates`` (event definitions), ``ledger.policies``, ``ledger.store.envelope``,
``ledger.grants`` and the foundation. Not the application: queries over charts take a ``Grant``.
"""
