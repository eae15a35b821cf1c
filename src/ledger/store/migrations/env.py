"""Alembic's entry: run the migrations on the engine that was handed in, in one transaction."""

from alembic import context

engine = context.config.attributes["engine"]
with engine.execution_options(ledger_write=True).begin() as connection:
    if connection.dialect.name == "postgresql":
        # Several processes may start at once; one migrates, the others find it done.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(1818583911)")
    context.configure(connection=connection, transactional_ddl=False)
    context.run_migrations()
