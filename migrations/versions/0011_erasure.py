"""Erasure with its receipt, retention and consent."""

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this step needs."""


def downgrade() -> None:
    """Drop what was made here."""
