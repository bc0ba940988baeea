"""What one run of env.py says about the databases that it migrates."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection

from dbctl import redaction
from dbctl.db import drivers
from dbctl.db.names import literal, quote
from dbctl.db.own_names import VERSION_TABLE
from dbctl.sqltokens import Kind, tokenize

_PLACE = (
    "select pg_catalog.pg_backend_pid(), pg_catalog.current_database()::pg_catalog.text,"
    " pg_catalog.current_schema()::pg_catalog.text,"
    " (select n.nspname::pg_catalog.text from pg_catalog.pg_class c"
    " join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace"
    " where c.oid operator(pg_catalog.=) pg_catalog.to_regclass({table})::pg_catalog.oid),"
    " current_user::pg_catalog.text, pg_catalog.current_setting('search_path'),"
    " pg_catalog.current_setting('TimeZone')"
)


@dataclass(frozen=True, slots=True)
class EnvRecord:
    """One call of `context.configure`: where env.py connects, and where the version lives.

    `url` is that of its engine and may hold a password; `label` names the same place for people.
    `version_schema` is the schema that the version table is in or, where it is not `found`, will be
    created in, unless env.py makes another one first. `direct` is True where no pooler stands
    between; False says nothing. `search_path` names the schemas in which a revision's names are
    looked for, `time_zone` is the TimeZone and `role` the one in force; all of them are empty where
    they are those of any session.
    """

    url: str
    label: str
    driver: str
    database: str
    version_table: str
    version_schema: str | None
    found: bool
    direct: bool
    search_path: tuple[str, ...] = field(default=(), compare=False)
    time_zone: str = field(default="", compare=False)
    role: str = field(default="", compare=False)

    def is_alike(self, other: EnvRecord) -> bool:
        """Return whether `other` may be the same place in another run of env.py.

        The URL may differ, where env.py makes a new password each time, and so may the schema of a
        version table that is not there yet.
        """
        return (self.database, self.version_table) == (other.database, other.version_table) and (
            self.version_schema == other.version_schema or not (self.found and other.found)
        )

    @property
    def version_label(self) -> str:
        """The version table for people."""
        schema = f"{self.version_schema}." if self.version_schema else ""
        return f"{schema}{self.version_table}"


class Matching[T]:
    """Find in a run of env.py what an earlier run has found out, by the records of both.

    The same version table comes before one that may be it, and among those one that was not yet
    claimed in this run: two schemas that are yet to be made are told apart by their order alone.
    """

    def __init__(self, known: Iterable[tuple[EnvRecord, T]]) -> None:
        self._known = tuple(known)
        self._claimed: list[T] = []

    def candidates(self, record: EnvRecord) -> list[T]:
        """Return what may be meant by `record`, the likeliest first."""
        alike = [(known, value) for known, value in self._known if known.is_alike(record)]
        same = [(k, value) for k, value in alike if k.version_schema == record.version_schema]
        at_once = [(known, value) for known, value in same if known.url == record.url]
        found = [value for _known, value in at_once or same or alike]
        return sorted(found, key=lambda value: value in self._claimed)

    def claim(self, value: T) -> None:
        """Note that this run of env.py has come to `value`."""
        self._claimed.append(value)

    def find(self, record: EnvRecord | None) -> T | None:
        """Return and claim what is meant by `record`."""
        found = next(iter(self.candidates(record)), None) if record is not None else None
        if found is not None:
            self.claim(found)
        return found


def record_of(
    connection: Connection, options: dict[str, object], made: Collection[str] = ()
) -> EnvRecord:
    """Return what `context.configure(connection, **options)` says, as if there were schemas `made`.

    Asks on the connection, whose search_path and role env.py may have changed, and leaves it as it
    was.
    """
    table = str(options.get("version_table") or VERSION_TABLE)
    given = options.get("version_table_schema")
    mapped = connection.get_execution_options().get("schema_translate_map") or {}
    schema = mapped.get(given, given)
    qualified = quote(table) if schema is None else f"{quote(str(schema))}.{quote(table)}"
    with drivers.aside(connection):
        place = drivers.query(connection, _PLACE.format(table=literal(qualified)))
    pid, database, current, found, role, path, zone = place
    if schema is None:
        schema = found or _first_in(path, role, current, made)
    url = drivers.url_of(connection)
    redaction.remember_url(url)
    return EnvRecord(
        url=url,
        label=f"{_servers(connection)}/{database}",
        driver=drivers.driver_name(connection),
        database=database,
        version_table=table,
        version_schema=None if schema is None else str(schema),
        found=found is not None,
        direct=drivers.login_pid(connection) == pid,
        search_path=tuple(_schemas(path, role)),
        time_zone=zone,
        role=role,
    )


def _first_in(path: str, role: str, current: str | None, made: Collection[str]) -> str | None:
    """Return where on a search_path a table would be created, if the schemas `made` existed."""
    for name in _schemas(path, role):
        if name == current or name in made:
            return name
    return current


def _schemas(path: str, role: str) -> Iterator[str]:
    """Yield the schemas of a search_path, which need not be there."""
    for token in tokenize(path):
        if token.kind is not Kind.SYMBOL:
            yield role if token.text == "$user" else token.text


def _servers(connection: Connection) -> str:
    """Return what the URL says, or the driver where that leaves it to it or to a `creator`."""
    url = connection.engine.url
    host = url.host or url.query.get("host")
    if host is None:
        return drivers.address(connection) or "localhost:5432"
    if not isinstance(host, str):
        return ",".join(host)
    return f"{host}:{url.port or url.query.get('port') or 5432}"
