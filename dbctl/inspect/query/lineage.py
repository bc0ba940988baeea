"""Which columns of a result come from a column that is masked.

The server resolves the names: it tells the plan of the statement, and of each step of it what it
puts out, with views, aliases and most subqueries dissolved. What a step hides is taken to hide
whatever is sensitive below it: in doubt a column is masked.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from dbctl.db.catalog import fetch
from dbctl.db.names import typed
from dbctl.db.search_path import session_path
from dbctl.errors import RefusedError
from dbctl.inspect.data.source import has_keys
from dbctl.inspect.masking import NOTHING_MASKED, Masks
from dbctl.inspect.query.guard import Inside, guard
from dbctl.inspect.query.json_keys import hidden_key
from dbctl.inspect.query.plan import Node, flatten, hides_a_step, is_derived, relations_of
from dbctl.inspect.query.preparing import Prepared, prepare
from dbctl.inspect.query.statement import parse_statement
from dbctl.inspect.query.subqueries import columns_of, has_only_literal_values
from dbctl.inspect.query.taint import Sensitive, Taint
from dbctl.inspect.sensitive.keys import KeyRule, key_rule
from dbctl.sqltokens import tokenize

# Of the catalogue, what holds values of other tables, or secrets.
_CATALOGUE = {
    ("pg_statistic", "stavalues"): "samples of the values of other columns",
    ("pg_statistic_ext_data", "stxdmcv"): "samples of the values of other columns",
    ("pg_statistic_ext_data", "stxdexpr"): "samples of the values of other columns",
    ("pg_authid", "rolpassword"): "passwords of roles",
    ("pg_user_mapping", "umoptions"): "passwords of foreign servers",
    ("pg_subscription", "subconninfo"): "passwords of other servers",
}


_STATEMENTS = "statements of other sessions with their constants; `inspect activity` has none"
# Functions of which a column holds what others ran.
_OF_OTHERS = ("pg_stat_get_activity", "pg_stat_statements")
# Those whose value is that.
_OTHERS = dict.fromkeys((*_OF_OTHERS, "pg_stat_get_backend_activity"), _STATEMENTS)
# The lowest oid of what is not PostgreSQL's own.
_FIRST_OWN = 16384
_DOCUMENTS = frozenset({"json", "jsonb", "json[]", "jsonb[]"})
_TEXTS = frozenset({"text", "varchar", "bpchar"})
_UNKNOWN = "what it is made of may not be read"


@dataclass(frozen=True, slots=True)
class Traced:
    """Why each column of a result is masked, None where it is not.

    `rule` says which keys inside JSON are; None hides none. Where the statement reads JSON
    (`has_documents`) a text may be one.
    """

    reasons: list[str | None]
    rule: KeyRule | None = None
    has_documents: bool = False

    def keys(self, leaf: str) -> KeyRule | None:
        """Return the rule that a column of a type comes under."""
        return self.rule if has_keys(leaf) or (self.has_documents and leaf in _TEXTS) else None


async def trace(
    connection: asyncpg.Connection[Any],
    prepared: Prepared,
    parameters: Sequence[str | None],
    inside: Inside,
    masks: Masks,
) -> Traced:
    """Return for each column of the result why it is masked, None where it is not.

    `inside` is what the plan does not show: the result of a function that names a relation with a
    masked column is masked.
    """
    if masks == NOTHING_MASKED:
        return Traced([None] * len(prepared.columns))
    explain = f"EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) {prepared.text}"
    async with session_path(connection):
        text = await connection.fetchval(explain, *parameters)
    plan: Node = json.loads(text)[0]["Plan"]
    steps = list(flatten(plan))
    read = {(schema, name) for node in steps for schema, name, _ in relations_of(node)}
    inner = await masked_inside(connection, inside, masks)
    unseen = inner if inside.has_unseen else None
    if hides_a_step(plan):
        names = {token.text for token in prepared.statement.tokens} | inside.names
        unseen = unseen or await masked_among(connection, names, masks)
    derived = {str(node.get("CTE Name", node["Alias"])) for node in steps if is_derived(node)}
    relations = await _sensitive(connection, read, masks)
    documents = {name for one in relations.values() for name in one.documents}
    shown = {name for name, type_ in prepared.columns if has_keys(type_.leaf)}
    rule = key_rule(masks, tuple(sorted(documents | shown)) or ("",))
    taint = Taint(
        plan,
        relations,
        revealing={name: reason for name, reason in _OTHERS.items() if name in text}
        | (dict.fromkeys(inside.functions, inner) if inner else {}),
        columns_of=await _of_functions(connection, text),
        unseen=unseen,
        # Of a view's own subqueries, the statement tells nothing.
        names=await columns_of(connection, prepared.text, derived - inside.names),
        plain_values=has_only_literal_values(prepared.statement.tokens)
        and "values" not in inside.names,
        rule=rule,
    )
    traced = taint.outputs(len(prepared.columns))
    by_type, _ = await _of_fields(connection, (type_.oid for _, type_ in prepared.columns), masks)
    reasons = [
        reason
        or by_type.get(type_.oid)
        or (None if taint.is_column(at) else masks.reason("", "", name, type_.type))
        for at, (reason, (name, type_)) in enumerate(zip(traced, prepared.columns, strict=True))
    ]
    return Traced(reasons, rule, bool(documents) or "json" in text)


async def _of_functions(
    connection: asyncpg.Connection[Any], plan: str
) -> Mapping[str, Mapping[str, str | None]]:
    """Return the columns of the functions in a plan that show other sessions."""
    named = [name for name in _OF_OTHERS if name in plan]
    if not named:
        return {}
    rows = await connection.fetch(
        "SELECT p.proname::pg_catalog.text, p.proargnames FROM pg_catalog.pg_proc p"
        " WHERE p.proname OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.text[]::pg_catalog.name[])",
        named,
    )
    return {
        name: {column: _STATEMENTS if column == "query" else None for column in columns}
        for name, columns in rows
    }


async def _of_fields(
    connection: asyncpg.Connection[Any], types: Iterable[int], masks: Masks
) -> tuple[Mapping[int, str], Mapping[int, Sequence[str]]]:
    """Return which of the types, by their oids, have a field that is masked, and why.

    With it, the fields of each type that are not.
    """
    own = {oid for oid in types if oid >= _FIRST_OWN}
    rows = await fetch(connection, "inspect.query", "fields", types=[*own]) if own else []
    reasons = [masks.reason(r["schema"], r["name"], r["field"], r["type"]) for r in rows]
    found: dict[int, str] = {}
    for row, reason in zip(rows, reasons, strict=True):
        if reason is not None:
            found.setdefault(row["root"], f"{reason}, of its field {typed(row['field'])}")
    harmless: dict[int, list[str]] = {}
    for row, reason in zip(rows, reasons, strict=True):
        if row["is_own"] and reason is None and row["type_id"] not in found:
            harmless.setdefault(row["root"], []).append(row["field"])
    return found, harmless


async def masked_inside(
    connection: asyncpg.Connection[Any], inside: Inside, masks: Masks
) -> str | None:
    """Return why what functions read is masked, None where none of it is."""
    return await masked_among(connection, inside.read, masks)


async def masked_among(
    connection: asyncpg.Connection[Any], names: Collection[str], masks: Masks
) -> str | None:
    """Return why a column of a relation with one of these names is masked, None if none is."""
    if masks == NOTHING_MASKED or not names:
        return None
    named = await _sensitive(connection, {(None, name) for name in names}, masks)
    return next((one.any for one in named.values() if one.any), None)


async def masked_columns(
    connection: asyncpg.Connection[Any], names: Collection[str], masks: Masks
) -> set[str]:
    """Return the names of the masked columns of all relations with one of these names."""
    if masks == NOTHING_MASKED or not names:
        return set()
    named = await _sensitive(connection, {(None, name) for name in names}, masks)
    return {column for one in named.values() for column in one.reasons}


async def _sensitive(
    connection: asyncpg.Connection[Any],
    relations: Iterable[tuple[str | None, str]],
    masks: Masks,
) -> Mapping[tuple[str, str], Sensitive]:
    """Return what is sensitive of relations; of each with a name where the schema is None."""
    wanted = list(relations)
    rows = await fetch(
        connection,
        "inspect.query",
        "plan_columns",
        schemas=[schema for schema, _ in wanted],
        names=[name for _, name in wanted],
    )
    by_type, harmless = await _of_fields(connection, (row["type_id"] for row in rows), masks)
    found: dict[tuple[str, str], Sensitive] = {}
    kept: dict[tuple[str, str], int] = {}
    # Columns that are masked for more than a field of their type.
    whole: set[tuple[tuple[str, str], str]] = set()
    for row in rows:
        key = row["schema"], row["name"]
        sensitive = found.setdefault(key, Sensitive({}, set()))
        sensitive.columns.add(row["column"])
        if row["kept"] is not None:
            kept[key] = row["kept"]
        if row["schema"] == "pg_catalog":
            reason = _of_catalogue(row["name"], row["column"])
        else:
            reason = masks.reason(
                row["ancestor_schema"], row["ancestor"], row["origin"], row["type"]
            )
            if reason is None and (reason := by_type.get(row["type_id"])):
                for field in harmless.get(row["type_id"], ()):
                    sensitive.harmless.add((row["column"], field))
            elif reason is not None:
                whole.add((key, row["column"]))
        if row["type"] in _DOCUMENTS or row["type"].endswith("hstore"):
            sensitive.documents.add(row["column"])
        if reason is None and row["expression"] and (rule := key_rule(masks, (row["origin"],))):
            reason = hidden_key(list(tokenize(row["expression"])), rule)
        if reason is not None:
            sensitive.reasons.setdefault(row["column"], reason)
    for key, oid in kept.items():
        names = [row["column"] for row in rows if row["kept"] == oid]
        columns = list(dict.fromkeys(names))
        for column, reason in (await _origins(connection, oid, columns, masks)).items():
            found[key].reasons.setdefault(column, reason)
            whole.add((key, column))
    for key, column in whole:
        fields = found[key].harmless
        fields.difference_update([one for one in fields if one[0] == column])
    return found


async def _origins(
    connection: asyncpg.Connection[Any], oid: int, columns: Sequence[str], masks: Masks
) -> Mapping[str, str]:
    """Return which `columns` of a materialized view are masked.

    All are where its origin may not be read.
    """
    text = await connection.fetchval("SELECT pg_catalog.pg_get_viewdef($1::pg_catalog.oid)", oid)
    statement = parse_statement(text)
    try:
        async with connection.transaction():
            inside = await guard(connection, statement.tokens)
            prepared = await prepare(connection, statement)
            reasons = (await trace(connection, prepared, (), inside, masks)).reasons
    except (asyncpg.InsufficientPrivilegeError, RefusedError):
        return dict.fromkeys(columns, _UNKNOWN)
    return {n: reason for n, reason in zip(columns, reasons, strict=True) if reason}


def _of_catalogue(table: str, column: str) -> str | None:
    return next(
        (
            reason
            for (name, begin), reason in _CATALOGUE.items()
            if name == table and column.startswith(begin)
        ),
        None,
    )
