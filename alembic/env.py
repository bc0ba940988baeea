"""Run revisions on dbctl's own engine and settings, under `alembic` and `dbctl migrate` alike."""

from alembic import context
from sqlalchemy import Connection

from dbctl.migrate.environment import include_name, target_metadata, with_connection

config = context.config


def run_migrations(connection: Connection | None = None) -> None:
    context.configure(
        connection=connection,
        dialect_name=None if connection else "postgresql",
        literal_binds=connection is None,
        target_metadata=target_metadata(config),
        include_name=include_name,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    run_migrations()
else:
    with_connection(config, run_migrations)
