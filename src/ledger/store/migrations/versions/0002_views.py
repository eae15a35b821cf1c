"""The views' bookkeeping: which generation is live, where each stands, what it did with each event, what is parked."""

from importlib import resources

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run this revision's SQL file for the database at hand; tables that an earlier release made at start stay."""
    name = f"0002_views.{op.get_bind().dialect.name}.sql"
    statements = resources.files("ledger.store").joinpath("sql", name).read_text(encoding="utf-8")
    # The driver's own cursor: SQLAlchemy would have it read the per cent signs of RAISE as placeholders.
    cursor = op.get_bind().connection.cursor()
    for statement in statements.split("--;;"):
        cursor.execute(statement)
    cursor.close()
