"""Make the copies, put the models' parts on them, and compare them with the tables."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import batched

from sqlalchemy import RowMapping, Table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateIndex, sort_tables
from sqlalchemy.sql.compiler import DDLCompiler

from dbctl.db.failures import first_line
from dbctl.db.names import quote
from dbctl.errors import OperationFailed
from dbctl.migrate import enums
from dbctl.migrate.results import Difference
from dbctl.migrate.shadow.columns import column_parts, compare_columns
from dbctl.migrate.shadow.constraints import (
    compare_constraints,
    compare_foreign_keys,
    constraint_parts,
)
from dbctl.migrate.shadow.parts import (
    Part,
    Settled,
    Sort,
    Target,
    build,
    by_table,
    copy_of,
    fetch,
    name_of,
    writer_for,
)
from dbctl.migrate.shadow.storage import (
    compare_domains,
    compare_sequences,
    compare_storage,
    storage_parts,
)

# What waits for a lock stands in the way of nobody for longer; a refusal is tried again (`build`).
_LOCK_TIMEOUT = "200ms"
# How many tables are copied in one transaction: each takes locks, of which a server has not many.
_BATCH = 50


async def differences(
    connection: AsyncConnection, models: Sequence[Table], settled: Settled | None = None
) -> list[Difference]:
    """Compare what the models and the database have, as the server words it.

    That is, of the tables that are there: where the values of columns come from, collations,
    constraints, what indexes are like and how the table is stored; and enum types, domains and
    sequences. Whether there is a column, an index, a UNIQUE constraint or a foreign key, Alembic
    reports; what was found on both sides is added to `settled`. What the server refuses to build on
    a copy is a difference of the kind `not_compared`. Takes a connection that is in no transaction
    and leaves it so, writes nothing that stays, and takes no lock above ACCESS SHARE on a table
    that is not its own. Raises OperationFailed where no temporary table can be made.
    """
    settled = set() if settled is None else settled
    writer = writer_for(connection.dialect)
    async with _undone(connection):
        found = await _enums(connection, models)
        found += await compare_sequences(connection, models)
        found += await compare_domains(connection, models, writer)
        targets = await _targets(connection, models)
    # Names, of indexes too, are unique within a schema; every copy is made in the same one.
    for schema in dict.fromkeys(target.table.schema for target in targets):
        group = [target for target in targets if target.table.schema == schema]
        for batch in batched(group, _BATCH, strict=False):
            async with _undone(connection):
                found += await _compare(connection, writer, batch, settled)
    return found


@asynccontextmanager
async def _undone(connection: AsyncConnection) -> AsyncIterator[None]:
    """Run a transaction that can make temporary tables, and roll it back."""
    async with connection.begin() as transaction:
        session = (await fetch(connection, "shadow_session", lock_timeout=_LOCK_TIMEOUT))[0]
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
    rows = await fetch(
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


async def _targets(connection: AsyncConnection, models: Sequence[Table]) -> list[Target]:
    tables = sorted(models, key=lambda table: table.fullname)
    rows = await fetch(
        connection,
        "shadow_tables",
        schemas=[table.schema for table in tables],
        names=[table.name for table in tables],
    )
    return [Target(tables[row["position"]], row["oid"], row["sql"]) for row in rows]


async def _compare(
    connection: AsyncConnection, writer: DDLCompiler, targets: Sequence[Target], settled: Settled
) -> list[Difference]:
    """Build the copies of some tables of one schema, and compare them with the tables."""
    refused = await build(
        connection,
        [
            Part(
                target, Sort.COPY, "", f"CREATE TABLE {copy_of(target, writer)} (LIKE {target.sql})"
            )
            for target in targets
        ],
    )
    uncopied = {part.target.oid for part in refused}
    copied = [target for target in targets if target.oid not in uncopied]
    oids = [target.oid for target in copied]
    columns = by_table(await fetch(connection, "shadow_columns", oids=oids))
    sources: list[Part] = []
    objects: list[Part] = []
    for target in copied:
        real = [row for row in columns[target.oid] if not row["modelled"]]
        for parts, written in (
            (sources, column_parts(target, real, writer)),
            (sources, storage_parts(target, writer)),
            (objects, constraint_parts(target, writer)),
            (objects, _index_parts(target, writer)),
        ):
            for part, reason in written:
                if reason:
                    refused[part] = reason
                else:
                    parts.append(part)
    # The server chooses a name that is free where the models give none.
    objects.sort(key=lambda part: (not part.name, part.name, part.text))
    refused |= await build(connection, sources)
    refused |= await build(connection, objects)

    columns = by_table(await fetch(connection, "shadow_columns", oids=oids))
    constraints = by_table(await fetch(connection, "shadow_constraints", oids=oids))
    keys = by_table(await fetch(connection, "shadow_foreign_keys", oids=oids))
    indexes = by_table(await fetch(connection, "shadow_indexes", oids=oids))
    storage = {row["oid"]: row for row in await fetch(connection, "shadow_storage", oids=oids)}
    found: list[Difference] = []
    for target in copied:

        def names(sort: Sort, target: Target = target) -> frozenset[str]:
            own = (part for part in refused if part.target is target)
            return frozenset(part.name for part in own if part.sort is sort)

        named = {
            part.name: part in refused
            for part in (*objects, *refused)
            if part.target is target and part.sort is Sort.CONSTRAINT and part.name
        }
        found += compare_columns(target, columns[target.oid], names(Sort.COLUMN), writer)
        found += compare_constraints(target, named, constraints[target.oid], settled)
        found += compare_foreign_keys(target, keys[target.oid], writer)
        found += _compare_indexes(target, indexes[target.oid], settled)
        found += compare_storage(target, storage[target.oid], names(Sort.STORAGE))
    return found + [part.not_compared(reason) for part, reason in refused.items()]


def _index_parts(target: Target, writer: DDLCompiler) -> Iterator[tuple[Part, str]]:
    """Yield what puts the indexes of the models on a copy, and "" or why it cannot."""
    for index in target.table.indexes:
        try:
            name, sql = name_of(index, writer), writer.process(CreateIndex(index))
        except SQLAlchemyError as error:  # a name too long, a value without a literal form
            yield Part(target, Sort.INDEX, str(index.name or ""), ""), first_line(error)
        else:
            yield Part(target, Sort.INDEX, name, sql), ""


def _compare_indexes(
    target: Target, rows: Iterable[RowMapping], settled: Settled
) -> Iterator[Difference]:
    table = target.table.fullname
    named = {
        index.name: tablespace
        for index in target.table.indexes
        if (tablespace := index.dialect_options["postgresql"].get("tablespace"))
    }
    for row in rows:
        settled.add(("index", table, row["name"]))
        # Storage parameters are often set by hand; the models count where they name some.
        ours = row["model_parameters"]
        theirs = row["actual_parameters"] if ours else []
        actual = _index(row["actual_head"], theirs, row["actual_predicate"])
        model = _index(row["model_head"], ours, row["model_predicate"])
        if not row["valid"]:
            actual += " INVALID"
        if (wanted := named.get(row["name"])) and wanted != row["tablespace"]:
            actual += f" TABLESPACE {row['tablespace'] or 'pg_default'}"
            model += f" TABLESPACE {wanted}"
        if actual != model:
            yield Difference(
                kind="modify_index", table=table, name=row["name"], detail=f"{actual} → {model}"
            )


def _index(head: str, parameters: Sequence[str], predicate: str) -> str:
    storage = f" WITH ({', '.join(parameters)})" if parameters else ""
    return f"{head}{storage}{predicate}"
