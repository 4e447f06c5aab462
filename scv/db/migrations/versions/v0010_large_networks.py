"""PostgreSQL: a network may have more parameters than 32 bits count; SQLite's integers have 64 bits anyway"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("runs", "parameters", type_=sa.BigInteger())
