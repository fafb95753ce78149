"""Heat maps beside masks and thumbnails, and a set that is a set."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SET = "outcome <> 'set' OR cardinality(classes) >= 2"


def upgrade() -> None:
    """Add the key of the heat map; analyses from before have none. The rights on the table hold for the new column too."""
    op.add_column("analyses", sa.Column("heatmap_key", sa.Text(), nullable=True))
    op.create_check_constraint(op.f("ck_analyses_set"), "analyses", SET)


def downgrade() -> None:
    """Forget where the heat maps are; the objects themselves stay in the store."""
    op.drop_constraint(op.f("ck_analyses_set"), "analyses", type_="check")
    op.drop_column("analyses", "heatmap_key")
