"""The learning rate and the speed of each epoch; runs that belong together"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("epoch_metrics", sa.Column("learning_rate", sa.Double(), server_default="0", nullable=False))
    op.add_column("epoch_metrics", sa.Column("images_per_second", sa.Double(), server_default="0", nullable=False))
    op.add_column("runs", sa.Column("series", sa.Integer(), nullable=True))
    op.create_index("ix_runs_series", "runs", ["series"])
