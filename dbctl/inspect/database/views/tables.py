"""`inspect tables` for people."""

from rich.console import RenderableType
from rich.text import Text

from dbctl.inspect.database.results.tables import TablesResult, TableSummary
from dbctl.inspect.database.views.figures import (
    count_cell,
    estimate_cell,
    latest,
    missing,
    size_cell,
)
from dbctl.inspect.database.views.fitted import Fitted
from dbctl.inspect.grid import IDENTIFYING, GridColumn
from dbctl.rendering import safe

# The share of dead rows from which a table is worth a look: autovacuum begins at a fifth.
_MANY_DEAD = 0.2
_SPARE = ("toast", "comment", "analyzed", "kind", "vacuumed", "indexes", "dead")


def tables(result: TablesResult) -> RenderableType:
    """Show the relations; the schema only where there are several."""
    if not result.tables:
        return safe(f"no tables in {result.database}", "muted")
    several = len({table.schema_name for table in result.tables}) > 1
    columns = [
        *([GridColumn("schema", floor=IDENTIFYING)] if several else []),
        GridColumn("name", floor=IDENTIFYING),
        GridColumn("kind", floor=IDENTIFYING),
        GridColumn("rows", "right", floor=20),
        GridColumn("dead", "right", floor=20),
        GridColumn("size", "right"),
        GridColumn("indexes", "right"),
        GridColumn("toast", "right"),
        GridColumn("vacuumed", "right", floor=20),
        GridColumn("analyzed", "right", floor=20),
        GridColumn("comment"),
    ]
    rows = [
        [
            *([safe(table.schema_name, "muted")] if several else []),
            Text.assemble("  " * table.level, safe(table.name)),
            safe(table.kind, "muted"),
            _rows(table),
            _dead(table),
            size_cell(table.total_bytes),
            size_cell(table.index_bytes),
            size_cell(table.toast_bytes) if table.toast_bytes else missing(),
            latest(table.last_vacuum, table.last_autovacuum, result.read_at),
            latest(table.last_analyze, table.last_autoanalyze, result.read_at),
            safe(table.comment or "", "muted"),
        ]
        for table in result.tables
    ]
    return Fitted(columns, rows, spare=_SPARE)


def _rows(table: TableSummary) -> Text:
    if table.exact_rows is not None:
        return Text(f"{table.exact_rows:,}")
    estimate = estimate_cell(table.estimated_rows)
    if table.not_counted is None:
        return estimate
    return Text.assemble(estimate, (f" {table.not_counted}", "warn"))


def _dead(table: TableSummary) -> Text:
    if not table.dead_rows:
        return count_cell(table.dead_rows)
    share = table.dead_rows / (table.dead_rows + (table.rows or 0))
    text = Text(f"{table.dead_rows:,}")
    return Text.assemble(text, (f" {share:.0%}", "warn" if share >= _MANY_DEAD else "muted"))
