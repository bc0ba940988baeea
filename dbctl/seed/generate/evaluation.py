"""Checks as Python functions, with SQL's logic of three values: true, false and unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dbctl.db.catalog import Column
from dbctl.seed.generate.compiler import Compiler, Typed
from dbctl.seed.generate.expressions import Node, Opaque
from dbctl.seed.generate.limits import Kind


def compiled(node: Node, columns: Mapping[str, Column]) -> Callable[[Sequence[Any]], list[int]]:
    """Return what takes the columns that `node` reads and returns the rows that fail.

    The columns are lists of the same length, in the order of `ordered_columns`. Raises Opaque
    where the server alone can tell.
    """
    compiler, variables, (source, kind, _) = _written(node, columns)
    if kind != Kind.BOOL:
        raise Opaque(source)
    function: Callable[[Sequence[Any]], list[int]] = compiler.function(
        f"lambda made: [n for n, ({variables}) in enumerate(zip(*made)) if ({source}) is False]"
    )
    return function


def computed(
    node: Node, columns: Mapping[str, Column]
) -> tuple[Callable[[Sequence[Any]], list[Any]], str | None, bool]:
    """Return what takes the columns that `node` reads and returns its values, their kind, and
    whether some may be None.

    Raises Opaque where the server alone can tell.
    """
    compiler, variables, (source, kind, nullable) = _written(node, columns)
    function = compiler.function(f"lambda made: [{source} for {variables} in zip(*made)]")
    return function, kind, nullable


def _written(node: Node, columns: Mapping[str, Column]) -> tuple[Compiler, str, Typed]:
    names = ordered_columns(node)
    compiler = Compiler({name: (f"c{place}", columns[name]) for place, name in enumerate(names)})
    variables = "".join(f"c{place}, " for place in range(len(names)))
    return compiler, variables, compiler.expression(node)


def ordered_columns(node: Node) -> tuple[str, ...]:
    """Return the columns that an expression reads, each once, in the order of their names."""
    return tuple(sorted(set(node.columns())))
