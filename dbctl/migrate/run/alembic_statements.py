"""What Alembic itself runs on the connection of env.py, whose search_path is the project's."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BinaryExpression,
    ColumnClause,
    Executable,
    FromClause,
    Select,
    TableClause,
    UpdateBase,
)
from sqlalchemy.engine import ExecutionContext
from sqlalchemy.sql import operators, visitors

from dbctl.db.qualified import qualified


def with_qualified_operators(
    _connection: object,
    _cursor: object,
    statement: str,
    parameters: Any,
    context: ExecutionContext | None,
    _several: bool,
) -> tuple[str, Any]:
    """Qualify Alembic's own statements: a listener for `before_cursor_execute`.

    Those are the ones of its version table, of SQLAlchemy's reflection, and the comparison of two
    defaults. What a revision runs means what it does with plain Alembic.
    """
    compiled = getattr(context, "compiled", None)
    if compiled is not None and _is_alembics(compiled.statement):
        statement = qualified(statement)
    return statement, parameters


def _is_alembics(statement: Executable | None) -> bool:
    if isinstance(statement, UpdateBase):
        return _is_version_table(statement.table)
    if not isinstance(statement, Select):
        return False
    tables = [each for each in visitors.iterate(statement) if isinstance(each, TableClause)]
    if not tables:
        return _compares_defaults(statement)
    return all(
        getattr(table, "schema", None) == "pg_catalog" or _is_version_table(table)
        for table in tables
    )


def _is_version_table(table: FromClause) -> bool:
    return table.columns.keys() == ["version_num"]


def _compares_defaults(statement: object) -> bool:
    """Return whether it is `select(literal_column(…) == …)`."""
    columns = list(statement.selected_columns) if isinstance(statement, Select) else []
    return (
        len(columns) == 1
        and isinstance(column := columns[0], BinaryExpression)
        and column.operator is operators.eq
        and isinstance(column.left, ColumnClause)
        and column.left.is_literal
    )
