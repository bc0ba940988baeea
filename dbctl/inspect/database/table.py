"""The operation behind `inspect table`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import asyncpg

from dbctl.db.catalog import Column, columns_of, fetch, resolve
from dbctl.db.names import quote, typed
from dbctl.db.search_path import session_path
from dbctl.inspect.database.constants import Constants, constants_of
from dbctl.inspect.database.results.table import (
    ForeignKey,
    Partition,
    Policy,
    TableColumn,
    TableConstraint,
    TableIndex,
    TableResult,
    Trigger,
)
from dbctl.inspect.database.settled import settled
from dbctl.inspect.masking import Masks
from dbctl.inspect.reading import STATEMENT_TIMEOUT, reading

_FIGURES = (
    "estimated_rows",
    "dead_rows",
    "total_bytes",
    "table_bytes",
    "index_bytes",
    "toast_bytes",
    "last_vacuum",
    "last_autovacuum",
    "last_analyze",
    "last_autoanalyze",
)


async def describe_table(
    connection: asyncpg.Connection[Any],
    name: str,
    *,
    masks: Masks = Masks(),  # noqa: B008 - frozen
    statement_timeout: float = STATEMENT_TIMEOUT,
) -> TableResult:
    """Describe the relation that `name` means, without the constants of columns that `masks` hide.

    Raises UsageError where it means none, or several; OperationFailed where it is dropped
    meanwhile.
    """
    async with reading(connection, statement_timeout):
        relation = await resolve(connection, name)

        async def of_it(query: str, **parameters: Any) -> list[Mapping[str, Any]]:
            return await fetch(
                connection, "inspect.database", query, relation=relation.oid, **parameters
            )

        async with settled(connection, relation.oid, relation.label):
            columns = await columns_of(connection, relation)
            (figures,) = await of_it("tables", schema=None)
            indexes = await of_it("indexes")
            keys = await of_it("foreign_keys")
            # What these define is written as psql writes it; they have no operator but of exactly
            # the types that the server has it for.
            async with session_path(connection):
                (facts,) = await of_it("relation")
                constraints = await of_it("constraints")
                triggers = await of_it("triggers", pretty=True)
                policies = await of_it("policies")
            children = await of_it("children")
            expressions = [
                *(facts[key] for key in ("view_definition", "partition_key", "parent_key")),
                *(column.expression for column in columns),
                *(row["definition"] for row in (*indexes, *constraints, *triggers)),
                *(row[key] for row in policies for key in ("using", "check")),
            ]
            constants = await constants_of(connection, [relation.name], expressions, masks)
        (moment,) = await fetch(connection, "inspect.database", "moment")
    return TableResult(
        schema_name=relation.schema,
        name=relation.name,
        kind=relation.kind,
        read_at=moment["read_at"],
        comment=facts["comment"],
        persistence=facts["persistence"],
        **{name: figures[name] for name in _FIGURES},
        options=(*facts["options"], *(f"toast.{option}" for option in facts["toast_options"])),
        partition_key=constants.shown(facts["partition_key"]),
        bounds=constants.shown(facts["bounds"], facts["parent_key"]),
        parents=tuple(facts["parents"]),
        row_security=facts["row_security"],
        view_definition=constants.shown(facts["view_definition"]),
        table_columns=tuple(_column(column, constants) for column in columns),
        indexes=tuple(TableIndex(**constants.row(row, "definition")) for row in indexes),
        constraints=tuple(
            TableConstraint(**constants.row(row, "definition")) for row in constraints
        ),
        foreign_keys=tuple(_foreign_key(row) for row in keys if row["outgoing"]),
        referenced_by=tuple(_foreign_key(row) for row in keys if row["incoming"]),
        triggers=tuple(Trigger(**constants.row(row, "definition")) for row in triggers),
        policies=tuple(Policy(**constants.row(row, "using", "check")) for row in policies),
        children=tuple(
            Partition(**constants.row(row, "bounds", about=facts["partition_key"]))
            for row in children
        ),
    )


def _column(column: Column, constants: Constants) -> TableColumn:
    return TableColumn(
        name=column.name,
        type=column.type,
        nullable=column.nullable,
        key=column.key_position,
        default=constants.shown(column.expression, quote(column.name)),
        identity=column.identity,
        generated=column.generated,
        comment=column.comment,
    )


def _foreign_key(row: Mapping[str, Any]) -> ForeignKey:
    return ForeignKey(
        name=row["name"],
        table=f"{typed(row['source_schema'])}.{typed(row['source_name'])}",
        columns=row["source_columns"],
        references=f"{typed(row['target_schema'])}.{typed(row['target_name'])}",
        referenced_columns=row["target_columns"],
        on_update=row["on_update"],
        on_delete=row["on_delete"],
        valid=row["valid"],
    )
