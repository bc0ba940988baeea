"""The database itself, as tables for people."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from dbctl.inspect.database.results import (
    ForeignKey,
    PoolResult,
    TableIndex,
    TableResult,
    TablesResult,
)
from dbctl.inspect.grid import IDENTIFYING, Grid, GridColumn, pairs, section
from dbctl.rendering import safe

_MISSING = Text("—", style="muted")
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def tables(result: TablesResult) -> RenderableType:
    """Show the relations; the schema only where there are several."""
    if not result.tables:
        return safe(f"no tables in {result.database}", "muted")
    several = len({table.schema_name for table in result.tables}) > 1
    commented = any(table.comment for table in result.tables)
    columns = [
        *([GridColumn("schema", floor=IDENTIFYING)] if several else []),
        GridColumn("name", floor=IDENTIFYING),
        GridColumn("kind", floor=IDENTIFYING),
        GridColumn("rows", "right"),
        GridColumn("size", "right"),
        *([GridColumn("comment")] if commented else []),
    ]
    rows = [
        [
            *([safe(table.schema_name, "muted")] if several else []),
            safe(table.name),
            safe(table.kind, "muted"),
            _estimate(table.estimated_rows),
            _size(table.total_bytes),
            *([safe(table.comment or "", "muted")] if commented else []),
        ]
        for table in result.tables
    ]
    return Grid(columns, rows)


def table(result: TableResult) -> RenderableType:
    """Show everything about one relation."""
    return Group(*_table_parts(result))


def _table_parts(result: TableResult) -> Iterator[RenderableType]:
    name = Text.assemble(
        safe(f"{result.schema_name}.", "muted"), safe(result.name, "bold"), f"  {result.kind}"
    )
    if result.estimated_rows is not None:
        plural = "row" if result.estimated_rows == 1 else "rows"
        name.append_text(Text.assemble("  ", _estimate(result.estimated_rows), f" {plural}"))
    if result.total_bytes is not None:
        name.append(f"  {size(result.total_bytes)}")
        if result.index_bytes:
            name.append(f" ({size(result.index_bytes)} of it indexes)", "muted")
    yield name
    if result.comment:
        yield safe(result.comment, "muted")
    yield Text()
    yield _columns(result)
    if result.indexes:
        columns = [
            GridColumn("name", floor=IDENTIFYING),
            GridColumn("on"),
            GridColumn("size", "right"),
        ]
        rows = [[safe(i.name), _index(i), _size(i.bytes)] for i in result.indexes]
        yield from section("Indexes", Grid(columns, rows, wrap=True))
    if result.constraints:
        columns = [GridColumn("name", floor=IDENTIFYING), GridColumn("definition")]
        rows = [[safe(c.name), _flagged(safe(c.definition), c.valid)] for c in result.constraints]
        yield from section("Constraints", Grid(columns, rows, wrap=True))
    if result.foreign_keys:
        yield from section("Foreign keys", _keys(result.foreign_keys, outgoing=True))
    if result.referenced_by:
        yield from section("Referenced by", _keys(result.referenced_by, outgoing=False))


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


def pool(result: PoolResult) -> RenderableType:
    """Show where the connection leads, and how full the pool and the server are."""
    server, mine, all_of_them = result.server, result.pool, result.connections
    free = max(all_of_them.maximum - all_of_them.used - all_of_them.reserved, 0)
    told = {
        "Server": [
            ("host", safe(server.host)),
            ("database", safe(server.database)),
            ("user", safe(server.user)),
            ("version", safe(server.version)),
            ("TLS", safe(server.tls) if server.tls else Text("off", style="muted")),
            ("endpoint", Text("pooled" if server.pooled else "direct")),
        ],
        "Pool of this process": [
            ("size", Text(f"{mine.size}, and up to {mine.max_overflow} more")),
            ("in use", Text(f"{mine.checked_out}")),
            ("idle", Text(f"{mine.checked_in}")),
            ("overflow", Text(f"{mine.overflow}")),
            ("recycle", Text("never" if mine.recycle < 0 else f"after {mine.recycle} s")),
        ],
        "Connections of the server": [
            ("used", Text(f"{all_of_them.used} of {all_of_them.maximum}")),
            ("reserved", Text(f"{all_of_them.reserved}")),
            ("free", Text(f"{free}", style="" if free else "bad")),
        ],
    }
    parts = [part for title in told for part in (Text(), *section(title, pairs(told[title])))]
    return Group(*parts[1:])


def size(count: int) -> str:
    """Write a number of bytes for people, in powers of 1024 as PostgreSQL does."""
    value, power = float(count), 0
    while value >= 1000 and power < len(_UNITS) - 1:
        value, power = value / 1024, power + 1
    return f"{value:.{int(power > 0 and value < 10)}f} {_UNITS[power]}"


def _size(count: int | None) -> Text:
    return _MISSING if count is None else Text(size(count))


def _estimate(count: int | None) -> Text:
    return _MISSING if count is None else Text(f"~{count:,}")
