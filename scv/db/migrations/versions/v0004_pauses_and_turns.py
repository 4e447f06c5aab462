"""Runs can be paused; how long each was trained, and when a worker took it last"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("paused", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("runs", sa.Column("trained_seconds", sa.Double(), server_default="0", nullable=False))
    op.add_column("runs", sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True))
