"""The operation behind `inspect rows --sample`: some rows at random, of a huge table too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from dbctl.inspect.data.cost import Guard, estimated
from dbctl.inspect.data.results import RowsResult
from dbctl.inspect.data.selection import Parameters, Selection, select
from dbctl.inspect.data.source import Answer, Source
from dbctl.inspect.masking import Masks

# TABLESAMPLE takes nothing else.
_SAMPLED = frozenset({"table", "partitioned table", "partition", "materialized view"})
# The planner's cost of a scan that is over in an instant: some hundred thousand rows.
_QUICK = 10_000.0
# Of a larger table whole pages are taken at random. Rows of one page were often written together,
# so that there are many more of them than wanted, to choose from.
_MORE = 20
_AT_LEAST = 2_000


async def find_sample(
    connection: asyncpg.Connection[Any],
    name: str,
    size: int,
    *,
    columns: Sequence[str] = (),
    where: Sequence[str] = (),
    seed: int | None = None,
    masks: Masks,
    guard: Guard,
) -> Answer[RowsResult]:
    """Find up to `size` rows at random of those that `where` leaves.

    With a `seed` they are the same ones each time, while the table stays as it is. Of a large table
    they come from pages at random, and may be fewer than `size` where few rows pass the filters.
    Raises what `rows.find_rows` raises.
    """
    selection = await select(connection, name, columns=columns, where=where, masks=masks)
    share = await _share(connection, selection, size)
    parameters = Parameters()
    tail = selection.source(parameters, sampled=_sampled(share, seed))
    if seed is None:
        chance = "pg_catalog.random()"
    else:
        text = "CAST(r.* AS pg_catalog.text)"
        chance = f"pg_catalog.hashtextextended({text}, {parameters.bind(seed)})"
    tail += f" ORDER BY {chance} LIMIT {size:d}"
    source = Source(selection.fields, tail, parameters.values)
    await guard.check(connection, source.statement(None), source.parameters, has_limit=False)
    blank = RowsResult(
        table=selection.relation.label, headers=selection.headers, limit=size, sample=True
    )
    return Answer(source, blank, private=selection.private)


async def _share(
    connection: asyncpg.Connection[Any], selection: Selection, size: int
) -> float | None:
    """Return the percentage of the pages to look at, None for all of them."""
    if selection.relation.kind not in _SAMPLED:
        return None
    parameters = Parameters()
    statement = f"SELECT {selection.source(parameters)}"
    estimate = await estimated(connection, statement, parameters.values)
    if estimate.cost <= _QUICK:
        return None
    share = 100 * max(size * _MORE, _AT_LEAST) / max(estimate.rows, 1)
    return share if share < 100 else None


def _sampled(share: float | None, seed: int | None) -> str:
    if share is None:
        return ""
    repeatable = "" if seed is None else f" REPEATABLE ({seed:d})"
    return f" TABLESAMPLE SYSTEM ({share:.6f}){repeatable}"
