"""A plan as EXPLAIN (FORMAT JSON) tells it: a tree of steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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
