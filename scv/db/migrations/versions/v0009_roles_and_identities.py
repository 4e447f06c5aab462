"""Roles of users, and the ways in which they sign in"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("users", sa.Column("role", sa.String(16), server_default="member", nullable=False))
    op.execute(
        "UPDATE users SET role = 'owner' WHERE owner "
        "OR id = (SELECT MIN(id) FROM users) AND NOT EXISTS (SELECT 1 FROM users WHERE owner)"
    )
    # No batch: on SQLite that makes the table anew, and dropping the old one would delete all that refers to it.
    op.drop_column("users", "owner")
    op.create_table(
        "identities",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_identities_user_id_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_identities"),
        sa.UniqueConstraint("provider", "subject", name="uq_identities_provider_subject"),
    )
    op.create_index("ix_identities_user_id", "identities", ["user_id"])
    op.execute(
        "INSERT INTO identities (user_id, provider, subject, created_at) "
        "SELECT id, 'link', CAST(id AS VARCHAR(20)), created_at FROM users"
    )
