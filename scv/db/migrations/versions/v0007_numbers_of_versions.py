"""The highest number that a version of a dataset has had: it is never given again"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("datasets", sa.Column("last_number", sa.Integer(), server_default="0", nullable=False))
    op.execute(
        "UPDATE datasets SET last_number = COALESCE("
        "(SELECT MAX(number) FROM dataset_versions WHERE dataset_versions.dataset_id = datasets.id), 0)"
    )
