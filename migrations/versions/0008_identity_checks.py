"""What in a picture may tell who the patient is, and what a human said about it."""

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this step needs."""


def downgrade() -> None:
    """Drop what was made here."""
