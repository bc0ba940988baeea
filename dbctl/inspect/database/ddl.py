"""The operation behind `inspect table --ddl`: the SQL that makes a relation anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import asyncpg

from dbctl.db.catalog import Relation, fetch, resolve
from dbctl.db.names import literal
from dbctl.inspect.database import ddl_sql as sql
from dbctl.inspect.database.constants import constants_of, option_shown
from dbctl.inspect.database.results.table import DdlResult
from dbctl.inspect.database.settled import settled
from dbctl.inspect.masking import Masks
from dbctl.inspect.reading import STATEMENT_TIMEOUT, reading
from dbctl.sqlliterals import HIDDEN

type Row = Mapping[str, Any]


async def write_ddl(
    connection: asyncpg.Connection[Any],
    *names: str,
    masks: Masks = Masks(),  # noqa: B008 - frozen
    statement_timeout: float = STATEMENT_TIMEOUT,
) -> DdlResult:
    """Write the SQL that makes the relations `names` anew, in that order, with their partitions.

    Foreign keys come last, as tables may refer to each other. All names have their schema. Owners
    and privileges are not part of it; what must be there before stands in comments. The constants
    of columns that `masks` hide are left out, which the head says. Raises UsageError where a name
    means none, or several, OperationFailed where a relation is dropped meanwhile.
    """
    async with reading(connection, statement_timeout):
        relations = list(dict.fromkeys([await resolve(connection, name) for name in names]))
        # Nothing is on the path then, so that the server writes every name in full.
        await connection.fetch("SELECT pg_catalog.set_config('search_path', '', true)")
        needs = await _needs(connection, relations)
        script = Script()
        columns: list[Row] = []
        for relation in relations:
            script += await _script(connection, relation.oid, relation.label, masks)
            columns += await fetch(
                connection, "inspect.database", "ddl_columns", relation=relation.oid
            )
        constants = await constants_of(connection, [each.name for each in relations], (), masks)
    needs = [constants.row(row, "definition", about=_user_of(row, columns)) for row in needs]
    parts = [
        *sql.needs("This needs", [row for row in needs if not row["by_keys"]]),
        *script.statements,
        *sql.needs("The foreign keys need", [row for row in needs if row["by_keys"]]),
        *script.keys,
    ]
    if constants.masked and any(HIDDEN in one for one in parts):
        parts.insert(0, sql.INCOMPLETE)
    text = "\n\n".join(parts)
    first, *others = relations
    return DdlResult(
        schema_name=first.schema,
        name=first.name,
        kind=first.kind,
        also=tuple(relation.label for relation in others),
        ddl=f"{text}\n",
    )


async def _needs(connection: asyncpg.Connection[Any], relations: Sequence[Relation]) -> list[Row]:
    """Return what must be there before, each once; `by_keys` where only foreign keys need it."""
    own = {relation.oid for relation in relations}
    needs: dict[tuple[str, str], Row] = {}
    for relation in relations:
        for row in await fetch(connection, "inspect.database", "ddl_needs", relation=relation.oid):
            known = needs.get((row["type"], row["identity"]))
            if row["relation"] not in own and (known is None or not row["by_keys"]):
                needs[row["type"], row["identity"]] = row
    return list(needs.values())


@dataclass(frozen=True, slots=True)
class Script:
    """The statements that make relations, and those that make their foreign keys."""

    statements: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    def __add__(self, other: Script) -> Script:
        """Return both, one after the other."""
        return Script(self.statements + other.statements, self.keys + other.keys)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the catalogue has of one relation, each a list of rows."""

    relation: Row
    columns: list[Row]
    parent_columns: dict[str, Row]
    constraints: list[Row]
    indexes: list[Row]
    sequences: list[Row]
    triggers: list[Row]
    policies: list[Row]
    rules: list[Row]
    statistics: list[Row]
    children: list[Row]


async def _script(
    connection: asyncpg.Connection[Any], oid: int, label: str, masks: Masks
) -> Script:
    """Return what makes a relation, then its partitions.

    A foreign key of a partitioned table takes over those of the same columns that its partitions
    have, under their names: theirs come first.
    """
    async with settled(connection, oid, label):
        parts = await _read(connection, oid)
        parts = await _masked(connection, parts, masks)
    script = Script(tuple(_of_relation(parts)))
    for child in parts.children:
        if child["is_partition"]:
            script += await _script(connection, child["oid"], child["name"], masks)
    # A partition that is made later would take it over.
    changed = [row for row in parts.triggers if row["enabled"] != "origin"]
    return script + Script(
        tuple(sql.enablement(parts.relation, "TRIGGER", changed)), tuple(_foreign_keys(parts))
    )


def _foreign_keys(parts: Parts) -> Iterator[str]:
    for row in parts.constraints:
        if row["kind"] == "f":
            yield sql.add_constraint(parts.relation, row)
            yield from _comment(f"CONSTRAINT {row['name']} ON {parts.relation['label']}", row)


async def _read(connection: asyncpg.Connection[Any], oid: int) -> Parts:
    async def of(query: str, relation: int = oid, **parameters: Any) -> list[Row]:
        return await fetch(connection, "inspect.database", query, relation=relation, **parameters)

    (relation,) = await of("relation")
    parent_columns: dict[str, Row] = {}
    # A partition is made in full, and attached then.
    for parent in () if relation["is_partition"] else relation["parent_oids"]:
        for row in await of("ddl_columns", relation=parent):
            parent_columns.setdefault(row["name"], row)
    return Parts(
        relation=relation,
        columns=await of("ddl_columns"),
        parent_columns=parent_columns,
        constraints=await of("ddl_constraints"),
        indexes=await of("ddl_indexes"),
        sequences=await of("ddl_sequences"),
        triggers=await of("triggers", pretty=False),
        policies=await of("policies"),
        rules=await of("ddl_rules"),
        statistics=await of("ddl_statistics"),
        children=await of("children"),
    )


async def _masked(connection: asyncpg.Connection[Any], parts: Parts, masks: Masks) -> Parts:
    """Return the parts without the constants of masked columns."""
    relation = parts.relation
    defined = (parts.constraints, parts.indexes, parts.triggers, parts.rules, parts.statistics)
    definitions = [
        *(relation[key] for key in ("view_definition", "partition_key", "parent_key")),
        *(row["expression"] for row in parts.columns),
        *(row["definition"] for rows in defined for row in rows),
        *(row[key] for row in parts.policies for key in ("using", "check")),
    ]
    constants = await constants_of(connection, [relation["name"]], definitions, masks)
    options = [option_shown(option, masks) for option in relation["foreign_options"]]
    relation = constants.row(relation, "view_definition", "partition_key")
    bounds = constants.shown(relation["bounds"], relation["parent_key"])
    return replace(
        parts,
        relation=relation | {"bounds": bounds, "foreign_options": options},
        columns=[constants.row(row, "expression", about=row["name"]) for row in parts.columns],
        constraints=[constants.row(row, "definition") for row in parts.constraints],
        indexes=[constants.row(row, "definition") for row in parts.indexes],
        triggers=[constants.row(row, "definition") for row in parts.triggers],
        rules=[constants.row(row, "definition") for row in parts.rules],
        statistics=[constants.row(row, "definition") for row in parts.statistics],
        policies=[constants.row(row, "using", "check") for row in parts.policies],
    )


def _user_of(need: Row, columns: Sequence[Row]) -> str | None:
    """Return the columns that have the type which is needed."""
    names = [row["name"] for row in columns if row["type"].removesuffix("[]") == need["identity"]]
    return ", ".join(names)


def _of_relation(parts: Parts) -> list[str]:
    relation = parts.relation
    serial = [row for row in parts.sequences if not row["is_identity"]]
    is_view = relation["relkind"] in {"v", "m"}
    return [
        *(sql.create_sequence(row) for row in serial),
        sql.create_view(relation) if is_view else _create_table(parts),
        *(
            f"ALTER SEQUENCE {s['name']} OWNED BY {relation['label']}.{s['column']};"
            for s in serial
        ),
        *sql.inherited_defaults(relation, parts.columns, parts.parent_columns),
        *(
            sql.add_constraint(relation, row)
            for row in parts.constraints
            if _is_apart(row) and row["kind"] != "f"
        ),
        *(statement for row in parts.indexes for statement in sql.index(relation, row)),
        *sql.attach(relation),
        *(row["definition"] for row in parts.rules),
        *sql.enablement(relation, "RULE", parts.rules),
        *(row["definition"] for row in parts.statistics),
        *(row["target_definition"] for row in parts.statistics if row["target_definition"]),
        *sql.column_settings(relation, parts.columns),
        *sql.replica_identity(relation),
        *sql.row_security(relation, parts.policies),
        *(f"{row['definition']};" for row in parts.triggers if not row["inherited"]),
        *sql.enablement(
            relation, "TRIGGER", [r for r in parts.triggers if r["enabled"] == "origin"]
        ),
        *_comments(parts),
    ]


def _is_apart(constraint: Row) -> bool:
    """Return whether a constraint cannot stand in CREATE TABLE, which would make it valid.

    What a foreign key refers to may not be there yet.
    """
    return not constraint["valid"] or constraint["kind"] == "f"


def _create_table(parts: Parts) -> str:
    relation = parts.relation
    within = [row for row in parts.constraints if not _is_apart(row)]
    not_null = {row["column"]: row for row in within if row["kind"] == "n"}
    apart = {row["column"] for row in parts.constraints if row["kind"] == "n" and _is_apart(row)}
    identities = {row["bare_column"]: row for row in parts.sequences if row["is_identity"]}
    lines = []
    for column in parts.columns:
        line = sql.column(
            column,
            relation,
            not_null=None if column["bare_name"] in apart else not_null.get(column["bare_name"]),
            nullable=column["bare_name"] in apart,
            identity=identities.get(column["bare_name"]),
            parent=parts.parent_columns.get(column["name"]),
        )
        if line is not None:
            lines.append(line)
    lines += [
        f"CONSTRAINT {row['name']} {row['definition']}" for row in within if row["kind"] != "n"
    ]
    return sql.create_table(relation, lines)


def _comments(parts: Parts) -> list[str]:
    label, kind = parts.relation["label"], sql.KINDS[parts.relation["relkind"]]
    subjects: list[tuple[str, Row]] = [
        (f"{kind} {label}", parts.relation),
        *((f"COLUMN {label}.{row['name']}", row) for row in parts.columns),
        *(
            (f"CONSTRAINT {row['name']} ON {label}", row)
            for row in parts.constraints
            if row["kind"] != "f"
        ),
        *((f"INDEX {row['name']}", row) for row in parts.indexes),
        *((f"SEQUENCE {row['name']}", row) for row in parts.sequences),
        *((f"RULE {row['quoted']} ON {label}", row) for row in parts.rules),
        *((f"STATISTICS {row['name']}", row) for row in parts.statistics),
        *((f"TRIGGER {row['quoted']} ON {label}", row) for row in parts.triggers),
        *((f"POLICY {row['quoted']} ON {label}", row) for row in parts.policies),
    ]
    return [statement for subject, row in subjects for statement in _comment(subject, row)]


def _comment(subject: str, row: Row) -> Iterator[str]:
    if row["comment"] is not None:
        yield f"COMMENT ON {subject} IS {literal(row['comment'])};"
