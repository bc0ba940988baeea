"""What `inspect pool` finds out."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from dbctl.inspect.database.results.parts import Part
from dbctl.results import Result


class Pool(Part):
    """The connection pool of this process; counts of connections, `recycle` in seconds."""

    size: int
    max_overflow: int
    checked_in: int
    checked_out: int
    overflow: int
    recycle: int


class Server(Part):
    """The server at the other end; `tls` is None in plaintext, `pooled` means behind a pooler."""

    host: str
    database: str
    user: str
    version: str
    tls: str | None
    pooled: bool


class Connections(Part):
    """The clients of the whole server; `reserved` of the `maximum` are not for everybody."""

    used: int
    maximum: int
    reserved: int


class PoolResult(Result):
    """The pool of this process, and the server that it leads to, at `read_at`."""

    read_at: datetime
    pool: Pool
    server: Server
    connections: Connections

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one flat row: `pool_size`, `server_host`, `connections_used`, …"""
        parts = self.model_dump(mode="json", exclude={"read_at"})
        return [{f"{part}_{name}": parts[part][name] for part in parts for name in parts[part]}]
