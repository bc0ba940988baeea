"""Compare what Alembic does not: CHECK constraints, the whole of an index, and enum types.

The server words an expression in its own way (`BETWEEN` becomes two comparisons), so that it is
asked to word the models' too: on empty temporary copies of the tables, which are rolled back.
"""

import copy
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import batched
from typing import Any

import asyncpg
from sqlalchemy import (
    CheckConstraint,
    Dialect,
    FromClause,
    Index,
    RowMapping,
    Table,
    text,
)
from sqlalchemy.dialects.postgresql.base import PGIdentifierPreparer
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateIndex, sort_tables
from sqlalchemy.sql.compiler import DDLCompiler

from dbctl.db.failures import first_line
from dbctl.db.names import quote
from dbctl.db.qualified import qualified
from dbctl.db.queries import query
from dbctl.errors import OperationFailed
from dbctl.migrate import enums
from dbctl.migrate.results import Difference

# What waits for a lock stands in the way of nobody for longer; a refusal is tried again (`_build`).
_LOCK_TIMEOUT = "200ms"
# How many tables are copied in one transaction: each takes locks, of which a server has not many.
_BATCH = 50
# The longest name in bytes (NAMEDATALEN - 1); the server cuts a longer one off.
_NAME_LENGTH = 63


async def differences(connection: AsyncConnection, models: Sequence[Table]) -> list[Difference]:
    """Compare the CHECK constraints, indexes and enum types of `models` with the database's.

    Only of tables that are there, and of an index only what it is like: whether there is one,
    Alembic tells. What the server refuses to build on a copy is a difference of the kind
    `not_compared`. Takes a connection that is in no transaction and leaves it so, writes nothing
    that stays, and takes no lock above ACCESS SHARE on a table that is not its own. Raises
    OperationFailed where no temporary table can be made.
    """
    async with _undone(connection):
        found = await _enums(connection, models)
        targets = await _targets(connection, models)
    writer = _writer(connection.dialect)
    # Names, of indexes too, are unique within a schema; every copy is made in the same one.
    for schema in dict.fromkeys(target.table.schema for target in targets):
        group = [target for target in targets if target.table.schema == schema]
        for batch in batched(group, _BATCH, strict=False):
            async with _undone(connection):
                found += await _compare(connection, writer, batch)
    return found


@dataclass(frozen=True, slots=True)
class _Target:
    """A table of the models that the database has; `sql` is its name there."""

    table: Table
    oid: int
    sql: str


@dataclass(frozen=True, slots=True)
class _Part:
    """Something to build: a copy, or what the models put on one; `name` is what it will be called.

    `check` is the text of a CHECK constraint, which need not have a name.
    """

    target: _Target
    name: str
    sql: str
    check: str = ""


@asynccontextmanager
async def _undone(connection: AsyncConnection) -> AsyncIterator[None]:
    """Run a transaction that can make temporary tables, and roll it back."""
    async with connection.begin() as transaction:
        session = (await _fetch(connection, "shadow_session", lock_timeout=_LOCK_TIMEOUT))[0]
        if session["standby"] or session["read_only"]:
            why = "a standby" if session["standby"] else "read-only"
            raise OperationFailed(
                f"{session['database']} is {why}: the models cannot be compared there",
                hint="Comparing makes temporary tables, and rolls them back: ask the primary, as a "
                "role that may write.",
            )
        if not session["allowed"]:
            raise OperationFailed(
                f"{session['role']} may not make temporary tables in {session['database']}, "
                "on which the models are compared",
                hint=f"GRANT TEMPORARY ON DATABASE {quote(session['database'])} "
                f"TO {quote(session['role'])};",
            )
        yield
        await transaction.rollback()


async def _enums(connection: AsyncConnection, models: Sequence[Table]) -> list[Difference]:
    declared = enums.declared(sort_tables(models), connection.dialect)
    rows = await _fetch(
        connection,
        "shadow_enums",
        schemas=[enum.schema for enum in declared],
        names=[enum.name for enum in declared],
    )
    labels: dict[int, list[str]] = {row["position"]: row["labels"] for row in rows}
    return [
        difference
        for position, enum in enumerate(declared)
        for difference in enums.compare(enum, labels.get(position))
    ]


async def _targets(connection: AsyncConnection, models: Sequence[Table]) -> list[_Target]:
    tables = sorted(models, key=lambda table: table.fullname)
    rows = await _fetch(
        connection,
        "shadow_tables",
        schemas=[table.schema for table in tables],
        names=[table.name for table in tables],
    )
    return [_Target(tables[row["position"]], row["oid"], row["sql"]) for row in rows]


async def _compare(
    connection: AsyncConnection, writer: DDLCompiler, targets: Sequence[_Target]
) -> list[Difference]:
    """Build the copies of some tables of one schema, and compare them with the tables."""
    refused = await _build(
        connection,
        [
            _Part(target, "", f"CREATE TABLE {_copy_of(target, writer)} (LIKE {target.sql})")
            for target in targets
        ],
    )
    uncopied = {part.target.oid for part in refused}
    copied = [target for target in targets if target.oid not in uncopied]
    parts: list[_Part] = []
    for target in copied:
        items: list[CheckConstraint | Index] = [
            *_checks(target.table, writer),
            *target.table.indexes,
        ]
        for item in items:
            try:
                parts.append(_written(target, item, writer))
            except SQLAlchemyError as error:  # a name too long, a value without a literal form
                unwritten = _Part(target, str(item.name or ""), "")
                refused[unwritten] = first_line(error)
    # The server chooses a name that is free where the models give none.
    parts.sort(key=lambda part: (not part.name, part.name, part.check))
    refused |= await _build(connection, parts)

    oids = [target.oid for target in copied]
    checks = _by_table(await _fetch(connection, "shadow_checks", oids=oids))
    indexes = _by_table(await _fetch(connection, "shadow_indexes", oids=oids))
    found: list[Difference] = []
    for target in targets:
        named = {
            part.name: part in refused
            for part in (*parts, *refused)
            if part.target is target and part.name and (part.check or not part.sql)
        }
        found += _compare_checks(target.table.fullname, named, checks[target.oid])
        found += _compare_indexes(target.table.fullname, indexes[target.oid])
    return found + [
        Difference(
            kind="not_compared",
            table=part.target.table.fullname,
            name=part.name,
            detail=reason if part.name or not part.check else f"{part.check}: {reason}",
        )
        for part, reason in refused.items()
    ]


async def _build(connection: AsyncConnection, parts: Sequence[_Part]) -> dict[_Part, str]:
    """Build `parts` in their order, and return those that the server refused, with its reason.

    All in one go, as nearly always nothing is refused; else in halves, down to what is.
    """
    if not parts:
        return {}
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None  # noqa: S101 - it has run a statement
    try:
        async with connection.begin_nested():
            # A comment at the end of a CHECK would hide a semicolon on its line.
            await driver.execute("\n;".join(part.sql for part in parts))
    except asyncpg.PostgresError as error:
        if len(parts) == 1:
            return {parts[0]: first_line(error)}
        half = len(parts) // 2
        refused = await _build(connection, parts[:half])
        return refused | await _build(connection, parts[half:])
    return {}


def _checks(table: Table, writer: DDLCompiler) -> Iterator[CheckConstraint]:
    """Yield the CHECK constraints that CREATE TABLE would make, those of columns too.

    The private method is what it asks: a type brings some along that PostgreSQL does without.
    """
    for constraints in (table.constraints, *(column.constraints for column in table.columns)):
        for constraint in constraints:
            if isinstance(constraint, CheckConstraint) and constraint._should_create_for_compiler(
                writer
            ):
                yield constraint


def _written(target: _Target, item: CheckConstraint | Index, writer: DDLCompiler) -> _Part:
    """Write what makes `item` on the copy of its table; raises what SQLAlchemy does."""
    quoted = writer.preparer.format_constraint(item) if item.name is not None else None
    name = "".join(writer.preparer.unformat_identifiers(quoted)) if quoted else ""
    name = name.encode()[:_NAME_LENGTH].decode(errors="ignore")
    if isinstance(item, Index):
        return _Part(target, name, writer.process(CreateIndex(item)))
    check = writer.process(item)
    return _Part(target, name, f"ALTER TABLE {_copy_of(target, writer)} ADD {check}", check)


def _compare_checks(
    table: str, named: dict[str, bool], rows: Iterable[RowMapping]
) -> Iterator[Difference]:
    """Compare the CHECK constraints of a table; `named` tells of each name whether it was refused.

    What the models give no name is known by its definition, and only then by the name that the
    server chose.
    """
    modelled = {row["name"]: row for row in rows if row["modelled"]}
    actual = {row["name"]: row for row in rows if not row["modelled"]}

    def difference(kind: str, name: str, detail: str) -> Difference:
        return Difference(kind=kind, table=table, name=name, detail=" ".join(detail.split()))

    def match(model: RowMapping, name: str) -> Iterator[Difference]:
        found = actual.pop(name, None)
        if found is None:
            yield difference("add_constraint", model["name"], model["definition"])
        elif found["exact"] != model["exact"] or (model["valid"] and not found["valid"]):
            detail = f"{found['definition']} → {model['definition']}"
            yield difference("modify_constraint", found["name"], detail)

    for name, refused in named.items():
        if refused:
            actual.pop(name, None)
        elif name in modelled:
            yield from match(modelled.pop(name), name)
    unknown = []
    for model in modelled.values():
        alike = [name for name, row in actual.items() if row["exact"] == model["exact"]]
        if alike:
            yield from match(model, alike[0])
        else:
            unknown.append(model)
    for model in unknown:
        yield from match(model, model["name"])
    for row in actual.values():
        if row["local"]:  # else it is that of a parent, and told there
            yield difference("remove_constraint", row["name"], row["definition"])


def _compare_indexes(table: str, rows: Iterable[RowMapping]) -> Iterator[Difference]:
    for row in rows:
        # Storage parameters are often set by hand; the models count where they name some.
        ours = row["model_parameters"]
        theirs = row["actual_parameters"] if ours else []
        actual = _index(row["actual_head"], theirs, row["actual_predicate"])
        model = _index(row["model_head"], ours, row["model_predicate"])
        if not row["valid"]:
            actual += " INVALID"
        if actual != model:
            yield Difference(
                kind="modify_index", table=table, name=row["name"], detail=f"{actual} → {model}"
            )


def _index(head: str, parameters: Sequence[str], predicate: str) -> str:
    storage = f" WITH ({', '.join(parameters)})" if parameters else ""
    return f"{head}{storage}{predicate}"


class _CopyNames(PGIdentifierPreparer):
    """Write the name of a table as that of its copy."""

    def format_table(
        self,
        table: FromClause,
        use_schema: bool = True,  # noqa: ARG002 - the copy has another
        name: str | None = None,
    ) -> str:
        return f"pg_temp.{super().format_table(table, use_schema=False, name=name)}"


def _writer(dialect: Dialect) -> DDLCompiler:
    """Return a compiler of DDL for the copies; `dialect` knows how this server reads a literal."""
    changed: Any = copy.copy(dialect)
    changed.identifier_preparer = _CopyNames(changed)
    changed._supports_create_index_concurrently = False  # it cannot run in a transaction
    writer: DDLCompiler = changed.ddl_compiler(changed, None)
    return writer


def _copy_of(target: _Target, writer: DDLCompiler) -> str:
    return writer.preparer.format_table(target.table)


def _by_table(rows: Iterable[RowMapping]) -> defaultdict[int, list[RowMapping]]:
    found = defaultdict(list)
    for row in rows:
        found[row["oid"]].append(row)
    return found


async def _fetch(connection: AsyncConnection, name: str, **values: object) -> Sequence[RowMapping]:
    return (
        (await connection.execute(text(qualified(query("migrate", name))), values)).mappings().all()
    )
