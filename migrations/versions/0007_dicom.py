"""The DICOM instances that were received and made."""

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this step needs."""


def downgrade() -> None:
    """Drop what was made here."""
