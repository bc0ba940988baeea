"""The diagram in Graphviz' language: a box per table, crow's feet between the columns."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from dbctl.inspect.diagram.results import DiagramResult, DiagramTable, Relationship
from dbctl.inspect.diagram.text import printable

_HEAD = (
    "digraph schema {",
    '    graph [rankdir=LR, nodesep=0.5, ranksep=1.1, fontname="Helvetica", pad=0.3]',
    '    node [shape=plain, fontname="Helvetica", fontsize=11]',
    '    edge [dir=both, color="#64748b", arrowsize=0.8]',
)
_LINE = "#cbd5e1"


def dot(diagram: DiagramResult) -> str:
    """Return the text, which depends on nothing but the schema."""
    return "".join(f"{line}\n" for line in _lines(diagram))


def _lines(diagram: DiagramResult) -> Iterator[str]:
    nodes = {table.name: f"t{at}" for at, table in enumerate(diagram.tables, start=1)}
    rows = {
        (table.name, column.name): at
        for table in diagram.tables
        for at, column in enumerate(table.columns, start=1)
    }
    yield from _HEAD
    for table in diagram.tables:
        yield f"    {nodes[table.name]} [label=<{_label(table)}>]"
    for one in diagram.relationships:
        # The last column of a composite key tells more than the first, a tenant as often as not.
        parent = f"{nodes[one.parent]}:r{rows[one.parent, one.referenced_columns[-1]]}:e"
        side, compass = "re" if one.parent == one.child else "lw"
        child = f"{nodes[one.child]}:{side}{rows[one.child, one.columns[-1]]}:{compass}"
        yield f"    {parent} -> {child} [{_ends(one)}]"
    yield "}"


def _label(table: DiagramTable) -> str:
    rows = [
        f'<tr><td colspan="3" bgcolor="#e2e8f0" align="left"><b>{_text(table.name)}</b></td></tr>'
    ]
    for at, column in enumerate(table.columns, start=1):
        keys = [("PK", column.primary_key), ("FK", column.foreign_key), ("UK", column.unique)]
        told = " ".join(key for key, holds in keys if holds)
        name = _text(column.name)
        name = f"<b>{name}</b>" if column.primary_key else name
        rows.append(
            f'<tr><td align="left" port="l{at}">{name}</td>'
            f'<td align="left"><font color="#475569">{_text(column.type)}</font></td>'
            f'<td align="left" port="r{at}"><font color="#64748b">{told or " "}</font></td></tr>'
        )
    return (
        f'<table border="1" color="{_LINE}" cellborder="0" cellspacing="0" cellpadding="4" '
        f'bgcolor="white">{"".join(rows)}</table>'
    )


def _ends(one: Relationship) -> str:
    parents = "teetee" if one.parents == "exactly one" else "teeodot"
    children = "teeodot" if one.children == "zero or one" else "crowodot"
    style = "solid" if one.identifying else "dashed"
    told = f', tooltip="{_string(", ".join(one.columns))}"'
    return f"arrowtail={parents}, arrowhead={children}, style={style}{told}"


def _text(text: str) -> str:
    """Return text for a label in HTML, in which Graphviz reads entities and nothing else."""
    return escape(printable(text)) or " "


def _string(text: str) -> str:
    # A tooltip knows entities, and escapes such as \N for the name of the node.
    return escape(printable(text)).replace("\\", "\\\\")
