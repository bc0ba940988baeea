"""Which columns of a result come from a column that is masked.

The server resolves the names: it tells the plan of the statement, and of each step of it what it
puts out, with views, aliases and most subqueries dissolved. What a step hides is taken to hide
whatever is sensitive below it: in doubt a column is masked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import asyncpg

from dbctl.db.catalog import fetch
from dbctl.inspect.masking import NOTHING_MASKED, Masks
from dbctl.inspect.query.guard import Inside
from dbctl.inspect.query.plan import Node, flatten
from dbctl.inspect.query.preparing import Prepared
from dbctl.inspect.query.taint import Sensitive, Taint

# Of the catalogue, what holds values of other tables, or secrets.
_CATALOGUE = {
    ("pg_statistic", "stavalues"): "samples of the values of other columns",
    ("pg_statistic_ext_data", "stxdmcv"): "samples of the values of other columns",
    ("pg_statistic_ext_data", "stxdexpr"): "samples of the values of other columns",
    ("pg_authid", "rolpassword"): "passwords of roles",
    ("pg_user_mapping", "umoptions"): "passwords of foreign servers",
    ("pg_subscription", "subconninfo"): "passwords of other servers",
}


async def masked_columns(
    connection: asyncpg.Connection[Any],
    prepared: Prepared,
    parameters: Sequence[str | None],
    inside: Inside,
    masks: Masks,
) -> list[str | None]:
    """Return for each column of the result why it is masked, None where it is not.

    `inside` is what the plan does not show: the result of a function that names a relation with a
    masked column is masked.
    """
    if masks == NOTHING_MASKED or not prepared.columns:
        return [None] * len(prepared.columns)
    explain = f"EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) {prepared.text}"
    plan: Node = json.loads(await connection.fetchval(explain, *parameters))[0]["Plan"]
    read = {(n["Schema"], n["Relation Name"]) for n in flatten(plan) if "Relation Name" in n}
    relations = await _sensitive(connection, read, masks)
    revealing: dict[str, str] = {}
    if inside.functions:
        named = await _sensitive(connection, {(None, name) for name in inside.names}, masks)
        reason = next((one.any for one in named.values() if one.any), None)
        revealing = dict.fromkeys(inside.functions, reason) if reason else {}
    taint = Taint(plan, relations, revealing)
    traced = taint.outputs(len(prepared.columns))
    return [
        reason or (None if taint.is_column(at) else masks.reason("", "", name, type_.type))
        for at, (reason, (name, type_)) in enumerate(zip(traced, prepared.columns, strict=True))
    ]


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
    found: dict[tuple[str, str], Sensitive] = {}
    for row in rows:
        sensitive = found.setdefault((row["schema"], row["name"]), Sensitive({}, set()))
        sensitive.columns.add(row["column"])
        if row["schema"] == "pg_catalog":
            reason = _of_catalogue(row["name"], row["column"])
        else:
            reason = masks.reason(
                row["ancestor_schema"], row["ancestor"], row["column"], row["type"]
            )
        if reason is not None:
            sensitive.reasons.setdefault(row["column"], reason)
    return found


def _of_catalogue(table: str, column: str) -> str | None:
    return next(
        (
            reason
            for (name, begin), reason in _CATALOGUE.items()
            if name == table and column.startswith(begin)
        ),
        None,
    )
