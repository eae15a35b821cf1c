"""Evidence: what the record holds of a chart, a note or a dispute, packed so that a stranger can check and read it.

What lives here: gathering the events and their proofs (``gather``), the report that a person reads (``report``), the
zip (``bundle``), and ``verify_evidence``, one file that goes out with every bundle and imports nothing of ours.
May import: ``ledger.tracing``, ``ledger.proof``, ``ledger.projections``, ``ledger.store`` and the foundation. Nothing
imports it but surfaces.
"""
