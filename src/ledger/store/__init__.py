"""The event store: envelopes, the SQL recorders, schema versions, the append-only guard.

What lives here: the envelope and its leaf hash, the codec between events and stored bytes, one recorder for SQLite and
one for PostgreSQL on the interface of the ``eventsourcing`` library, and the migrations with the SQL that makes the
database itself refuse to change or remove an event.
May import: ``ledger.aggregates`` (the event vocabulary), ``ledger.clock``, ``ledger.errors``. No projection, no policy.
"""
