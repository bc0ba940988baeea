"""The constants of SQL as Python's values."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from dbctl.seed.generate.expressions import Node, Opaque
from dbctl.seed.generate.limits import Kind
from dbctl.seed.generate.sqllogic import interval

_CASTS = {
    "text": Kind.TEXT,
    "character varying": Kind.TEXT,
    "character": Kind.TEXT,
    "bpchar": Kind.TEXT,
    "varchar": Kind.TEXT,
    "citext": Kind.TEXT,
    "integer": Kind.INTEGER,
    "smallint": Kind.INTEGER,
    "bigint": Kind.INTEGER,
    "numeric": Kind.NUMERIC,
    "double precision": Kind.FLOAT,
    "real": Kind.FLOAT,
    "boolean": Kind.BOOL,
    "date": Kind.DATE,
    "timestamp without time zone": Kind.TIMESTAMP,
    "timestamp with time zone": Kind.TIMESTAMPTZ,
    "time without time zone": Kind.TIME,
    "uuid": Kind.UUID,
    "interval": Kind.INTERVAL,
}


def literal_of(node: Node, kind: str | None) -> Any:
    """Return the Python value of a constant that is compared with values of `kind`.

    Raises Opaque where it is none.
    """
    while node.kind == "cast":
        target = cast_kind(node.value)
        if target is not None and node.arguments[0].kind == "literal" and kind is None:
            kind = target
        node = node.arguments[0]
    if node.kind == "operator" and node.value == "0-":
        return -literal_of(node.arguments[0], kind)
    if node.kind != "literal":
        raise Opaque
    return converted(node.value, kind)


def cast_kind(name: str) -> Kind | None:
    """Return the kind of a type as a cast names it; None for one that is not known."""
    return _CASTS.get(name)


def converted(value: Any, kind: str | None) -> Any:
    """Return the Python value of a literal of `kind`.

    Raises Opaque where it is not known.
    """
    if not isinstance(value, str) or kind in {None, Kind.TEXT, Kind.ENUM}:
        return value
    try:
        match kind:
            case Kind.INTEGER:
                return int(value)
            case Kind.NUMERIC:
                return Decimal(value)
            case Kind.FLOAT:
                return float(value)
            case Kind.BOOL:
                return {"t": True, "true": True, "f": False, "false": False}[value]
            case Kind.DATE:
                return date.fromisoformat(value)
            case Kind.TIME:
                return time.fromisoformat(value)
            case Kind.TIMESTAMP | Kind.TIMESTAMPTZ:
                moment = datetime.fromisoformat(value)
                if (moment.tzinfo is None) != (kind == Kind.TIMESTAMP):
                    raise Opaque(value)
                return moment
            case Kind.UUID:
                return UUID(value)
            case Kind.INTERVAL:
                return interval(value)
            case _:
                raise Opaque(value)
    except (ValueError, KeyError, InvalidOperation):
        raise Opaque(value) from None
