"""Read from the catalogue what a plan needs of it, without locking a table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.catalog import fetch, fetch_together
from dbctl.db.failures import sqlstate
from dbctl.migrate.catalogue.relations import (
    Catalogue,
    Column,
    ForeignKey,
    Gone,
    Names,
    Relation,
    Trigger,
    Type,
    parts_of,
)
from dbctl.migrate.statements import Assessment
from dbctl.migrate.statements.lookups import (
    OF_RELATIONS,
    Below,
    ColumnAdded,
    CompositeAltered,
    DomainChecked,
    Dropped,
    ExpressionSet,
    Lookup,
    NotNullSet,
    PathSet,
    Renamed,
    TypeChanged,
    Validated,
)

_ROOM = "migrate.catalogue"
# What measures a table opens it: whoever locks it meanwhile must not be waited for.
_LOCK_TIMEOUT = "200ms"
# SQLSTATEs lock_not_available and query_canceled.
_TOO_LONG = ("55P03", "57014")
_GRAPH = ("settings", "relations", "links", "keys", "triggers")
_DETAILS = ("columns", "constraints", "types", "uses", "casts", "functions", "dropped")


async def read_catalogue(
    connection: AsyncConnection,
    path: Sequence[str],
    time_zone: str,
    revisions: Sequence[Sequence[Assessment]],
) -> Catalogue:
    """Return what is known of the relations that the statements of `revisions` reach.

    `path` is the search_path that each revision starts with, `time_zone` the TimeZone; empty for
    that of a session.
    """
    found = await fetch_together(connection, _ROOM, *_GRAPH)
    (settings,) = found["settings"]
    path = path or tuple(settings["schemas"])
    relations = {row["oid"]: Relation(**row) for row in found["relations"]}
    links: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in found["links"]:
        links[row["kind"]][row["from_oid"]].append(row["to_oid"])
        if row["kind"] == "child":
            links["parent"][row["to_oid"]].append(row["from_oid"])
    triggers = defaultdict(list)
    for row in found["triggers"]:
        triggers[row["table_oid"]].append(Trigger(**row))
    catalogue = Catalogue(
        version=settings["version"] // 10000,
        default_zone=time_zone or settings["time_zone"],
        default_path=tuple(path),
        relations=relations,
        names=Names({(each.schema, each.name): each.oid for each in relations.values()}, path),
        children={parent: sorted(oids) for parent, oids in links["parent"].items()},
        parents=dict(links["child"]),
        sources=dict(links["view"]),
        rules=dict(links["rule"]),
        keys=[_key(row) for row in found["keys"]],
        triggers=dict(triggers),
    )
    catalogue.begin_revision()
    await _read_details(connection, catalogue, revisions)
    return catalogue


async def read_sizes(
    connection: AsyncConnection, tables: Iterable[int]
) -> Mapping[int, tuple[int | None, int | None]]:
    """Return the rows and bytes of tables, None where they cannot be measured now."""
    oids = sorted(set(tables))
    if not oids:
        return {}
    try:
        await connection.exec_driver_sql(f"set local lock_timeout = '{_LOCK_TIMEOUT}'")
        rows = await fetch(connection, _ROOM, "sizes", tables=oids)
    except DBAPIError as error:
        if sqlstate(error) not in _TOO_LONG:
            raise
        return {}
    finally:
        await connection.rollback()
    return {row["oid"]: (row["rows"], row["bytes"]) for row in rows}


async def _read_details(
    connection: AsyncConnection,
    catalogue: Catalogue,
    revisions: Sequence[Sequence[Assessment]],
) -> None:
    asked = _Asked(catalogue)
    for statements in revisions:
        asked.names.path = catalogue.default_path
        for statement in statements:
            asked.add(statement)
    parameters = asked.parameters(catalogue.default_path)
    if not parameters:
        return
    found = await fetch_together(connection, _ROOM, *_DETAILS, **parameters)
    for row in found["columns"]:
        catalogue.columns[row["table_oid"], row["name"]] = Column(**row)
    for row in found["constraints"]:
        catalogue.constraints[row["table_oid"], row["name"]] = (row["type"], row["is_valid"])
    catalogue.types = {row["oid"]: Type(**row) for row in found["types"]}
    for row in found["uses"]:
        catalogue.uses.setdefault(row["type_oid"], []).append(row["table_oid"])
    catalogue.binary_casts = frozenset((row["source"], row["target"]) for row in found["casts"])
    catalogue.volatile = {row["name"]: row["is_volatile"] for row in found["functions"]}
    lookups = [*asked.dropped]
    catalogue.dropped = {lookup: [] for lookup in lookups}
    for row in found["dropped"]:
        gone = Gone(row["table_oid"], row["what"], row["part"], row["is_root"])
        catalogue.dropped[lookups[row["number"]]].append(gone)


class _Asked:
    """What the statements ask of the catalogue, gone through in their order."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self.names = catalogue.names.copy()
        self.tables: set[int] = set()
        self.types: set[tuple[str | None, str]] = set()
        self.functions: set[str] = set()
        self.dropped: dict[Dropped, list[int]] = {}

    def parameters(self, path: Sequence[str]) -> dict[str, list[Any]]:
        """Return the parameters of the queries for the details."""
        types = sorted(self.types, key=str)
        rows = [
            (number, lookup, oid, parts_of(lookup.name))
            for number, (lookup, oids) in enumerate(self.dropped.items())
            for oid in oids
        ]
        asked: dict[str, list[Any]] = {
            "tables": sorted(self.tables),
            "type_schemas": [schema for schema, _ in types],
            "type_names": [name for _, name in types],
            "functions": sorted(self.functions),
            "numbers": [number for number, *_ in rows],
            "kinds": [str(lookup.kind) for _, lookup, *_ in rows],
            "drop_oids": [oid for _, _, oid, _ in rows],
            "drop_schemas": [next(iter(parts[-2:-1]), None) for *_, parts in rows],
            "drop_names": [(parts or [""])[-1] for *_, parts in rows],
            "drop_parts": [lookup.part for _, lookup, *_ in rows],
            "cascades": [lookup.cascade for _, lookup, *_ in rows],
        }
        return asked | {"path": list(path)} if any(asked.values()) else {}

    def add(self, statement: Assessment) -> None:
        """Add what one statement asks."""
        for lookup in (*statement.lookups, *(each.lookup for each in statement.costs)):
            if lookup is not None:
                self._add(lookup)
        self.names.hidden |= {each.removeprefix("public.") for each in statement.creates}

    def _add(self, lookup: Lookup) -> None:
        match lookup:
            case Renamed():
                self.names.rename(lookup.table, lookup.name)
            case PathSet():
                self.names.path = lookup.schemas
            case Dropped():
                self._add_dropped(lookup)
            case DomainChecked(domain=name) | CompositeAltered(type=name):
                *schemas, bare = parts_of(name) or [""]
                self.types.add((schemas[-1] if schemas else None, bare))
            case TypeChanged() | ColumnAdded():
                self._add_table(lookup.table)
                self.types.add((lookup.type.schema, lookup.type.name))
                if isinstance(lookup, ColumnAdded):
                    self.functions |= set(lookup.functions)
            case NotNullSet() | ExpressionSet() | Validated() | Below(constraint=str(_)):
                self._add_table(lookup.table)
            case _:
                pass

    def _add_table(self, name: str) -> None:
        oid = self.names.find(name)
        if oid is not None:
            self.tables |= {oid, *(each.oid for each in self._catalogue.below(oid))}

    def _add_dropped(self, lookup: Dropped) -> None:
        oid = self.names.find(lookup.name)
        if lookup.kind in OF_RELATIONS:
            if oid is None:
                return
            below = self._catalogue.below(oid) if lookup.below else ()
            self.dropped.setdefault(lookup, [oid, *(each.oid for each in below)])
        else:
            self.dropped.setdefault(lookup, [0])


def _key(row: Mapping[str, Any]) -> ForeignKey:
    values = dict(row)
    for name in ("columns", "other_columns"):
        values[name] = frozenset(values[name])
    return ForeignKey(**values)
