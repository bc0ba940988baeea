"""Count the connections of a whole server: how many there are, and how many it has room for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbctl.db.catalog import fetch

if TYPE_CHECKING:
    from dbctl.db.catalog import Connection


@dataclass(frozen=True, slots=True)
class ServerConnections:
    """The clients of a server; `reserved` of the `maximum` are kept from ordinary roles."""

    used: int
    maximum: int
    reserved: int


async def count_connections(connection: Connection) -> ServerConnections:
    """Count every client of the server, that of `connection` included.

    Any role sees the same numbers.
    """
    (counted,) = await fetch(connection, "db", "connections")
    return ServerConnections(**counted)
