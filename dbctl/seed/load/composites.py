"""JSON objects for columns whose values have fields: composite types, hstore, arrays of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.catalog import fetch
from dbctl.db.names import listed
from dbctl.db.tables import Table
from dbctl.seed.bulk.encoding import takes_text
from dbctl.seed.load.exact import dumps


@dataclass(frozen=True, slots=True)
class _Type:
    """A type that JSON has objects or lists for; `inner` is what a domain or an array is of."""

    kind: str
    name: str
    inner: int
    fields: Mapping[str, int]


async def writers(connection: AsyncConnection, table: Table) -> dict[str, Callable[[Any], str]]:
    """Return what writes values of the columns whose types have fields as the server reads them.

    They raise ValueError and RecursionError.
    """
    # A type that is not built in has no leaf.
    names = {column.name for column in table.writable if takes_text(column) and not column.leaf}
    if not names:
        return {}
    types: dict[int, _Type] = {}
    columns: dict[str, int] = {}
    for row in await fetch(connection, "seed.load", "composites", relation=table.relation.oid):
        if row["kind"] == "column":
            columns[row["name"]] = row["type_id"]
        else:
            fields = dict(zip(row["fields"], row["field_ids"], strict=True))
            types[row["type_id"]] = _Type(row["kind"], row["name"], row["inner_id"], fields)
    write = _Writer(types).write
    return {name: partial(write, columns[name]) for name in names if columns[name] in types}


class _Writer:
    """Write values as PostgreSQL writes them, by the oid of their types."""

    def __init__(self, types: Mapping[int, _Type]) -> None:
        self._types = types

    def write(self, type_id: int, value: Any) -> str:
        """Return the text of a value that is not null."""
        kind = self._types.get(type_id)
        while kind is not None and kind.kind == "domain":
            type_id = kind.inner
            kind = self._types.get(type_id)
        if kind is not None and kind.kind == "json":
            return dumps(value)
        if isinstance(value, str):
            return value
        match kind, value:
            case _Type(kind="composite"), dict():
                return self._composite(kind, value)
            case _Type(kind="array"), list():
                return self._array(kind.inner, value)
            case _Type(kind="hstore"), dict():
                return ", ".join(f"{_quoted(k)}=>{_pair_value(v)}" for k, v in value.items())
        return dumps(value)

    def _composite(self, kind: _Type, value: Mapping[str, Any]) -> str:
        if unknown := [dumps(field) for field in value if field not in kind.fields]:
            raise ValueError(
                f"has {listed(unknown)}, and {kind.name} has {listed(list(kind.fields))}"
            )
        parts = [
            "" if value.get(field) is None else _quoted(self.write(type_id, value[field]))
            for field, type_id in kind.fields.items()
        ]
        return f"({','.join(parts)})"

    def _array(self, inner: int, items: list[Any]) -> str:
        element = self._types.get(inner)
        nests = element is None or element.kind != "json"
        return (
            "{"
            + ",".join(
                "NULL"
                if item is None
                else self._array(inner, item)
                if nests and isinstance(item, list)
                else _quoted(self.write(inner, item))
                for item in items
            )
            + "}"
        )


def _pair_value(value: Any) -> str:
    if value is None:
        return "NULL"
    return _quoted(value if isinstance(value, str) else dumps(value))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
