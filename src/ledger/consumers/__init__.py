"""Reading the log and feeding projections: sources, the runner that keeps places, parking, rebuilds.

What lives here: the one small interface for reading a log and its local implementation; the runner, which commits rows
and place in one transaction; parked charts and their retry; the rebuild beside the live tables.
May import: ``ledger.projections.base`` (what a projection is), ``ledger.store``, the foundation. No single projection.
"""
