"""SQLAlchemy's dialect for asyncpg, which asks the server nothing that dbctl knows.

SQLAlchemy takes ten round trips for the first connection of an engine. What it asks, the connector
has found out in its own one, or the server has said at the login. This overrides what SQLAlchemy
keeps private; checked on 2.0.41 to 2.1.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Connection
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from dbctl.db.connect import Connector, ServerInfo

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import IsolationLevel

_NAME = "dbctl"


class Dialect(PGDialect_asyncpg):
    """The dialect of one engine, whose connections are all opened by `connector`."""

    supports_statement_cache = True
    connector: Connector

    @property
    def _server(self) -> ServerInfo:
        server = self.connector.server
        assert server is not None  # noqa: S101 - SQLAlchemy asks once there is a connection
        return server

    def _get_server_version_info(self, connection: Connection) -> tuple[int, ...]:
        version = _driver(connection).get_server_version()
        return version.major, version.minor

    def _get_default_schema_name(self, _connection: Connection) -> str:
        return self._server.schema  # type: ignore[return-value] # None, where SQLAlchemy has it too

    def get_default_isolation_level(self, _connection: object) -> IsolationLevel:
        """Return the isolation level of the transactions for which none is asked."""
        return cast("IsolationLevel", self._server.isolation)

    def _set_backslash_escapes(self, connection: Connection) -> None:
        said = _driver(connection).get_settings().standard_conforming_strings
        self._backslash_escapes = said == "off"


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def create_engine(connector: Connector, **options: Any) -> AsyncEngine:
    """Return an engine whose connections are opened by `connector`."""
    engine = create_async_engine(f"postgresql+{_NAME}://", async_creator=connector, **options)
    assert isinstance(engine.dialect, Dialect)  # noqa: S101 - named in the URL
    engine.dialect.connector = connector
    return engine


registry.register(f"postgresql.{_NAME}", __name__, Dialect.__name__)
