-- Who may do what with the tables of the record: run as ledger_owner after every `ledger migrate` (see roles.sql).

GRANT SELECT ON events, log_order, log, alembic_version
    TO ledger_writer, ledger_relay, ledger_sealer, ledger_projector, ledger_reader;

-- The sealed tree: whoever reads the log may check it.
GRANT SELECT ON checkpoints, tiles, cosignatures, timestamps, deliveries
    TO ledger_writer, ledger_relay, ledger_sealer, ledger_projector, ledger_reader;

-- Column by column: the transaction's id, its era and the ticket are the database's to set, never a writer's.
GRANT INSERT (stream_id, version, type, payload, schema_version, key, chart_id, occurred_at, occurred_offset,
              written_at, actor, role, credential, purpose, command_id, command_index, command_digest,
              correlation_id, causation_id)
    ON events TO ledger_writer;

GRANT INSERT ON log_order TO ledger_relay;

-- `ledger seal` adds, and changes nothing. What gives an event its place may not also vouch for it: the relay's
-- role could at first.
GRANT INSERT ON checkpoints, tiles, cosignatures, timestamps, deliveries TO ledger_sealer;
REVOKE INSERT ON checkpoints, tiles, cosignatures, timestamps, deliveries FROM ledger_relay;
