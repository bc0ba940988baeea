"""Count the connections of a whole server: how many there are, and how many it has room for."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.queries import query


@dataclass(frozen=True, slots=True)
class ServerConnections:
    """The clients of a server; `reserved` of the `maximum` are kept from ordinary roles."""

    used: int
    maximum: int
    reserved: int


async def count_connections(connection: AsyncConnection) -> ServerConnections:
    """Count every client of the server, that of `connection` included.

    Any role sees the same numbers.
    """
    used, maximum, reserved = (await connection.execute(text(query("db", "connections")))).one()
    return ServerConnections(used, maximum, reserved)
