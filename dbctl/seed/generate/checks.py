"""The checks of a table: which ones the rules satisfy by themselves, and the repair of the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from dbctl.db.catalog import Column
from dbctl.db.tables import Table
from dbctl.errors import OperationFailed
from dbctl.seed.generate.bounds import narrowed
from dbctl.seed.generate.evaluation import compiled, computed, ordered_columns
from dbctl.seed.generate.expressions import Node, Opaque, conjuncts, parse, parse_definition
from dbctl.seed.generate.limits import Kind, Limits, kind_of, limits_of
from dbctl.seed.generate.randomness import Batch

_ROUNDS = 16


@dataclass(frozen=True, slots=True)
class Test:
    """A check that can be evaluated here; `failing` takes the columns and returns the rows."""

    __test__ = False

    name: str
    expression: str
    columns: tuple[str, ...]
    failing: Callable[[Sequence[Any]], list[int]]

    def fails(self, made: Mapping[str, Sequence[object]]) -> list[int]:
        """Return the rows that do not satisfy it."""
        return self.failing([made[column] for column in self.columns])


@dataclass(frozen=True, slots=True)
class Unknown:
    """A constraint that only the server can judge: `kind` is check, unique or exclusion."""

    kind: str
    name: str
    expression: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Formula:
    """What a check says that a column is: `values` takes the columns and returns its values."""

    expression: str
    columns: tuple[str, ...]
    values: Callable[[Sequence[Any]], list[Any]]


@dataclass(frozen=True, slots=True)
class Checks:
    """All that the checks of a table come down to.

    `tests` are to be evaluated for every row, `of_column` to choose the rule of a column: they are
    those of one column alone, also where the limits say it all. `equal` are the columns that have
    to be what a formula over others gives.
    """

    limits: Mapping[str, Limits]
    tests: tuple[Test, ...]
    of_column: Mapping[str, tuple[Test, ...]]
    unknown: tuple[Unknown, ...]
    equal: Mapping[str, Formula]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that more than one column's check reads."""
        return tuple({name: None for test in self.tests for name in test.columns})


def read_checks(table: Table) -> Checks:
    """Read the checks of a table and of its columns' domains."""
    limits = {column.name: limits_of(column) for column in table.columns}
    columns = {column.name: column for column in table.columns}
    tests: list[Test] = []
    single: dict[str, list[Test]] = {}
    unknown: list[Unknown] = []
    equal: dict[str, Formula] = {}

    def take(name: str, text: str, reads: tuple[str, ...], read: Callable[[], Node]) -> None:
        complete = False
        try:
            node = read()
            only = ordered_columns(node) if len(set(node.columns())) == 1 else ()
            for column in only:
                limits[column], complete = narrowed(limits[column], node, columns[column])
            test = Test(name, text, ordered_columns(node), compiled(node, columns))
        except Opaque:
            if not complete:
                unknown.append(Unknown("check", name, text, reads))
            return
        if not complete:
            tests.append(test)
            equal.update(_formulas(node, text, columns, equal))
        for column in only:
            single.setdefault(column, []).append(test)

    for column in table.columns:
        for text in column.domain_checks:
            if column.is_array:
                unknown.append(Unknown("check", column.type, text, (column.name,)))
                continue
            take(
                f"domain {column.type}",
                text,
                (column.name,),
                lambda text=text, column=column: parse_definition(text, value=column.name),  # type: ignore[misc]
            )
    for check in table.checks:
        take(
            check.name,
            check.expression,
            check.columns,
            lambda check=check: parse(check.expression),  # type: ignore[misc]
        )
    # What a formula gives keeps no limits by itself.
    tests += [test for name in equal for test in single.get(name, ()) if test not in tests]
    return Checks(
        limits,
        tuple(tests),
        {name: tuple(found) for name, found in single.items()},
        tuple(unknown),
        equal,
    )


def _formulas(
    node: Node, text: str, columns: Mapping[str, Column], known: Mapping[str, Formula]
) -> dict[str, Formula]:
    """Return the columns that a check calculates from others, which are not calculated."""
    found: dict[str, Formula] = {}
    for part in conjuncts(node):
        if part.kind != "compare" or part.value != "=":
            continue
        for target, other in (part.arguments, part.arguments[::-1]):
            reads = set(other.columns())
            taken = {**known, **found}
            used = {name for formula in taken.values() for name in formula.columns}
            if (
                target.kind != "column"
                or other.kind not in _CALCULATED
                or not reads
                or reads & {target.value, *taken}
                or target.value in {*taken, *used}
                or any(columns[name].generated is not None for name in (target.value, *reads))
            ):
                continue
            formula = _formula(other, text, columns[target.value], columns)
            if formula is not None:
                found[target.value] = formula
                break
    return found


_CALCULATED = frozenset({"operator", "call"})


def _formula(
    node: Node, text: str, column: Column, columns: Mapping[str, Column]
) -> Formula | None:
    try:
        values, kind, nullable = computed(node, columns)
    except Opaque:
        return None
    wanted = kind_of(column)
    if column.is_array or (nullable and not column.nullable):
        return None
    if wanted is Kind.NUMERIC and kind in {Kind.INTEGER, Kind.NUMERIC}:
        scale = column.scale

        def rounded(made: Sequence[Any]) -> list[Any]:
            exact = (None if value is None else Decimal(value) for value in values(made))
            if scale is None:
                return list(exact)
            step = Decimal(1).scaleb(-scale)
            return [
                None if value is None else value.quantize(step, ROUND_HALF_UP) for value in exact
            ]

        return Formula(text, ordered_columns(node), rounded)
    if wanted is not kind or wanted is Kind.BOOL:
        return None
    return Formula(text, ordered_columns(node), values)


class Repair:
    """Exchange the values of rows that fail for those of rows that do not.

    A row gets all columns of `moved` from another one of its batch: what remains is distributed as
    if the failing rows had been drawn again.
    """

    def __init__(
        self, label: str, tests: Sequence[Test], moved: Sequence[str], *, kept: bool
    ) -> None:
        self.tests = tuple(tests)
        self.moved = tuple(moved)
        self._label = label
        self._again = kept
        self._purpose = f"repair of {' '.join(test.name for test in tests)}"

    def apply(self, batch: Batch) -> None:
        """Repair the rows of a batch.

        Raises OperationFailed where they cannot be.
        """
        failing = self._failing(batch.made)
        if not failing:
            return
        made: dict[str, list[object]] = {name: list(batch.made[name]) for name in self.moved}
        batch.made.update(made)
        for turn in range(_ROUNDS):
            bad = set(failing)
            good = [row for row in range(len(batch.numbers)) if row not in bad]
            if not good or not made:
                break
            bits, count = batch.bits32(self._purpose, str(turn)), len(good)
            exchanged = [(row, good[bits[row] * count >> 32]) for row in failing]
            for values in made.values():
                for row, donor in exchanged:
                    values[row] = values[donor]
            if not self._again:
                return
            failing = self._failing(batch.made)
            if not failing:
                return
        row = failing[0]
        test = next(test for test in self.tests if row in test.fails(batch.made))
        raise unsatisfied(self._label, [test])

    def _failing(self, made: Mapping[str, Sequence[object]]) -> list[int]:
        if len(self.tests) == 1:
            return self.tests[0].fails(made)
        return sorted({row for test in self.tests for row in test.fails(made)})


def unsatisfied(label: str, tests: Sequence[Test | Unknown]) -> OperationFailed:
    """Describe which constraints the rows that can be made do not satisfy."""
    lines = [f"{test.name}: {test.expression}" for test in tests]
    columns = sorted({column for test in tests for column in test.columns}) or ["COLUMN"]
    return OperationFailed(
        f"no rows for {label} that satisfy\n" + "\n".join(f"  {line}" for line in lines),
        hint="Say how to make them in [tool.dbctl.generate]: "
        + "; ".join(
            f'"{label}.{column}" = {{ python = "module:function" }}' for column in columns[:3]
        )
        + ", or choices, pattern, min and max.",
    )


def repairs(
    label: str,
    tests: Sequence[Test],
    linked: Callable[[set[str]], set[str]],
    fixed: Callable[[str], bool],
) -> list[Repair]:
    """Put tests that share columns together, as the repair of one might break the other.

    `linked` adds the columns that go with others, `fixed` tells which ones cannot be exchanged.
    """
    groups: list[tuple[list[Test], set[str]]] = []
    for test in tests:
        columns = linked(set(test.columns))
        joined = [group for group in groups if group[1] & columns]
        groups = [group for group in groups if not group[1] & columns]
        members = [member for group in joined for member in group[0]]
        groups.append(([*members, test], columns.union(*(group[1] for group in joined))))
    return [
        Repair(
            label,
            members,
            sorted(column for column in columns if not fixed(column)),
            kept=any(fixed(column) for column in columns),
        )
        for members, columns in groups
    ]


def passing(tests: Sequence[Test], column: Column, values: Sequence[object]) -> list[bool]:
    """Tell for each value of a column whether it satisfies the tests of that column alone."""
    bad = {row for test in tests for row in test.fails({column.name: values})}
    return [row not in bad for row in range(len(values))]
