"""Plan what has to be unique: which column, or which combination, never repeats."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from dbctl.db.catalog import Column
from dbctl.db.names import listed
from dbctl.db.tables import Exclusion, ForeignKey, Unique
from dbctl.seed.generate.checks import Unknown
from dbctl.seed.generate.columns import Overrides, capacity_of, make_distinct, too_few
from dbctl.seed.generate.distinct import Distinct
from dbctl.seed.generate.expressions import Opaque, parse
from dbctl.seed.generate.limits import Kind, kind_of
from dbctl.seed.generate.links import Links
from dbctl.seed.generate.makers import OneToOne, Single
from dbctl.seed.generate.pairs import CountPart, JointPart, Pairs, ParentPart, Part, ValuePart
from dbctl.seed.generate.parents import Parents, rows_of
from dbctl.seed.generate.plan import TablePlan
from dbctl.seed.generate.unique_values import distinct_for
from dbctl.seed.generate.values import FEW

# What is best made different in every row, the best first.
_RANK = (
    Kind.UUID,
    Kind.TEXT,
    Kind.BYTES,
    Kind.INTEGER,
    Kind.NUMERIC,
    Kind.INET,
    Kind.RANGE,
    Kind.MULTIRANGE,
    Kind.TIMESTAMPTZ,
    Kind.TIMESTAMP,
    Kind.DATE,
    Kind.INTERVAL,
    Kind.TIME,
    Kind.BITS,
    Kind.JSON,
    Kind.FLOAT,
    Kind.OTHER,
    Kind.ENUM,
    Kind.BOOL,
)
# Functions of a text under which texts that differ by a number still differ.
_KEEPING = frozenset({"lower", "upper", "btrim", "ltrim", "rtrim"})
_RANGES = frozenset({Kind.RANGE, Kind.MULTIRANGE})
# More values than these are not a part of a key to be combined with another.
_FEW = 1000
_MANY = 30_000


async def plan_uniques(plan: TablePlan, links: Links, overrides: Overrides) -> None:
    """Make one column, or one combination, of each unique index different in every row.

    Raises OperationFailed where fewer rows are possible than are asked for.
    """
    for exclusion in plan.table.exclusions:
        _keep_apart(plan, exclusion, links, overrides)
    combined: list[set[str]] = []
    # The narrow ones first: what they make different serves the wider ones as well.
    for unique in sorted(plan.table.uniques, key=lambda u: (len(u.expressions), u.name)):
        columns = _columns(plan, unique)
        if columns is None:
            plan.unknown.append(
                Unknown(
                    "unique",
                    unique.name,
                    ", ".join(unique.expressions),
                    tuple(filter(None, unique.columns)),
                )
            )
            continue
        within = any(made <= set(columns) for made in combined)
        if not within and not any(_is_distinct(plan, name) for name in columns):
            await _make_unique(plan, links, overrides, unique, columns)
            combined.append(set(columns))


def _keep_apart(plan: TablePlan, exclusion: Exclusion, links: Links, overrides: Overrides) -> None:
    """Let the ranges of an exclusion constraint not overlap, the most frequent reason for one."""
    for name in exclusion.columns:
        if name is None or name in plan.makers or name in links.columns:
            continue
        column = plan.table.column(name)
        told = overrides.get((plan.table.label, name))
        if kind_of(column) in _RANGES and not column.is_array and told is None:
            make_distinct(plan, column, overrides, exclusion.name)
            return


def _columns(plan: TablePlan, unique: Unique) -> list[str] | None:
    """Return the columns whose difference makes the index's entries different.

    None where an expression is in it that only the server understands, and nothing else is
    different.
    """
    found: list[str] = []
    opaque = False
    for name, expression in zip(unique.columns, unique.expressions, strict=True):
        if name is not None:
            found.append(name)
            continue
        try:
            node = parse(expression)
        except Opaque:
            opaque = True
            continue
        while node.kind == "cast" or (node.kind == "call" and node.value in _KEEPING):
            node = node.arguments[0]
        if node.kind == "column" and kind_of(plan.table.column(node.value)) is Kind.TEXT:
            found.append(node.value)
        else:
            opaque = True
    if opaque and not any(_is_distinct(plan, name) for name in found):
        return None
    return found


def _is_label(plan: TablePlan, column: Column) -> bool:
    """Tell whether a text is one of a few, such as the type of what a row points at."""
    if kind_of(column) is not Kind.TEXT or column.is_array:
        return False
    return len(plan.scene.text_meaning(column).values()) <= FEW


def _is_distinct(plan: TablePlan, name: str) -> bool:
    maker = plan.makers.get(name)
    if isinstance(maker, Single):
        return maker.fixed and isinstance(maker.rule, Distinct)
    return isinstance(maker, OneToOne) and len(maker.columns) == 1


async def _make_unique(
    plan: TablePlan,
    links: Links,
    overrides: Overrides,
    unique: Unique,
    names: Sequence[str],
) -> None:
    table = plan.table
    free = [
        table.column(name)
        for name in names
        if name not in links.columns and name not in plan.makers
    ]
    free.sort(key=lambda column: (_is_label(plan, column), _RANK.index(kind_of(column))))
    inside = links.among(set(names) - plan.makers.keys())
    # The lines of an order, the versions of a document: counted anew for each parent.
    is_counted = bool(inside) and len(free) == 1 and kind_of(free[0]) is Kind.INTEGER
    if is_counted and await _pair(plan, links, unique, inside, [_counting(plan, free[0])]):
        return
    for column in free:
        capacity = capacity_of(plan, column)
        # A column that would do for some numbers of rows only is combined with others for all.
        if capacity is None or capacity >= max(plan.end, _MANY if len(names) > 1 else 0):
            make_distinct(plan, column, overrides, unique.name)
            return
    if inside and not free and len(inside[0].columns) == len(names):
        await links.one_to_one(inside[0], unique.name)
        return
    parts: list[Part] = [_few(plan, column) for column in free]
    if (inside or len(parts) > 1) and await _pair(plan, links, unique, inside, parts):
        return
    if len(free) == 1 and not inside:
        make_distinct(plan, free[0], overrides, unique.name)
        return
    plan.unknown.append(Unknown("unique", unique.name, ", ".join(unique.expressions), tuple(names)))


async def _pair(
    plan: TablePlan,
    links: Links,
    unique: Unique,
    keys: Sequence[ForeignKey],
    parts: Sequence[Part],
) -> bool:
    """Combine foreign keys and values to a key; tell whether there was something to combine."""
    taken: set[str] = set()
    pointed: list[tuple[ForeignKey, Parents]] = []
    for key in keys:
        if taken & set(key.columns):
            continue
        if (parents := await links.parents(key)) is not None:
            pointed.append((key, parents))
            taken |= set(key.columns)
    joined = [key for key in keys if set(key.columns) & taken and set(key.columns) - taken]
    if joined and len(pointed) == 1:
        return await _join(plan, links, unique, [pointed[0][0], *joined], parts)
    # The one with most rows comes first: it is the one that is spread unevenly.
    pointed.sort(key=lambda pair: -pair[1].count)
    fresh = any(parents.is_fresh for _, parents in pointed)
    if pointed and not fresh:
        # Those without a row yet, if they are enough: nothing can be there twice.
        key, _ = pointed[0]
        childless = await links.childless(key)
        others = [parents.count for _, parents in pointed[1:]] + [part.count or 1 for part in parts]
        if childless.count * prod(others) >= plan.count:
            pointed[0] = (key, childless)
            fresh = True
    every: list[Part] = [
        *(ParentPart(key.columns, parents) for key, parents in pointed),
        *sorted(parts, key=lambda part: -(part.count or 0)),
    ]
    if len(every) < 2:
        return False
    offset = plan.start if fresh else 0
    possible = prod(part.count or 1 for part in every)
    if possible < plan.end - offset:
        raise too_few(plan, unique.name, possible + offset)
    described = [links.describe(key, parents) for key, parents in pointed]
    values = [name for part in parts for name in part.columns]
    plan.add(
        Pairs(
            every,
            plan.end - offset,
            offset,
            # As many rows as are asked for are in the heads, two thirds of them in the first one;
            # parents that were there already may get more of them in another run.
            600 * plan.count // (every[0].count or 1) if fresh else 1000,
            f"each combination once ({unique.name}): {', '.join([*described, *values])}",
            plan.scene.seed,
            plan.table.label,
            unique.name,
        )
    )
    return True


async def _join(
    plan: TablePlan,
    links: Links,
    unique: Unique,
    keys: Sequence[ForeignKey],
    parts: Sequence[Part],
) -> bool:
    """Combine foreign keys that share columns, such as the tenant of both sides of a link."""
    first, *others = keys
    shared = [name for name in first.columns if all(name in key.columns for key in others)]
    columns = [*first.columns]
    for key in others:
        own = [name for name in key.columns if name not in shared]
        if set(own) & set(columns):
            return False
        columns += own
    found = [await links.parents(key) for key in keys]
    parents = [one for one in found if one is not None]
    if len(parents) < len(keys) or not shared:
        return False
    fresh = any(one.is_fresh for one in parents)
    if not fresh:
        childless = await links.childless(first)
        alone = _joint(keys, shared, columns, [childless, *parents[1:]])
        if (alone.count or 0) >= plan.count:
            parents[0], fresh = childless, True
    joint = _joint(keys, shared, columns, parents)
    every: list[Part] = [joint, *parts]
    offset = plan.start if fresh else 0
    possible = prod(part.count or 0 for part in every)
    if possible < plan.end - offset:
        raise too_few(plan, unique.name, possible + offset)
    described = [links.describe(key, one) for key, one in zip(keys, parents, strict=True)]
    plan.add(
        Pairs(
            every,
            plan.end - offset,
            offset,
            1000,
            f"each combination once ({unique.name}): {', '.join(described)}, "
            f"of the same {listed(shared)}",
            plan.scene.seed,
            plan.table.label,
            unique.name,
        )
    )
    return True


def _joint(
    keys: Sequence[ForeignKey],
    shared: Sequence[str],
    columns: Sequence[str],
    parents: Sequence[Parents],
) -> JointPart:
    """Put the parents together that have the same values where the foreign keys share columns."""
    sides: list[dict[tuple[object, ...], list[tuple[object, ...]]]] = []
    for which, (key, one) in enumerate(zip(keys, parents, strict=True)):
        own = [name for name in key.columns if which == 0 or name not in shared]
        side: dict[tuple[object, ...], list[tuple[object, ...]]] = {}
        for row in rows_of(one):
            values = dict(zip(key.columns, row, strict=True))
            side.setdefault(tuple(values[name] for name in shared), []).append(
                tuple(values[name] for name in own)
            )
        sides.append(side)
    return JointPart(
        columns,
        [[side[value] for side in sides] for value in sides[0] if all(value in s for s in sides)],
    )


def _counting(plan: TablePlan, column: Column) -> Part:
    capacity = capacity_of(plan, column) or 1
    limits = plan.checks.limits[column.name]
    first = 1 if limits.low is None or limits.low <= 1 else limits.low
    if limits.above is not None:
        first = max(first, limits.above + 1)
    return CountPart(column.name, first, capacity)


def _few(plan: TablePlan, column: Column) -> Part:
    """Return all values of a column that has few, for a key of several parts."""
    rule = distinct_for(plan.scene, column, plan.checks.limits[column.name])
    count = 0 if rule is None else min(rule.capacity or _FEW, 100_000)
    return ValuePart(column.name, [] if rule is None else rule.at(range(count)))
