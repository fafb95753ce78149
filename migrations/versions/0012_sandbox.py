"""Portals that only try the interface."""

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this step needs."""


def downgrade() -> None:
    """Drop what was made here."""
