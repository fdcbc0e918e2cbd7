"""Runs migrations on the database that `app.schema` hands over; there is no offline mode."""

from alembic import context

config = context.config
database = config.attributes["database"]

with database.begin() as connection:
    context.configure(
        connection=connection,
        target_metadata=config.attributes["metadata"],
        render_as_batch=False,
        compare_type=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()
