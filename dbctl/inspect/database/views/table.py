"""`inspect table` for people."""

import re
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from dbctl.figures import ago, plural, size
from dbctl.inspect.database.results.table import (
    DdlResult,
    ForeignKey,
    Partition,
    Policy,
    TableIndex,
    TableResult,
    Trigger,
)
from dbctl.inspect.database.views.figures import (
    count_cell,
    estimate_cell,
    latest,
    missing,
    size_cell,
)
from dbctl.inspect.database.views.fitted import Fitted
from dbctl.inspect.grid import IDENTIFYING, Grid, GridColumn, pairs, section
from dbctl.rendering import Verbatim, safe, visible

# More partitions than these are not looked through on a screen; JSON has them all.
_CHILDREN = 50
# What stands before a trigger's time: the columns beside it say it already.
_TRIGGER = re.compile(r'CREATE (?:CONSTRAINT )?TRIGGER (?:"(?:[^"]|"")*"|[^ "]+) ')


def table(result: TableResult) -> RenderableType:
    """Show everything about one relation."""
    return Group(*_parts(result))


def ddl(result: DdlResult) -> RenderableType:
    """Show the SQL, which a pipe gets to the byte."""
    return Verbatim(result.ddl, Text(visible(result.ddl.rstrip("\n"))))


def _parts(result: TableResult) -> Iterator[RenderableType]:
    yield _headline(result)
    if result.comment:
        yield safe(result.comment, "muted")
    if facts := list(_facts(result)):
        yield pairs(facts, wrap=True)
    yield Text()
    yield _columns(result)
    if result.view_definition:
        text = Text(visible(result.view_definition))
        yield from section("Definition", Padding(text, (0, 0, 1, 1)))
    if result.indexes:
        yield from section("Indexes", _indexes(result))
    if result.constraints:
        columns = [GridColumn("name", floor=IDENTIFYING), GridColumn("constraint")]
        rows = [[safe(c.name), _flagged(safe(c.definition), c.valid)] for c in result.constraints]
        yield from section("Constraints", Grid(columns, rows, wrap=True))
    if result.foreign_keys:
        yield from section("Foreign keys", _keys(result.foreign_keys, outgoing=True))
    if result.referenced_by:
        yield from section("Referenced by", _keys(result.referenced_by, outgoing=False))
    if result.triggers:
        yield from section("Triggers", _triggers(result.triggers))
    if result.policies:
        yield from section("Policies", _policies(result.policies))
    if result.children:
        yield from section(
            "Partitions" if result.partition_key else "Inherited by", _children(result.children)
        )


def _headline(result: TableResult) -> Text:
    name = Text.assemble(
        safe(f"{result.schema_name}.", "muted"), safe(result.name, "bold"), f"  {result.kind}"
    )
    if result.persistence != "permanent":
        name.append(f", {result.persistence}", "warn")
    if result.estimated_rows is not None:
        rows = "row" if result.estimated_rows == 1 else "rows"
        name.append_text(Text.assemble("  ", estimate_cell(result.estimated_rows), f" {rows}"))
    if result.total_bytes is not None:
        name.append(f"  {size(result.total_bytes)}")
        named = ((result.index_bytes, "indexes"), (result.toast_bytes, "TOAST"))
        told = [f"{size(count)} of it {what}" for count, what in named if count]
        if told:
            name.append(f" ({', '.join(told)})", "muted")
    return name


def _facts(result: TableResult) -> Iterator[tuple[str, Text]]:
    if result.partition_key:
        yield "partitioned by", safe(result.partition_key)
    if result.parents:
        of = safe(", ".join(result.parents))
        if result.bounds:
            yield "partition of", Text.assemble(of, " ", safe(result.bounds))
        else:
            yield "inherits", of
    if result.row_security:
        forced = result.row_security == "forced"
        yield "row security", Text("on, for the owner too" if forced else "on")
    if result.options:
        yield "options", safe(", ".join(result.options))
    if result.dead_rows:
        dead = Text(f"{result.dead_rows:,}")
        if result.estimated_rows:
            dead.append(f" ({result.dead_rows / (result.dead_rows + result.estimated_rows):.0%})")
        yield "dead rows", dead
    vacuumed = latest(result.last_vacuum, result.last_autovacuum, result.read_at)
    analyzed = latest(result.last_analyze, result.last_autoanalyze, result.read_at)
    if vacuumed != missing() or analyzed != missing():
        yield "vacuumed", vacuumed
        yield "analyzed", analyzed


def _columns(result: TableResult) -> RenderableType:
    if not result.table_columns:
        return Text("no columns", style="muted")
    commented = any(column.comment for column in result.table_columns)
    keys = sum(column.key is not None for column in result.table_columns)
    columns = [
        GridColumn("column", floor=IDENTIFYING),
        GridColumn("type", floor=14),
        GridColumn("null"),
        GridColumn("default", floor=24),
        *([GridColumn("comment")] if commented else []),
    ]
    rows = []
    for column in result.table_columns:
        name = safe(column.name, "key" if column.key else "")
        if column.key:
            name.append(f" PK {column.key}" if keys > 1 else " PK", "muted")
        rows.append(
            [
                name,
                safe(column.type),
                Text("null", style="muted") if column.nullable else Text("not null"),
                _default(column.default, column.identity, column.generated),
                *([safe(column.comment or "", "muted")] if commented else []),
            ]
        )
    return Grid(columns, rows, wrap=True)


def _default(default: str | None, identity: str | None, generated: str | None) -> Text:
    if identity:
        return Text(f"identity {identity}")
    text = safe(default or "")
    return Text.assemble((f"generated {generated}: ", "muted"), text) if generated else text


def _indexes(result: TableResult) -> RenderableType:
    columns = [
        GridColumn("name", floor=IDENTIFYING),
        GridColumn("on"),
        GridColumn("size", "right"),
        GridColumn("scans", "right"),
        GridColumn("last scan", "right"),
        GridColumn("comment"),
    ]
    rows = [
        [
            safe(index.name),
            _index(index),
            size_cell(index.bytes),
            count_cell(index.scans),
            Text(ago(index.last_scan, result.read_at)) if index.last_scan else missing(),
            safe(index.comment or "", "muted"),
        ]
        for index in result.indexes
    ]
    return Fitted(columns, rows, spare=["comment", "last scan"], wrap=True)


def _index(index: TableIndex) -> Text:
    kind = "primary key " if index.primary_key else "unique " if index.unique else ""
    # What stands before USING, the line above it says already.
    text = Text.assemble((kind, "muted"), safe(index.definition.partition(" USING ")[2]))
    return _flagged(text, index.valid)


def _flagged(text: Text, valid: bool) -> Text:
    return text if valid else Text.assemble(text, ("  not valid", "warn"))


def _keys(keys: Sequence[ForeignKey], *, outgoing: bool) -> RenderableType:
    columns = [
        GridColumn("name", floor=IDENTIFYING),
        GridColumn("columns"),
        GridColumn("on delete"),
    ]
    rows = []
    for key in keys:
        here = ", ".join(key.columns if outgoing else key.referenced_columns)
        there = ", ".join(key.referenced_columns if outgoing else key.columns)
        arrow, other = ("→", key.references) if outgoing else ("←", key.table)
        path = safe(f"{here} {arrow} {other} ({there})")
        rows.append([safe(key.name), _flagged(path, key.valid), safe(key.on_delete, "muted")])
    return Grid(columns, rows, wrap=True)


def _triggers(triggers: Sequence[Trigger]) -> RenderableType:
    columns = [GridColumn("name", floor=IDENTIFYING), GridColumn("trigger")]
    rows = []
    for trigger in triggers:
        text = safe(_TRIGGER.sub("", trigger.definition, count=1))
        if trigger.enabled == "no":
            text.append("  disabled", "warn")
        elif trigger.enabled != "origin":
            text.append(f"  enabled {trigger.enabled}", "muted")
        rows.append([safe(trigger.name), text])
    return Grid(columns, rows, wrap=True)


def _policies(policies: Sequence[Policy]) -> RenderableType:
    columns = [
        GridColumn("name", floor=IDENTIFYING),
        GridColumn("for"),
        GridColumn("to"),
        GridColumn("using"),
        GridColumn("check"),
    ]
    rows = [
        [
            safe(policy.name),
            Text(policy.command if policy.permissive else f"{policy.command}, restrictive"),
            safe(", ".join(policy.roles) or "everybody"),
            safe(policy.using) if policy.using else missing(),
            safe(policy.check) if policy.check else missing(),
        ]
        for policy in policies
    ]
    return Grid(columns, rows, wrap=True)


def _children(children: Sequence[Partition]) -> RenderableType:
    columns = [
        GridColumn("name", floor=IDENTIFYING),
        GridColumn("values"),
        GridColumn("rows", "right"),
        GridColumn("size", "right"),
    ]
    rows = [
        [
            safe(child.name),
            safe(child.bounds or ""),
            estimate_cell(child.estimated_rows),
            size_cell(child.total_bytes),
        ]
        for child in children[:_CHILDREN]
    ]
    grid = Fitted(columns, rows, spare=["values"])
    if len(children) <= _CHILDREN:
        return grid
    return Group(grid, Text(plural(len(children) - _CHILDREN, "more", "more"), style="muted"))
