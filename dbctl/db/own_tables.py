"""dbctl's own tables: what they are, where they are, and how they are made.

They live in a schema of their own. Earlier versions kept them on the search_path, in the schema of
Alembic's table: such a table is read where it is, and moved with its rows when it is next written.
Everything here takes a synchronous connection of any driver; an `AsyncConnection` calls it by
`run_sync`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import asyncpg
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Connection,
    CursorResult,
    DateTime,
    Executable,
    Float,
    Identity,
    Integer,
    MetaData,
    RowMapping,
    Select,
    Table,
    Text,
    text,
    true,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB, OID
from sqlalchemy.dialects.postgresql.base import PGCompiler
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql import quoted_name
from sqlalchemy.types import TypeEngine

from dbctl.db.failures import connection_loss, driver_error, sqlstate, statement_failed
from dbctl.db.names import literal, quote
from dbctl.db.own_names import LEDGER_TABLE, MARKER_TABLE, SEEDS_TABLE, VERSION_TABLE
from dbctl.db.qualified import qualified
from dbctl.db.queries import inlined, query
from dbctl.db.round_trip import Reader
from dbctl.errors import DbctlError, ErrorCode, OperationFailed

# Serialises the making of any of them: IF NOT EXISTS does not wait for another session.
_KEY = 0x6462_6374_6C03
_LOCK = f"select pg_catalog.pg_advisory_xact_lock({_KEY})"
# What another session's work can end ours with, at an isolation level at which it stays unseen.
_OVERTAKEN = frozenset({"23505", "40001", "42P06", "42P07", "42P01", "42701", "XX000"})
_ATTEMPTS = 4
# env.py may have set a map, and a map refuses names with square brackets.
OPTIONS: dict[str, Any] = {"schema_translate_map": None}
_RAW: dict[str, Any] = {"no_parameters": True}
_PERMISSION_DENIED = "42501"

_Moment = partial(DateTime, timezone=True)


@cache
def ledger_table(schema: str) -> Table:
    """Return the table of who applied which revision from which file.

    Append-only: the newest row of a revision says whether it is applied. `version_schema` and
    `version_table` name the version table that a row belongs to. `sha256` is that of the file, null
    where that was gone and was accepted as such; `actor` is who ran it in that person's own words,
    `dbctl` the version of dbctl.
    """
    return Table(
        LEDGER_TABLE,
        _metadata(schema),
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("revision", Text, nullable=False),
        Column(
            "direction",
            Text,
            CheckConstraint("direction in ('up', 'down', 'stamp', 'repair')"),
            nullable=False,
        ),
        Column("sha256", Text, CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'")),
        Column("started_at", _Moment(), nullable=False),
        Column("seconds", Float(53), nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("role", Text, nullable=False, server_default=text("session_user")),
        Column("host", Text, nullable=False),
        Column("actor", Text),
        Column("dbctl", Text, nullable=False),
        Column("version_schema", Text, nullable=False),
        Column("version_table", Text, nullable=False),
    )


@cache
def seeds_table(schema: str) -> Table:
    """Return the table of what the last run of each kind and name of seeding wrote.

    `sha256` is that of `state` as dbctl writes it.
    """
    now = text("pg_catalog.now()")
    return Table(
        SEEDS_TABLE,
        _metadata(schema),
        Column("kind", Text, primary_key=True),
        Column("name", Text, primary_key=True),
        Column("state", JSONB, nullable=False),
        Column("sha256", Text, CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'"), nullable=False),
        Column("first_run", _Moment(), nullable=False, server_default=now),
        Column("last_run", _Moment(), nullable=False, server_default=now),
        Column("role", Text, nullable=False, server_default=text("session_user")),
        Column("host", Text, nullable=False),
        Column("actor", Text),
        Column("dbctl", Text, nullable=False),
    )


@cache
def marker_table(schema: str) -> Table:
    """Return the table of the one mark that says whether seeds may be written in the database.

    Which database that is, is kept with it, so that a copy elsewhere permits nothing;
    `system_identifier` is null where the role that marked it could not read it.
    """
    return Table(
        MARKER_TABLE,
        _metadata(schema),
        Column(
            "only_one",
            Boolean,
            CheckConstraint("only_one"),
            primary_key=True,
            server_default=true(),
        ),
        Column(
            "verdict",
            Text,
            CheckConstraint("verdict in ('allowed', 'forbidden')"),
            nullable=False,
        ),
        Column("database_oid", OID, nullable=False),
        Column("database_name", Text, nullable=False),
        Column("system_identifier", BigInteger),
        Column("marked_at", _Moment(), nullable=False, server_default=text("pg_catalog.now()")),
        Column("role", Text, nullable=False, server_default=text("session_user")),
        Column("host", Text, nullable=False),
        Column("actor", Text),
        Column("dbctl", Text, nullable=False),
    )


# Columns that earlier versions did not have.
_ADDED = {LEDGER_TABLE: ("version_schema", "version_table")}


@dataclass(frozen=True, slots=True)
class Found:
    """A table of dbctl's in the database: in place, or where an earlier version made it.

    `readable` and `insertable` say what this role may do, `owned` whether it can move the table.
    """

    schema: str
    name: str
    in_place: bool
    readable: bool
    insertable: bool
    owned: bool
    owner: str
    columns: frozenset[str]

    @property
    def sql(self) -> str:
        """The name as SQL."""
        return f"{quote(self.schema)}.{quote(self.name)}"

    @property
    def is_old(self) -> bool:
        """Whether it lacks columns that this version writes."""
        return not self.columns.issuperset(_ADDED.get(self.name, ()))


def find(connection: Connection, table: Table) -> tuple[Found, ...]:
    """Return the tables that hold the rows of `table`, the one in its place first.

    Earlier versions' tables have the columns of `table` and an owner that this role can trust; a
    stranger's table of the name is passed over unless it is in the place of `table`. Reads in the
    transaction of the caller.
    """
    rows = execute(connection, text(qualified(query("db", "own_tables"))), **_sought(table))
    return _found(table, rows.mappings().all())


async def read(reader: Reader, table: Table) -> tuple[Found, ...]:
    """Return what `find` returns."""
    return _found(table, await reader.rows(inlined("db", "own_tables", **_sought(table))))


def _sought(table: Table) -> dict[str, str]:
    return {
        "name": table.name,
        "schema": str(table.schema),
        "usual_version_table": VERSION_TABLE,
    }


def _found(table: Table, rows: Sequence[Mapping[Any, Any]]) -> tuple[Found, ...]:
    found = [
        Found(**dict(row) | {"name": table.name, "columns": frozenset(row["columns"].split(","))})
        for row in rows
    ]
    return tuple(each for each in found if each.in_place or _has_columns(each, table))


def _has_columns(found: Found, table: Table) -> bool:
    """Return whether `found` has what every version of dbctl has given the table."""
    return found.columns >= set(table.columns.keys()) - set(_ADDED.get(table.name, ()))


def is_ready(found: Sequence[Found]) -> bool:
    """Return whether the table is in its place, with every column and every row.

    A mark counts wherever it is: what is left of it elsewhere stays.
    """
    there = found[0] if found and found[0].in_place else None
    alone = len(found) == 1 or (there is not None and there.name == MARKER_TABLE)
    return there is not None and alone and not there.is_old


def make(connection: Connection, table: Table) -> None:
    """Create `table` and its schema unless they are there, in the transaction of the caller.

    A table of an earlier version is moved there. Takes no lock and needs no privilege to create
    where all is in place. Raises OperationFailed with the GRANT that helps where the role may not,
    or may not write to the table; DBAPIError where the server refuses otherwise.
    """
    found = find(connection, table)
    if not is_ready(found):
        run(connection, _LOCK)
        found = find(connection, table)
    if is_ready(found):
        if not found[0].insertable:
            raise _may_not_write(found[0], _Site.read(connection, table))
        return
    site = _Site.read(connection, table)
    site.check(found)
    for statement in site.statements(found):
        run(connection, statement)


async def refusal(reader: Reader, table: Table) -> OperationFailed | None:
    """Return what `make` would raise for the role of the reader, as the catalogue has it, or None.

    Nothing is tried.
    """
    sought = {"schema": str(table.schema), "usual_version_table": VERSION_TABLE}
    found, (row,) = await asyncio.gather(
        read(reader, table), reader.rows(inlined("db", "own_schema", **sought))
    )
    site = _Site(table=table, **row)
    if is_ready(found):
        return None if found[0].insertable else _may_not_write(found[0], site)
    try:
        site.check(found)
    except OperationFailed as error:
        return error
    return None


def ensure(connection: Connection, table: Table) -> None:
    """Do what `make` does in a transaction of its own, and commit it.

    `connection`, which must be in no transaction, is left in none; it may be in autocommit mode.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with transaction(connection):
                make(connection, table)
        except DBAPIError as error:
            if sqlstate(error) not in _OVERTAKEN or attempt == _ATTEMPTS:
                raise failure(error) from error
        else:
            return


def preamble(connection: Connection, table: Table) -> str:
    """Return the SQL with which `ensure` would make the table; empty where there is nothing to do.

    Reads in the transaction of the caller.
    """
    found = find(connection, table)
    if is_ready(found):
        return ""
    statements = _Site.read(connection, table).statements(found)
    return ";\n\n".join(("BEGIN", *statements, "COMMIT"))


@dataclass(frozen=True, slots=True)
class _Site:
    """The schema that a table belongs in, and what this role may do there."""

    table: Table
    database: str
    role: str
    may_create_schema: bool
    exists: bool
    usable: bool
    may_create: bool
    public_usable: bool
    owned: bool
    usual_version_schema: str

    @classmethod
    def read(cls, connection: Connection, table: Table) -> _Site:
        row: RowMapping = (
            execute(
                connection,
                text(qualified(query("db", "own_schema"))),
                schema=str(table.schema),
                usual_version_table=VERSION_TABLE,
            )
            .mappings()
            .one()
        )
        return cls(table=table, **row)

    @property
    def schema(self) -> str:
        return quote(str(self.table.schema))

    @property
    def name(self) -> str:
        return f"{self.schema}.{quote(self.table.name)}"

    @property
    def to_public(self) -> bool:
        """Whether every role has to see the table: what forbids seeds must reach all who write."""
        return self.table.name == MARKER_TABLE

    def statements(self, found: Sequence[Found]) -> Iterator[str]:
        """Yield the SQL that brings the table to its place, in its present form."""
        if not self.exists:
            yield f"CREATE SCHEMA {self.schema}"
        if not self.exists or (self.to_public and self.owned and not self.public_usable):
            # As in the schema public: what a table lets a role do, its own privileges say.
            yield f"GRANT USAGE ON SCHEMA {self.schema} TO PUBLIC"
        place = next((each for each in found if each.in_place), None)
        for each in found:
            if each.in_place:
                yield from self._add_columns(each, self.usual_version_schema)
            elif place is None:
                yield f"ALTER TABLE {each.sql} SET SCHEMA {self.schema}"
                yield from self._add_columns(each, each.schema)
                place = each
            elif not self.to_public:
                yield f"LOCK TABLE {each.sql} IN ACCESS EXCLUSIVE MODE"
                yield self._take_rows(each)
                yield f"DROP TABLE {each.sql}"
        if place is None:
            yield _definition(self.table)
            if self.to_public:
                yield f"GRANT SELECT ON {self.name} TO PUBLIC"

    def _add_columns(self, found: Found, version_schema: str) -> Iterator[str]:
        """Yield what gives an older ledger its columns; its rows are of the usual version table."""
        if found.is_old:
            values = self._of_old_rows(version_schema)
            added = (
                f"ADD COLUMN {quote(name)} text NOT NULL DEFAULT {value}"
                for name, value in values.items()
            )
            yield f"ALTER TABLE {self.name} {', '.join(added)}"
            dropped = (f"ALTER COLUMN {quote(name)} DROP DEFAULT" for name in values)
            yield f"ALTER TABLE {self.name} {', '.join(dropped)}"

    def _take_rows(self, found: Found) -> str:
        """Return the SQL that copies the rows of an older table to the one in its place."""
        columns = [column for column in self.table.columns if column.identity is None]
        values = {column.name: quote(column.name) for column in columns}
        if found.is_old:
            values |= self._of_old_rows(found.schema)
        insert = (
            f"INSERT INTO {self.name} AS present ({', '.join(map(quote, values))}) "  # noqa: S608 - quoted
            f"SELECT {', '.join(values.values())} FROM {found.sql}"
        )
        if self.table.name == LEDGER_TABLE:
            return f"{insert} ORDER BY id"
        keys = [column.name for column in self.table.primary_key]
        rest = [name for name in values if name not in keys]
        updates = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in rest)
        return (
            f"{insert} ON CONFLICT ({', '.join(map(quote, keys))}) DO UPDATE SET {updates} "
            "WHERE excluded.last_run OPERATOR(pg_catalog.>) present.last_run"
        )

    @staticmethod
    def _of_old_rows(version_schema: str) -> dict[str, str]:
        values = (version_schema, VERSION_TABLE)
        return dict(zip(_ADDED[LEDGER_TABLE], map(literal, values), strict=True))

    def check(self, found: Sequence[Found]) -> None:
        """Raise OperationFailed where this role may not run `statements`, with what would help.

        So it does where a table that dbctl has not made is in the place of its own.
        """
        place = next((each for each in found if each.in_place), None)
        if place is not None and not _has_columns(place, self.table):
            raise OperationFailed(
                f"the table {self.name} is not dbctl's: it has other columns",
                hint="Rename it, or name another schema for dbctl's own tables: `schema` under "
                "[tool.dbctl], or DBCTL_SCHEMA.",
            )
        moved = [each for each in found if not each.in_place and not (place and self.to_public)]
        altered = [*moved, *([place] if place and place.is_old else ())]
        stuck = next((each for each in altered if not each.owned), None)
        if not self.exists and not self.may_create_schema:
            raise self._denied(
                f"may not create the schema {self.schema} in the database {quote(self.database)}",
                f"GRANT CREATE ON DATABASE {quote(self.database)} TO {quote(self.role)};",
            )
        if self.exists and not (self.usable and (self.may_create or (place and not moved))):
            raise self._denied(
                f"may not create a table in the schema {self.schema}",
                f"GRANT USAGE, CREATE ON SCHEMA {self.schema} TO {quote(self.role)};",
            )
        if stuck is not None:
            statements = "; ".join(self.statements(found))
            raise OperationFailed(
                f"{stuck.sql} is of an earlier version of dbctl, and only its owner, "
                f"{quote(stuck.owner)}, can bring it to {self.name}",
                hint=f"Have dbctl write once as its owner, or run there: {statements};",
                code=ErrorCode.QUERY_FAILED,
            )

    def _denied(self, message: str, grant: str) -> OperationFailed:
        return OperationFailed(
            f"dbctl's own table {self.table.name} cannot be made: the role {quote(self.role)} "
            f"{message}",
            hint=f"Run `{grant}` as the owner, or name a schema that this role may use: "
            "`schema` under [tool.dbctl], or DBCTL_SCHEMA.",
            code=ErrorCode.QUERY_FAILED,
        )


def _may_not_write(found: Found, site: _Site) -> OperationFailed:
    grants = []
    if not site.usable:
        grants.append(f"GRANT USAGE ON SCHEMA {site.schema} TO {quote(site.role)};")
    grants.append(f"GRANT {_privileges(found.name)} ON {site.name} TO {quote(site.role)};")
    return OperationFailed(
        f"dbctl's own table {site.name} cannot be written by role {quote(site.role)}",
        hint=f"Run `{' '.join(grants)}` as the owner, or name another schema: `schema` under "
        "[tool.dbctl], or DBCTL_SCHEMA.",
        code=ErrorCode.QUERY_FAILED,
    )


def _privileges(name: str) -> str:
    return {
        LEDGER_TABLE: "SELECT, INSERT",
        SEEDS_TABLE: "SELECT, INSERT, UPDATE",
        MARKER_TABLE: "SELECT, INSERT, DELETE",
    }[name]


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Run a transaction on a connection that is in none, also where it is in autocommit mode."""
    if not in_autocommit(connection):
        with connection.begin():
            yield
        return
    try:
        run(connection, "BEGIN")
        try:
            yield
        except BaseException:
            run(connection, "ROLLBACK")
            raise
        run(connection, "COMMIT")
    finally:
        connection.rollback()  # SQLAlchemy's, which the server does not hear of


def in_autocommit(connection: Connection) -> bool:
    """Return whether each statement is a transaction of its own, whoever has set that."""
    return bool(getattr(connection.connection.dbapi_connection, "autocommit", False))


def run(connection: Connection, statement: str) -> None:
    """Run SQL as it is, whatever the driver takes a percent sign or a colon for."""
    connection.exec_driver_sql(statement, execution_options=_RAW)


def execute(
    connection: Connection, statement: Executable, /, **parameters: Any
) -> CursorResult[Any]:
    """Run a statement of SQLAlchemy's whose names are not translated."""
    return connection.execute(statement, parameters, execution_options=OPTIONS)


def equal(left: ColumnElement[Any], right: object) -> ColumnElement[bool]:
    """Return the condition that two texts are equal.

    The server has no `text = varchar`, as which drivers send a text: it would look for one on the
    search_path, where another role may have made it.
    """
    return left.bool_op("OPERATOR(pg_catalog.=)")(right)


def failure(error: DBAPIError) -> DbctlError:
    """Describe the error of a statement of dbctl's own, whichever driver raised it."""
    driver = driver_error(error)
    if isinstance(driver, asyncpg.PostgresError) or connection_loss(error) is not None:
        return statement_failed(error)
    state = sqlstate(error)
    said = f" (SQLSTATE {state})" if state else ""
    hint = "Grant the privilege to this role, or connect as the owner."
    return OperationFailed(
        f"{_message(driver)}{said}",
        hint=hint if state == _PERMISSION_DENIED else "`-v` shows the statement.",
        code=ErrorCode.QUERY_FAILED if state else None,
    )


def _message(driver: BaseException) -> str:
    """Return the first line of what the server says."""
    said = driver.args[0] if driver.args else ""
    primary = said.get("M") if isinstance(said, dict) else None  # pg8000
    lines = str(primary or driver).strip().splitlines()
    return lines[0] if lines else type(driver).__name__


def encodable(value: str | None) -> str | None:
    """Return text of a command line, which need not be Unicode, as text that the server takes."""
    return None if value is None else value.encode("utf-8", "backslashreplace").decode()


def inline(statement: Select[Any]) -> str:
    """Return a SELECT with its parameters in it, for where none can be sent beside it."""
    compiled = statement.compile(dialect=_INLINE, compile_kwargs={"literal_binds": True})
    return str(compiled)


class _InlineCompiler(PGCompiler):
    def render_literal_value(self, value: Any, type_: TypeEngine[Any]) -> str:
        """Write a text as dbctl does, which holds whatever the server takes a backslash for."""
        if isinstance(value, str):
            return literal(value)
        return str(super().render_literal_value(value, type_))  # type: ignore[no-untyped-call]


# Of this paramstyle, a percent sign stays one.
_INLINE: Dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
_INLINE.statement_compiler = _InlineCompiler


def _metadata(schema: str) -> MetaData:
    return MetaData(schema=quoted_name(schema, quote=True))


def _definition(table: Table) -> str:
    # Of this paramstyle, a percent sign in a name stays one.
    dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
    return str(CreateTable(table).compile(dialect=dialect)).strip()
