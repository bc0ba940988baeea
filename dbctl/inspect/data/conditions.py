"""What rows are asked for: `column=value` and its kin, typed by the column and bound.

A value is never part of the SQL: it is bound as text, and the server reads it as the column's type.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import asyncpg

from dbctl.db.catalog import Column
from dbctl.db.failures import first_line
from dbctl.db.names import Name, listed, quote, take, typed
from dbctl.db.search_path import session_path
from dbctl.errors import UsageError
from dbctl.inspect.data.literals import array_literal, element_literal, null_or_text, range_literal

# Makes a parameter of a value, and returns its `$n`.
type Bind = Callable[[object], str]


class Operator(StrEnum):
    """How a column is compared; `!=` and `!~` hold for NULL too."""

    EQUAL = "="
    DIFFERENT = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="
    LIKE = "~"
    UNLIKE = "!~"
    CONTAINS = "@>"


_ORDERING = frozenset({Operator.LESS, Operator.AT_MOST, Operator.MORE, Operator.AT_LEAST})
_LIKENESS = frozenset({Operator.LIKE, Operator.UNLIKE})
_SPLIT = re.compile("@>|!=|!~|<>|<=|>=|[=<>~]")
_HINT = f"Write column=value, with one of {' '.join(Operator)}, or column=null."

# Their text is their value, so that an index on it can serve.
_TEXT_TYPES = frozenset({"text", "varchar", "bpchar"})
_NAME_TYPES = frozenset({"name", "char"})
# ILIKE, whatever the search_path.
_LIKE = "operator(pg_catalog.~~*)"
# What LIKE reads differently; a backslash before anything else is only a backslash.
_WILDCARDS = re.compile(r"(\\[%_\\])|(\\)|(%)")
# PostgreSQL's error classes for a value: bad data, a constraint of a domain, a name in a reg* type.
_VALUE_ERRORS = ("22", "23", "42", "0A")


@dataclass(frozen=True, slots=True)
class Condition:
    """What a column has to satisfy, as typed; a value of None is NULL."""

    column: Name
    operator: Operator
    value: str | None


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on a column that is there."""

    column: Column
    operator: Operator
    value: str | None

    def sql(self, bind: Bind) -> str:
        """Return the SQL of the filter, its value bound."""
        column = self.column
        if self.value is None:
            # IS NULL is true for a row value of NULLs, which is not NULL; the parser makes a plain
            # null test of this, so that an index serves it.
            negation = "NOT " if self.operator is Operator.EQUAL else ""
            return f"{column.sql} IS {negation}DISTINCT FROM NULL"
        return _compared(self, _left(column, self.operator), bind(self.value))


def parse_condition(text: str) -> Condition:
    """Split `column=value` at the first operator outside of quotes.

    `column=null` asks for NULL, and `column='null'` for the word: what is shown in quotes may be
    typed like that. Raises UsageError where there is no operator or no column.
    """
    name, rest = take(text, _SPLIT, text, _HINT)
    sign = _SPLIT.match(rest)
    if sign is None:
        raise UsageError(f"{text!r} is not a condition", hint=_HINT)
    operator = Operator.DIFFERENT if sign[0] == "<>" else Operator(sign[0])
    value = rest[sign.end() :]
    if operator not in {Operator.EQUAL, Operator.DIFFERENT}:
        return Condition(name, operator, value)
    return Condition(name, operator, null_or_text(value))


def filter_of(column: Column, operator: Operator, value: str | None) -> Filter:
    """Return the filter for a value as it is typed, or as it is shown: arrays are shown as JSON.

    Raises UsageError where the column's type has no such operator.
    """
    if operator not in _operators(column):
        raise _no_operator(column, operator)
    if value is None:
        return Filter(column, operator, None)
    of_bytes = column.leaf == "bytea"
    if operator in _LIKENESS:
        value = _pattern(value)
    elif operator is Operator.CONTAINS and column.is_array:
        value = value if value[:1] == "{" else array_literal(value, of_bytes=of_bytes)
        value = value if value[:1] == "{" else element_literal(value, of_bytes=of_bytes)
    elif operator is Operator.CONTAINS and column.subtype and value[:1] not in {"[", "(", "{"}:
        value = range_literal(value)
    elif value and column.is_array:
        value = array_literal(value, of_bytes=of_bytes)
    return Filter(column, operator, value)


def exactly(column: Column, parameter: str) -> str:
    """Return a parameter as a value of the column's type, which must have written it as text."""
    return f"CAST(CAST({parameter} AS pg_catalog.text) AS {column.base_sql})"


async def check(connection: asyncpg.Connection[Any], wanted: Filter) -> None:
    """Let the server read the value of a filter as its column's type, to know which one it refuses.

    Raises UsageError where it does, or where the type lacks the operator.
    """
    column = wanted.column
    if wanted.value is None or wanted.operator in _LIKENESS:
        return
    nothing = f"CAST(NULL AS {column.base_sql})" if _is_typed(wanted) else "CAST(NULL AS text)"
    try:
        is_name = column.leaf.startswith("reg")
        # Which the names of a regclass are looked up on.
        async with session_path(connection) if is_name else nullcontext():
            # Only whether it can be read: the driver could not hold every value itself.
            await connection.fetch(
                f"SELECT {_right(wanted, '$1')} IS NULL,"
                f" ({_compared(wanted, nothing, '$1')}) IS NULL",
                wanted.value,
            )
    except asyncpg.UndefinedFunctionError as error:
        if wanted.operator in {Operator.EQUAL, Operator.DIFFERENT}:
            raise
        raise _no_operator(column, wanted.operator) from error
    except asyncpg.PostgresError as error:
        if not (error.sqlstate or "").startswith(_VALUE_ERRORS):
            raise
        hint = f"PostgreSQL says: {first_line(error)}."
        if column.labels and not column.is_array:
            hint = f"It takes {listed(column.labels, 'or')}."
        elif wanted.operator is Operator.CONTAINS and column.leaf == "jsonb":
            hint += """ It takes JSON, such as '{"key": "value"}' or '"text"'."""
        raise UsageError(
            f"{typed(column.name)} is of type {column.type} and does not take {wanted.value!r}",
            hint=hint,
        ) from error


def _operators(column: Column) -> list[Operator]:
    """Return the operators that a column's type may have; of some types only the server knows."""
    leaf = "" if column.is_array else column.leaf
    has_order = column.comparable or leaf in _NAME_TYPES
    contains = column.is_array or leaf == "jsonb" or column.subtype is not None
    return [
        operator
        for operator in Operator
        if (operator not in _ORDERING or has_order)
        and (operator not in _LIKENESS or leaf != "bytea")
        # An extension's type may have it.
        and (operator is not Operator.CONTAINS or contains or column.leaf == "")
    ]


def _no_operator(column: Column, operator: Operator) -> UsageError:
    missing = _ORDERING if operator in _ORDERING else {operator}
    has = [str(one) for one in _operators(column) if one not in missing]
    return UsageError(
        f"{typed(column.name)} is of type {column.type}, which has no {operator}",
        hint=f"It has {listed(has)}.",
    )


def _compared(wanted: Filter, left: str, parameter: str) -> str:
    right = _right(wanted, parameter)
    match wanted.operator:
        case Operator.DIFFERENT:
            return f"({left} {_sign(wanted, '=')} {right}) IS NOT TRUE"
        case Operator.LIKE:
            return f"{left} {_LIKE} {right}"
        case Operator.UNLIKE:
            return f"({left} {_LIKE} {right}) IS NOT TRUE"
        case operator:
            return f"{left} {_sign(wanted, operator)} {right}"


def _sign(wanted: Filter, sign: str) -> str:
    """Return the operator of the type that is compared, which an extension may have its own of."""
    column = wanted.column
    if wanted.operator is Operator.CONTAINS:
        is_builtin = column.is_array or column.leaf or column.subtype is not None
        return f"operator({'pg_catalog' if is_builtin else quote(column.base_schema)}.@>)"
    return column.operator(sign) if _is_typed(wanted) else f"operator(pg_catalog.{sign})"


def _left(column: Column, operator: Operator) -> str:
    """Return the side of the column: itself, so that an index serves, where its type allows it."""
    if operator in _LIKENESS:
        as_is = column.leaf in _TEXT_TYPES and not column.is_array
    else:
        as_is = operator is Operator.CONTAINS or _has_equality(column)
    left = column.sql if as_is else f"CAST({column.sql} AS pg_catalog.text)"
    # ILIKE takes no other; the database's own collation always is, and knows its letters' cases.
    plain = column.deterministic or operator not in _LIKENESS
    return left if plain else f'{left} COLLATE pg_catalog."default"'


def _has_equality(column: Column) -> bool:
    # A cast to "char" or name would cut the value and find what was not asked for.
    return column.comparable and (column.is_array or column.leaf not in _NAME_TYPES)


def _is_typed(wanted: Filter) -> bool:
    if wanted.operator in _LIKENESS:
        return False
    return wanted.operator is Operator.CONTAINS or _has_equality(wanted.column)


def _right(wanted: Filter, parameter: str) -> str:
    """Return the parameter, bound as text, as what the filter compares with."""
    text = f"CAST({parameter} AS pg_catalog.text)"
    column = wanted.column
    if not _is_typed(wanted):
        return text
    if column.leaf == "bytea" and not column.is_array:
        # As it is shown, or as SQL writes it: a backslash is not in base64's alphabet.
        return (
            f"CASE WHEN {text} operator(pg_catalog.~~) '\\\\x%'"
            f" THEN CAST({text} AS pg_catalog.bytea)"
            f" ELSE pg_catalog.decode({text}, 'base64') END"
        )
    return exactly(column, parameter)


def _pattern(value: str) -> str:
    """Return the pattern of LIKE for a text to look for: anywhere, unless it has a `%`."""
    parts = list(_WILDCARDS.finditer(value))
    pattern = _WILDCARDS.sub(lambda found: r"\\" if found[2] else found[0], value)
    return pattern if any(found[3] for found in parts) else f"%{pattern}%"
