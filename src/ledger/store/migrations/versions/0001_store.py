"""The event store: events, their order, and the guard that keeps both append-only."""

from importlib import resources

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run this revision's SQL file for the database at hand; there is no way down: nothing recorded is removed."""
    name = f"0001_store.{op.get_bind().dialect.name}.sql"
    statements = resources.files("ledger.store").joinpath("sql", name).read_text(encoding="utf-8")
    # The driver's own cursor: SQLAlchemy would have it read the per cent signs of RAISE as placeholders.
    cursor = op.get_bind().connection.cursor()
    for statement in statements.split("--;;"):
        cursor.execute(statement)
    cursor.close()
