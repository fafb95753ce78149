"""Portals that only try the interface."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A portal says whether it is a sandbox; the worker, which answers it from a script, may know."""
    op.add_column("tenants", sa.Column("sandbox", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute("GRANT SELECT (sandbox) ON tenants TO dermatrail_worker")


def downgrade() -> None:
    """Forget which portals were sandboxes: their cases are then everybody's work."""
    op.execute("REVOKE SELECT (sandbox) ON tenants FROM dermatrail_worker")
    op.drop_column("tenants", "sandbox")
