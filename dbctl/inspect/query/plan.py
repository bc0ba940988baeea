"""A plan as EXPLAIN (FORMAT JSON) tells it: a tree of steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dbctl.inspect.query.expressions import SUBPLANS, references
from dbctl.sqltokens import Kind, TokenReader, tokenize

type Node = dict[str, Any]

# A step that is run for its value, beside those whose rows go up.
_ASIDE = frozenset({"InitPlan", "SubPlan"})


def flatten(node: Node) -> Iterator[Node]:
    """Yield a step and all below it."""
    yield node
    for child in node.get("Plans", ()):
        yield from flatten(child)


def inputs(node: Node) -> list[Node]:
    """Return the steps whose rows go into this one."""
    return [child for child in node.get("Plans", ()) if not is_aside(child)]


def is_aside(node: Node) -> bool:
    """Tell whether a step is a subquery or CTE that others refer to by its name."""
    return node.get("Parent Relationship") in _ASIDE


def is_derived(node: Node) -> bool:
    """Tell whether a step has a name of its own for what is no relation."""
    return "Alias" in node and "Relation Name" not in node


def relations_of(node: Node) -> Iterator[tuple[str, str, str]]:
    """Yield the schema, name and alias of each relation that a step itself reads."""
    if "Relation Name" in node:
        yield node["Schema"], node["Relation Name"], node["Alias"]
    # What a foreign server joins or aggregates is told as `(s.a x) INNER JOIN (s.b)`.
    reader = TokenReader(list(tokenize(node.get("Relations", ""))))
    while token := reader.peek():
        if token.kind not in (Kind.WORD, Kind.QUOTED):
            reader.position += 1
            continue
        parts = reader.name_parts()
        if len(parts) == 2:
            alias = None if reader.at(")") else reader.name_parts()
            yield parts[0], parts[1], alias[0] if alias else parts[1]


def subplan_names(node: Node) -> list[str]:
    """Return how expressions call a step that is run for its value: `SubPlan 1`, `$0`."""
    name, _, returned = node.get("Subplan Name", "").partition(" (returns ")
    return [name, *(one.strip() for one in returned.removesuffix(")").split(",") if one)]


def hides_a_step(plan: Node) -> bool:
    """Tell whether an expression refers to a subquery that the plan does not show.

    The server leaves out those that the recursive part of a CTE runs for each of its rows.
    """
    steps = list(flatten(plan))
    known = {name for node in steps for name in subplan_names(node)}
    texts = (text for node in steps for text in node.get("Output", ()))
    read = (one for text in texts for one in references(list(tokenize(text))))
    return any(
        kind in SUBPLANS.values() and f"{kind} {number}" not in known for kind, number in read
    )
