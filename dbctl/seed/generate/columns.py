"""Choose the rule of a column: what the project tells, what it means, what its checks allow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from dbctl.db.catalog import Column
from dbctl.errors import ConfigurationError, OperationFailed
from dbctl.seed.generate.checks import Test, passing, unsatisfied
from dbctl.seed.generate.distinct import Distinct, Numbered
from dbctl.seed.generate.limits import Kind, Limits, kind_of
from dbctl.seed.generate.makers import Single
from dbctl.seed.generate.meaning import words_of
from dbctl.seed.generate.overrides import Override
from dbctl.seed.generate.plan import TablePlan
from dbctl.seed.generate.randomness import Batch
from dbctl.seed.generate.rules import Calculated, Choice, Constant, Integers, Rule, SometimesNull
from dbctl.seed.generate.told import limited, told_rule
from dbctl.seed.generate.unique_values import distinct_for
from dbctl.seed.generate.values import rule_for

_SAMPLE = 512
_RARE = frozenset(
    ["deleted", "archived", "cancelled", "canceled", "banned", "revoked", "locked", "removed"]
)
_SOMETIMES = frozenset(
    ["completed", "finished", "closed", "resolved", "shipped", "paid", "read", "sent"]
)
# What a check may ask of the letters.
_CASES: tuple[Callable[[str], str], ...] = (str.lower, str.upper, str.title, str.strip)

type Overrides = Mapping[tuple[str, str], Override]


def where(plan: TablePlan, column: Column) -> str:
    """Return how an error names a column that the project says something about."""
    return f"{plan.table.label}.{column.name}"


def make_column(plan: TablePlan, column: Column, overrides: Overrides) -> None:
    """Let a rule make a column that need not be unique, or leave it to the server.

    Raises OperationFailed where no rule satisfies its checks or suits its type.
    """
    said = overrides.get((plan.table.label, column.name))
    if said is not None and said.skip:
        plan.server[column.name] = "skipped, as told"
        return
    if said is None and (reason := _left_to_server(plan, column)) is not None:
        plan.server[column.name] = reason
        return
    limits = plan.checks.limits[column.name]
    formula = plan.checks.equal.get(column.name)
    if said is None and formula is not None and _is_made(plan, formula.columns, overrides):
        plan.add(
            Single(
                column.name,
                Calculated(f"calculated: {formula.expression}", formula.columns, formula.values),
            )
        )
        return
    told = None
    if said is not None:
        limits = limited(said, column, limits, where(plan, column))
        told = told_rule(said, plan.scene, column, limits, where(plan, column))
        if said.unique and told is None:
            make_distinct(plan, column, overrides, "as told")
            return
    if isinstance(told, Numbered):
        plan.add(Single(column.name, told, fixed=True))
        return
    tests = plan.checks.of_column.get(column.name, ())
    rule = _suitable(plan, column, tests, _candidates(plan, column, limits, told))
    if rule is None:
        _without_rule(plan, column, limits, tests, told)
        return
    share = _null_share(plan, column, limits, said)
    plan.add(Single(column.name, SometimesNull(rule, share) if share else rule))


def make_distinct(plan: TablePlan, column: Column, overrides: Overrides, why: str) -> None:
    """Let a rule make a column whose values never repeat; `why` names the constraint.

    Raises OperationFailed where there are too few values.
    """
    said = overrides.get((plan.table.label, column.name))
    limits = plan.checks.limits[column.name]
    rules: list[Distinct] = []
    if said is not None:
        limits = limited(said, column, limits, where(plan, column))
        told = told_rule(
            said.model_copy(update={"unique": True}),
            plan.scene,
            column,
            limits,
            where(plan, column),
        )
        if told is not None and said.kind != "python" and not isinstance(told, Distinct):
            raise ConfigurationError(
                f"{where(plan, column)}: {said.kind} gives the same value to several rows, and "
                f"{why} allows each once",
                hint="Tell choices, a pattern with {n}, or a function whose values differ.",
            )
        if told is not None:
            capacity = told.capacity if isinstance(told, Distinct) else None
            if capacity is not None and capacity < plan.end:
                raise too_few(plan, why, capacity)
            plan.add(Single(column.name, told, fixed=True))
            return
    made = distinct_for(plan.scene, column, limits)
    if made is not None:
        rules.append(made)
        if kind_of(column) is Kind.TEXT and not column.is_array:
            rules += [_cased(made, case) for case in _CASES]
    tests = plan.checks.of_column.get(column.name, ())
    numbers = _sample_of(plan)
    for rule in rules:
        if rule.capacity is not None and rule.capacity < plan.end:
            raise too_few(plan, why, rule.capacity)
        if all(passing(tests, column, rule.at(numbers))):
            plan.add(Single(column.name, rule, fixed=True))
            return
    if not rules:
        raise OperationFailed(
            f"{where(plan, column)}: no rule for different values of type {column.type} ({why})",
            hint=_tell(plan, column),
        )
    raise unsatisfied(plan.table.label, tests)


def capacity_of(plan: TablePlan, column: Column) -> int | None:
    """Return how many different values a column can have; None where they do not end."""
    rule = distinct_for(plan.scene, column, plan.checks.limits[column.name])
    return 0 if rule is None else rule.capacity


def too_few(plan: TablePlan, why: str, possible: int) -> OperationFailed:
    """Say that a constraint allows fewer rows than are asked for."""
    left = max(possible - plan.start, 0)
    return OperationFailed(
        f"{why} of {plan.table.label} allows {left} more rows, and {plan.count} are asked for",
        hint=f"Ask for {left} at most, or widen what it is about."
        if left
        else "All that is possible is there, or `--start` is too great.",
    )


def _cased(rule: Distinct, case: Callable[[str], str]) -> Distinct:
    return Numbered(
        f"{rule.summary}, {case.__name__}", lambda n: case(str(rule.at((n,))[0])), rule.capacity
    )


def _sample_of(plan: TablePlan) -> range:
    """Return numbers from all over the rows that are to be made."""
    return range(plan.start, plan.end, max(plan.count // _SAMPLE, 1))


def _candidates(
    plan: TablePlan, column: Column, limits: Limits, told: Rule | Distinct | None
) -> Iterator[Rule]:
    if told is not None:
        yield told
        return
    rule = rule_for(plan.scene, column, limits)
    if rule is None:
        return
    yield rule
    if kind_of(column) is Kind.TEXT and not column.is_array and isinstance(rule, Choice):
        for case in _CASES:
            values = list(dict.fromkeys(case(str(value)) for value in rule.values))
            yield Choice(rule.summary, values)
        words = [word for word in plan.scene.pools.words() if _fits(word, limits)]
        if words:
            yield Choice("a word", words)
    elif column.is_array:
        return
    else:
        yield from _nearby(rule)


def _nearby(rule: Rule) -> Iterator[Rule]:
    """Yield the same numbers with the other sign, for a check that sets no limit to be read."""
    if isinstance(rule, Integers):
        yield Integers(f"{rule.summary}, negative", -rule.high, -rule.low, skewed=rule.skewed)


def _fits(text: str, limits: Limits) -> bool:
    longest = limits.max_length
    return len(text) >= limits.min_length and (longest is None or len(text) <= longest)


def _suitable(
    plan: TablePlan, column: Column, tests: Iterable[Test], candidates: Iterable[Rule]
) -> Rule | None:
    """Return the first candidate of which enough values satisfy the tests of the column."""
    tests = tuple(tests)
    for rule in candidates:
        if not tests:
            return rule
        if isinstance(rule, Choice):
            good = dict(zip(rule.values, passing(tests, column, rule.values), strict=True))
            kept = rule.kept(lambda value, good=good: good[value])  # type: ignore[misc]
            if kept is not None and (len(kept.values) >= min(8, len(rule.values))):
                return kept
            continue
        if rule.needs:
            return rule
        batch = Batch(f"{plan.scene.seed}/{plan.table.label}", _sample_of(plan), 0)
        batch.numbers = batch.numbers[:_SAMPLE]
        verdicts = passing(tests, column, rule.draw(batch, column.name))
        if sum(verdicts) * 8 >= len(verdicts):
            return rule
    return None


def _without_rule(
    plan: TablePlan,
    column: Column,
    limits: Limits,
    tests: tuple[Test, ...],
    told: Rule | Distinct | None,
) -> None:
    """Do without a rule: the default, NULL, or an error that says what to tell."""
    if told is None and column.expression is not None:
        plan.server[column.name] = f"default {column.expression}"
    elif told is None and column.nullable and not limits.not_null:
        plan.notes.append(f"{column.name} stays NULL: no rule for type {column.type}")
        plan.add(Single(column.name, Constant(None, "NULL")))
    elif tests:
        raise unsatisfied(plan.table.label, tests)
    else:
        raise OperationFailed(
            f"{where(plan, column)}: no rule for a column of type {column.type}",
            hint=_tell(plan, column),
        )


def _tell(plan: TablePlan, column: Column) -> str:
    return (
        f"Say how in [tool.dbctl.generate]: "
        f'"{where(plan, column)}" = {{ python = "module:function" }}.'
    )


def _left_to_server(plan: TablePlan, column: Column) -> str | None:
    """Tell whether the default is as good as a value that is made, and the same in every run."""
    default = column.expression
    if default is None or column.is_array or _is_read(plan, column):
        return None
    kind = kind_of(column)
    if "(" in default and kind not in {
        Kind.UUID,
        Kind.DATE,
        Kind.TIME,
        Kind.TIMESTAMP,
        Kind.TIMESTAMPTZ,
    }:
        return f"default {default}"
    if kind in {Kind.BOOL, Kind.ENUM, Kind.JSON, Kind.UUID, Kind.DATE, Kind.TIME} or (
        kind in {Kind.TIMESTAMP, Kind.TIMESTAMPTZ}
    ):
        return None
    if plan.checks.limits[column.name].values is not None:
        return None
    return f"default {default}"


def _is_read(plan: TablePlan, column: Column) -> bool:
    """Tell whether something about the row depends on the column, so that it has to be known."""
    return any(column.name in test.columns for test in plan.checks.tests) or any(
        column.name in unknown.columns for unknown in (*plan.checks.unknown, *plan.unknown)
    )


def _null_share(plan: TablePlan, column: Column, limits: Limits, said: Override | None) -> float:
    if said is not None and said.null is not None:
        return float(said.null)
    if not column.nullable or limits.not_null or (said is not None and said.kind is not None):
        return 0.0
    if any(
        column.name in test.columns and _requires(test, column)
        for test in plan.checks.of_column.get(column.name, ())
    ):
        return 0.0
    words = set(words_of(column.name))
    if words & _RARE:
        return 0.95
    return 0.3 if words & _SOMETIMES else 0.1


def _is_made(plan: TablePlan, columns: Iterable[str], overrides: Overrides) -> bool:
    """Tell whether these columns are made here, whatever is made first."""
    skipped = {
        name
        for name in columns
        if (said := overrides.get((plan.table.label, name))) is not None and said.skip
    }
    return not skipped and all(plan.table.column(name).generated is None for name in columns)


def _requires(test: Test, column: Column) -> bool:
    """Tell whether a test of the column alone refuses NULL."""
    return bool(test.fails({column.name: [None]}))
