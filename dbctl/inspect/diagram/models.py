"""The schema as the project's models have it, in the words of the database."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.exc import NoReferenceError

from dbctl.db.metadata import located
from dbctl.errors import ConfigurationError, ErrorCode
from dbctl.inspect.diagram.schema import Column, ForeignKey, Schema, Table
from dbctl.inspect.diagram.types import type_name

# Where PostgreSQL puts a table that names no schema, unless it was told otherwise.
_DEFAULT = "public"


def model_schema(models: Sequence[sa.Table]) -> Schema:
    """Return the tables of the models.

    Raises ConfigurationError where one refers to a table or a column that is not there.
    """
    schemas = {table.metadata.schema or _DEFAULT for table in models}
    default = schemas.pop() if len(schemas) == 1 else _DEFAULT
    try:
        tables = tuple(_table(table, default) for table in models)
    except NoReferenceError as error:
        raise ConfigurationError(
            f"the models do not fit together: {located(error)}",
            hint="Name the module that imports every model.",
            code=ErrorCode.MODELS_IMPORT,
        ) from error
    return Schema(tables, default)


def _table(table: sa.Table, default: str) -> Table:
    constraints = [c for c in table.constraints if isinstance(c, sa.UniqueConstraint)]
    uniques = [tuple(column.name for column in c.columns) for c in constraints]
    uniques += [tuple(c.name for c in index.columns) for index in table.indexes if _is_key(index)]
    return Table(
        schema=table.schema or default,
        name=table.name,
        columns=tuple(Column(c.name, type_name(c.type), bool(c.nullable)) for c in table.columns),
        primary_key=tuple(column.name for column in table.primary_key.columns),
        uniques=tuple(sorted(uniques)),
        foreign_keys=tuple(_foreign_key(key, default) for key in table.foreign_key_constraints),
    )


def _is_key(index: sa.Index) -> bool:
    """Tell whether an index lets no two rows have the same columns."""
    return bool(
        index.unique
        and index.dialect_options["postgresql"]["where"] is None
        and all(isinstance(expression, sa.Column) for expression in index.expressions)
    )


def _foreign_key(key: sa.ForeignKeyConstraint, default: str) -> ForeignKey:
    target = key.referred_table
    return ForeignKey(
        columns=tuple(column.name for column in key.columns),
        target=(target.schema or default, target.name),
        target_columns=tuple(element.column.name for element in key.elements),
    )
