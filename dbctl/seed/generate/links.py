"""Plan the foreign keys of a table: which rows they point at, and how the children spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.names import listed, typed
from dbctl.db.tables import ForeignKey
from dbctl.errors import OperationFailed, UsageError
from dbctl.seed.generate.makers import Fitted, Matched, OneToOne, Reference, Single
from dbctl.seed.generate.order import may_be_null
from dbctl.seed.generate.overrides import Override
from dbctl.seed.generate.pairs import Pairs
from dbctl.seed.generate.parents import Known, Made, Parents, rows_of
from dbctl.seed.generate.plan import TablePlan
from dbctl.seed.generate.rules import Constant
from dbctl.seed.generate.survey import SAMPLE, keys_of, target_of
from dbctl.seed.generate.trees import CountedTree, NearTree, Tree

_NULLS = 0.2
_ROOTS = 0.1


class Links:
    """The foreign keys of one table while it is planned.

    `plans` are those of all tables of the run, by oid.
    """

    def __init__(
        self,
        connection: AsyncConnection,
        plan: TablePlan,
        plans: Mapping[int, TablePlan],
        empty: frozenset[tuple[int, str]],
        overrides: Mapping[tuple[str, str], Override],
    ) -> None:
        self._connection = connection
        self._plan = plan
        self._plans = plans
        self._overrides = overrides
        self.keys: list[ForeignKey] = []
        self.trees: list[ForeignKey] = []
        seen: set[tuple[str, ...]] = set()
        for key in plan.table.foreign_keys:
            if key.columns in seen:
                continue
            seen.add(key.columns)
            if any((plan.table.label, c) in overrides and overrides[plan.table.label, c].kind
                   for c in key.columns):  # fmt: skip
                continue  # the project knows what to write there
            if (plan.table.relation.oid, key.name) in empty:
                self._leave_empty(key, "closes a cycle of tables")
            elif key.target_oid == plan.table.relation.oid:
                self.trees.append(key)
            else:
                self.keys.append(key)

    @property
    def columns(self) -> set[str]:
        """The columns of all foreign keys that are to be planned."""
        return {column for key in (*self.keys, *self.trees) for column in key.columns}

    def among(self, columns: set[str]) -> list[ForeignKey]:
        """Return the foreign keys that are wholly within `columns`, the widest first."""
        inside = [key for key in self.keys if set(key.columns) <= columns]
        return sorted(inside, key=lambda key: (-len(key.columns), key.name))

    def groups(self) -> list[list[ForeignKey]]:
        """Return the foreign keys that are not planned yet, those that share columns together."""
        groups: list[list[ForeignKey]] = []
        for key in sorted(self.keys, key=lambda key: (-len(key.columns), key.name)):
            if set(key.columns) <= self._plan.makers.keys():
                continue
            joined = [g for g in groups if any(set(k.columns) & set(key.columns) for k in g)]
            groups = [group for group in groups if group not in joined]
            groups.append([*(member for group in joined for member in group), key])
        return groups

    async def parents(self, key: ForeignKey, *, unused: bool = False) -> Parents | None:
        """Return the rows that a foreign key may point at; None where it stays NULL.

        Raises UsageError where there is none and it must.
        """
        target = self._plans.get(key.target_oid)
        if target is not None:
            unknown = [c for c in key.target_columns if c in target.server.keys() - target.makers]
            if unknown:
                raise OperationFailed(
                    f"{target_of(key)}.{unknown[0]} is left to the server, and {key.name} of "
                    f"{self._plan.table.label} has to point at it",
                    hint="Do not tell it to be skipped, or say how to make it in "
                    "[tool.dbctl.generate].",
                )
            target.scatter(key.target_columns)
            columns = key.target_columns
            return Made(lambda numbers: target.at(columns, numbers), target.start, target.count)
        known = Known(
            await keys_of(
                self._connection,
                key.target_schema,
                key.target_name,
                key.target_columns,
                limit=max(SAMPLE, self._plan.count) if unused else SAMPLE,
                without=(self._plan.table, key.columns) if unused else None,
            )
        )
        if known.count:
            return known
        if may_be_null(self._plan.table, key):
            self._leave_empty(key, f"{target_of(key)} has no row to point at")
            return None
        name = typed(key.target_name)
        if unused:
            raise UsageError(
                f"every row of {target_of(key)} has its one {self._plan.table.label} already",
                hint=f"Add {name}=N to the command.",
            )
        raise UsageError(
            f"{target_of(key)} is empty and not among the tables, and {key.name} of "
            f"{self._plan.table.label} has to point at a row of it",
            hint=f"Add {name}=N to the command.",
        )

    async def childless(self, key: ForeignKey) -> Parents:
        """Return the rows in the database that no row of the table points at by this key."""
        return Known(
            await keys_of(
                self._connection,
                key.target_schema,
                key.target_name,
                key.target_columns,
                without=(self._plan.table, key.columns),
            )
        )

    async def plan(self, group: Sequence[ForeignKey]) -> None:
        """Plan foreign keys that share columns, or one that shares none.

        Raises UsageError where there is nothing to point at.
        """
        found = [(key, parents) for key in group if (parents := await self.parents(key))]
        found = [pair for pair in found if not set(pair[0].columns) <= self._plan.makers.keys()]
        if len(found) == 1:
            key, parents = found[0]
            if not set(key.columns) & self._plan.makers.keys():
                self._plan.add(
                    Reference(
                        key.columns,
                        parents,
                        f"{self.describe(key, parents)}, skewed",
                        nulls=self._nulls(key),
                        uniform=self._is_uniform(key),
                    )
                )
                return
        for key, parents in found:
            if set(key.columns) & self._plan.makers.keys():
                self._fit(key, parents)
        rest = [pair for pair in found if not set(pair[0].columns) <= self._plan.makers.keys()]
        if rest:
            self._match(rest)

    async def one_to_one(self, key: ForeignKey, why: str) -> None:
        """Give each row a parent of its own.

        Raises OperationFailed where there are too few.
        """
        parents = await self.parents(key, unused=True)
        plan = self._plan
        if parents is None:
            return
        nullable = all(plan.table.column(name).nullable for name in key.columns)
        if parents.count < plan.count and not nullable:
            raise OperationFailed(
                f"{why} of {plan.table.label} allows one row for each of {target_of(key)}: "
                f"{parents.count} are possible, and {plan.count} are asked for",
                hint=f"Ask for {parents.count} at most, or for more of {target_of(key)}.",
            )
        plan.add(
            OneToOne(
                key.columns,
                parents,
                f"{self.describe(key, parents)}, one each",
                plan.start,
                plan.scene.seed,
                plan.table.label,
                key.name,
            )
        )

    def tree(self, key: ForeignKey) -> None:
        """Plan a foreign key of the table to itself."""
        plan = self._plan
        nullable = may_be_null(plan.table, key)
        nulls = _ROOTS if all(plan.table.column(c).nullable for c in key.columns) else 0.0
        shared = [place for place, c in enumerate(key.columns) if c in plan.makers]
        free = [place for place in range(len(key.columns)) if place not in shared]
        if shared and len(free) == 1 and nullable:
            counted = key.target_columns[free[0]]
            maker = plan.makers.get(counted)
            first = maker.first_of(counted) if isinstance(maker, Pairs) else None
            if first is not None:
                plan.add(
                    CountedTree(
                        key.columns[free[0]],
                        counted,
                        first,
                        f"an earlier {counted}, NULL for the first",
                    )
                )
                return
        if shared:
            plan.add(
                NearTree(
                    key.columns,
                    key.target_columns,
                    shared,
                    f"an earlier row of the same {listed([key.columns[n] for n in shared])}",
                    plan.start,
                    nullable=nullable,
                )
            )
            return
        plan.scatter(key.target_columns)
        parents = Made(lambda numbers: plan.at(key.target_columns, numbers), plan.start, plan.count)
        share = f", NULL in {nulls:.0%}" if nulls else "; the first row is its own"
        plan.add(Tree(key.columns, parents, f"an earlier row{share}", plan.start, nulls=nulls))

    def describe(self, key: ForeignKey, parents: Parents) -> str:
        """Say in a few words where a foreign key points at."""
        which = "new" if parents.is_fresh else "existing"
        return f"{target_of(key)} ({parents.count} {which} rows)"

    def _fit(self, key: ForeignKey, parents: Parents) -> None:
        """Plan a foreign key some columns of which are made already."""
        plan = self._plan
        shared = [name for name in key.columns if name in plan.makers]
        free = [name for name in key.columns if name not in plan.makers]
        if not free:
            return
        fitting: dict[object, list[tuple[object, ...]]] = {}
        for row in rows_of(parents):
            values = dict(zip(key.columns, row, strict=True))
            fitting.setdefault(tuple(values[name] for name in shared), []).append(
                tuple(values[name] for name in free)
            )
        plan.add(
            Fitted(
                free,
                shared,
                fitting,
                f"{self.describe(key, parents)}, such that {listed(shared)} fits",
                nullable=all(plan.table.column(name).nullable for name in free),
            )
        )

    def _match(self, found: Sequence[tuple[ForeignKey, Parents]]) -> None:
        """Plan foreign keys that share columns: draw the widest, and let the others fit it."""
        (driver, parents), *rest = found
        plan = self._plan
        rows = rows_of(parents)
        have = list(driver.columns)
        others = []
        for key, other in rest:
            shared = [name for name in key.columns if name in have]
            fitting: dict[object, list[tuple[object, ...]]] = {}
            free = [name for name in key.columns if name not in have]
            for row in rows_of(other):
                values = dict(zip(key.columns, row, strict=True))
                fitting.setdefault(tuple(values[name] for name in shared), []).append(
                    tuple(values[name] for name in free)
                )
            if not set(shared) <= set(driver.columns):
                raise OperationFailed(
                    f"{key.name} of {plan.table.label} shares columns with foreign keys in a row",
                    hint="Say how to make its columns in [tool.dbctl.generate].",
                )
            places = [driver.columns.index(name) for name in shared]
            rows = [row for row in rows if tuple(row[place] for place in places) in fitting]
            others.append((places, free, fitting))
            have += free
        if not rows:
            names = listed([key.name for key, _ in found])
            raise OperationFailed(
                f"{names} of {plan.table.label} share columns, and no parents fit each other",
                hint=f"Make more of {listed([target_of(key) for key, _ in found])}.",
            )
        names = listed([target_of(key) for key, _ in found])
        plan.add(Matched(driver.columns, rows, others, f"{names}, such that they fit"))

    def _leave_empty(self, key: ForeignKey, why: str) -> None:
        """Let the columns of a foreign key be NULL, those that may."""
        plan = self._plan
        for name in key.columns:
            if plan.table.column(name).nullable and name not in plan.makers:
                plan.add(Single(name, Constant(None, f"NULL: {why}")))
        plan.notes.append(f"{', '.join(key.columns)} stays NULL: {why} ({key.name})")

    def _nulls(self, key: ForeignKey) -> float:
        columns = [self._plan.table.column(name) for name in key.columns]
        told = [
            said.null
            for column in columns
            if (said := self._overrides.get((self._plan.table.label, column.name))) is not None
            and said.null is not None
        ]
        if told:
            return float(told[0])
        limits = self._plan.checks.limits
        free = all(column.nullable and not limits[column.name].not_null for column in columns)
        return _NULLS if free else 0.0

    def _is_uniform(self, key: ForeignKey) -> bool:
        return any(
            said.distribution == "uniform"
            for name in key.columns
            if (said := self._overrides.get((self._plan.table.label, name))) is not None
        )
