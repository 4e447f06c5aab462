"""Long work that is not a training; versions that are being made become tasks"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("subject", sa.String(60), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("fraction", sa.Double(), nullable=True),
        sa.Column("estimate", sa.Double(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("stop_requested", sa.Boolean(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lease_token", sa.String(64), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'stopped')", name="ck_tasks_state"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_tasks_user_id_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_tasks"),
        sqlite_autoincrement=True,
    )
    active = sa.text("state IN ('queued', 'running')")
    op.create_index(
        "uq_tasks_active", "tasks", ["kind", "subject"], unique=True, sqlite_where=active, postgresql_where=active
    )
    op.create_index("ix_tasks_kind_subject", "tasks", ["kind", "subject"])
    op.create_index("ix_tasks_state_lease_until", "tasks", ["state", "lease_until"])
    op.create_index("ix_tasks_user_id", "tasks", ["user_id"])
    op.execute(
        "INSERT INTO tasks (kind, subject, title, arguments, user_id, state, stop_requested, attempt, created_at) "
        "SELECT 'version', v.name, CASE WHEN v.number = 1 THEN d.name ELSE d.name || ' (' || v.number || ')' END, "
        "v.changes, d.user_id, 'queued', false, 1, v.created_at "
        "FROM dataset_versions v JOIN datasets d ON d.id = v.dataset_id WHERE v.status = 'making' ORDER BY v.id"
    )
