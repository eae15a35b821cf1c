"""The proof: one Merkle tree over the log, sealed by signed checkpoints, so that outsiders can check what insiders say.

What lives here: the tree and its proofs (``merkle``, ``edge``), signed notes and checkpoints (``notes``,
``checkpoint``, ``cosignature``), the layout that clients of such logs read (``tiles``, ``export``), the sealer, where
checkpoints go, and the witness, which is another party. ``docs/proof.md`` says what is proved.
May import: ``ledger.kafka``, ``ledger.store`` and the foundation. ``merkle``, ``edge``, ``notes``, ``checkpoint``,
``cosignature``, ``tiles`` and ``trust`` read and write nothing outside themselves.
"""
