"""What the env.py that ships needs of dbctl: its metadata, and a connection of its own."""

import asyncio
from collections.abc import Callable, Mapping

from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData

from dbctl.db.endpoints import resolve
from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.own_names import OWN_TABLES
from dbctl.errors import DbctlError
from dbctl.migrate.project_models import ModelsWithoutTable, imported_models
from dbctl.output import notice
from dbctl.settings import Settings, load_settings


def target_metadata(config: Config) -> MetaData | list[MetaData]:
    """Return the metadata of the models that DBCTL_MODELS names, or of the example.

    Raises Alembic's CommandError, which its own command line prints. Models without a table are
    refused by `alembic` alone, whose autogenerate would drop every table; dbctl compares by itself.
    """
    try:
        return imported_models(_settings(config)).target
    except ModelsWithoutTable as error:
        if "settings" in config.attributes:
            return MetaData()
        raise _refusal(error) from error
    except DbctlError as error:
        raise _refusal(error) from error


def include_name(
    name: str | None,
    type_: str,
    parent_names: Mapping[str, str | None],  # noqa: ARG001
) -> bool:
    """Leave dbctl's own tables out of what Alembic compares: no model has them; it would drop them.

    The signature is that of `include_name` in `EnvironmentContext.configure`.
    """
    return type_ != "table" or name not in OWN_TABLES


def with_connection(config: Config, migrate: Callable[[Connection], None]) -> None:
    """Run `migrate` on a direct connection without a pool, in an event loop of its own.

    Raises Alembic's CommandError, which its own command line prints.
    """
    settings = _settings(config)
    on_notice = config.attributes.get("on_notice", notice)

    async def work() -> None:
        manager = DatabaseSessionManager.from_settings(
            settings, endpoint, pooling=False, on_wait=on_notice
        )
        try:
            async with manager.engine.connect() as connection:
                await connection.run_sync(migrate)
        finally:
            manager.terminate()

    try:
        endpoint = resolve(settings, on_notice).migrations
        asyncio.run(work())
    except DbctlError as error:
        raise _refusal(error) from error


def _settings(config: Config) -> Settings:
    settings = config.attributes.get("settings")
    return settings if isinstance(settings, Settings) else load_settings()


def _refusal(error: DbctlError) -> CommandError:
    return CommandError(f"{error.message}\n{error.hint or ''}".rstrip())
