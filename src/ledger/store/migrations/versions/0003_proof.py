"""The sealed tree: checkpoints, tiles, cosignatures, timestamps, deliveries; all append-only."""

from importlib import resources

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Run this revision's SQL file for the database at hand; there is no way down: nothing sealed is removed."""
    name = f"0003_proof.{op.get_bind().dialect.name}.sql"
    statements = resources.files("ledger.store").joinpath("sql", name).read_text(encoding="utf-8")
    # The driver's own cursor: SQLAlchemy would have it read the per cent signs of RAISE as placeholders.
    cursor = op.get_bind().connection.cursor()
    for statement in statements.split("--;;"):
        cursor.execute(statement)
    cursor.close()
