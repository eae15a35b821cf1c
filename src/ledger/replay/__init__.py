"""Replay: a chart as it stood, folded afresh from its own recorded events.

What lives here: the chart's state (``state``), the pure fold that makes it (``chart``, ``notes``, ``plans``), the check
of every event as it is read (``verified``), the view as of a service date (``effective``), and the difference between
two moments (``diff``).
A replay reads the store and nothing else, so it can be set beside any projection.
May import: ``ledger.aggregates`` (events, and what a signature is bound to), ``ledger.store``, ``ledger.grants``,
``ledger.projections.base`` and the foundation. No application, no surface.
"""
