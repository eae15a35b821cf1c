"""ledger: an event-sourced, audit-grade record service for community behavioural health.

Data goes one way: command → aggregate → store → log → consumer → projection → query.
``docs/architecture.md`` has the picture; each folder's docstring says what lives there and what it may import.
"""
