"""Run by Alembic, on the connection that `scv.db.migrate.migrate` hands over."""

from alembic import context

from scv.db.tables import User

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=User.metadata,
    render_as_batch=True,
)
context.run_migrations()
