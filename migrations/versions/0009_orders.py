"""Orders that arrived by FHIR."""

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this step needs."""


def downgrade() -> None:
    """Drop what was made here."""
