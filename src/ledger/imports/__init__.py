"""What other systems send us, read and turned into ordinary commands.

What lives here: reading files within limits (``reading``), the shapes of the FHIR R4 resources we take
(``fhir_shapes``), their translation into commands (``fhir`` and its parts: pure, no I/O), and carrying those out, one
transaction a file (``running``).
May import: ``ledger.application``, ``ledger.aggregates``, ``ledger.policies``, and the foundation (clock, errors).
"""
