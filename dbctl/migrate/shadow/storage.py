"""How tables are stored, sequences, and domains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import asyncpg
from sqlalchemy import ARRAY, Dialect, RowMapping, Table, TypeDecorator
from sqlalchemy import Sequence as ModelSequence
from sqlalchemy.dialects.postgresql import DOMAIN, CreateDomainType
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.compiler import DDLCompiler
from sqlalchemy.types import TypeEngine

from dbctl.db.failures import driver_error, first_line
from dbctl.migrate.results import Difference
from dbctl.migrate.shadow.parts import Part, Sort, Target, copy_of, fetch

_SEQUENCE = ("start", "increment", "minvalue", "maxvalue", "cache", "cycle")


def storage_parts(target: Target, writer: DDLCompiler) -> Iterator[tuple[Part, str]]:
    """Yield what gives a copy the storage parameters of the models, and one that is partitioned."""
    options = target.table.dialect_options["postgresql"]
    if with_ := options.get("with"):
        parameters = ", ".join(f"{name} = {value}" for name, value in with_.items())
        sql = f"ALTER TABLE {copy_of(target, writer)} SET ({parameters})"
        yield Part(target, Sort.STORAGE, "WITH", sql), ""
    if by := options.get("partition_by"):
        sql = (
            f"CREATE TABLE pg_temp.dbctl_partitioned_{target.oid} (LIKE {target.sql}) "
            f"PARTITION BY {by}"
        )
        yield Part(target, Sort.STORAGE, "PARTITION BY", sql), ""


def compare_storage(
    target: Target, row: RowMapping, refused: frozenset[str]
) -> Iterator[Difference]:
    """Compare how a table is stored in what the models name, and whether it is logged."""
    options = target.table.dialect_options["postgresql"]

    def differing(name: str, theirs: str, ours: str) -> Iterator[Difference]:
        if name not in refused and theirs != ours:
            yield Difference(
                kind="modify_table",
                table=target.table.fullname,
                name="",
                detail=f"{name} {theirs or 'none'} → {ours or 'none'}",
            )

    yield from differing("PARTITION BY", row["partitioning"] or "", row["model_partitioning"] or "")
    if options.get("with"):
        theirs, ours = ", ".join(row["parameters"]), ", ".join(row["model_parameters"])
        yield from differing("WITH", theirs, ours)
    if tablespace := options.get("tablespace"):
        yield from differing("TABLESPACE", row["tablespace"], tablespace)
    if method := options.get("using"):
        yield from differing("USING", row["method"] or "", method)
    if inherits := options.get("inherits"):
        names = (inherits,) if isinstance(inherits, str) else tuple(inherits)
        parents = ", ".join(str(name).rpartition(".")[2] for name in names)
        yield from differing("INHERITS", ", ".join(row["parents"]), parents)
    unlogged = any(prefix.upper() == "UNLOGGED" for prefix in target.table._prefixes)
    names_of = {True: "UNLOGGED", False: "LOGGED"}
    yield from differing("SET", names_of[row["unlogged"]], names_of[unlogged])


async def compare_sequences(
    connection: AsyncConnection, models: Iterable[Table]
) -> list[Difference]:
    """Compare the sequences that the models name, in what they say of them."""
    declared: dict[tuple[str | None, str], ModelSequence] = {}
    for metadata in {id(table.metadata): table.metadata for table in models}.values():
        for sequence in metadata._sequences.values():
            declared[sequence.schema, sequence.name] = sequence
    rows = await fetch(
        connection,
        "shadow_sequences",
        schemas=[schema for schema, _ in declared],
        names=[name for _, name in declared],
    )
    found = {row["position"]: row for row in rows}
    differences = []
    for position, sequence in enumerate(declared.values()):
        name = f"{sequence.schema}.{sequence.name}" if sequence.schema else sequence.name
        row = found.get(position)
        wanted = {
            option: value
            for option in _SEQUENCE
            if (value := getattr(sequence, option, None)) is not None
        }
        if row is None:
            detail = ", ".join(f"{option} {value}" for option, value in wanted.items())
            differences.append(Difference(kind="add_sequence", table="", name=name, detail=detail))
            continue
        for option, value in wanted.items():
            if row[option] != value:
                detail = f"{option} {row[option]} → {value}"
                differences.append(
                    Difference(kind="modify_sequence", table="", name=name, detail=detail)
                )
    return differences


async def compare_domains(
    connection: AsyncConnection, models: Iterable[Table], writer: DDLCompiler
) -> list[Difference]:
    """Compare the domains that columns of the models have, as the server words them."""
    declared: dict[tuple[str | None, str], DOMAIN] = {}
    for table in models:
        for column in table.columns:
            for domain in _domains(column.type, writer.dialect):
                declared[domain.schema, str(domain.name)] = domain
    differences: list[Difference] = []
    for (schema, name), domain in declared.items():
        kind, detail = await _compare_domain(connection, schema, name, domain, writer)
        if kind:
            full = f"{schema}.{name}" if schema else name
            detail = " ".join(detail.split())
            differences.append(Difference(kind=kind, table="", name=full, detail=detail))
    return differences


async def _compare_domain(
    connection: AsyncConnection,
    schema: str | None,
    name: str,
    domain: DOMAIN,
    writer: DDLCompiler,
) -> tuple[str, str]:
    """Return the kind and the detail of how a domain differs; two empty texts where it does not."""
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None  # noqa: S101 - it has run a statement
    savepoint = await connection.begin_nested()
    try:
        written = writer.process(CreateDomainType(domain))
        preparer: Any = writer.preparer
        rest = written.partition(f"{preparer.format_type(domain)} AS ")[2]
        await driver.execute(f"CREATE DOMAIN pg_temp.{preparer.quote(name)} AS {rest}")
        rows = await fetch(connection, "shadow_domains", schemas=[schema], names=[name])
    except (SQLAlchemyError, asyncpg.PostgresError) as error:
        return "not_compared", first_line(driver_error(error))
    finally:
        await savepoint.rollback()
    ours = next(row["definition"] for row in rows if row["modelled"])
    theirs = next((row["definition"] for row in rows if not row["modelled"]), None)
    if theirs is None:
        return "add_domain", ours
    return ("modify_domain", f"{theirs} → {ours}") if theirs != ours else ("", "")


def _domains(type_: TypeEngine[object], dialect: Dialect) -> Iterator[DOMAIN]:
    """Yield the domain that a type comes down to on `dialect`, or that of its items."""
    implementation = type_.dialect_impl(dialect)
    if isinstance(implementation, TypeDecorator):
        implementation = implementation.impl_instance
    if isinstance(implementation, ARRAY):
        yield from _domains(implementation.item_type, dialect)
    elif isinstance(implementation, DOMAIN):
        yield implementation
