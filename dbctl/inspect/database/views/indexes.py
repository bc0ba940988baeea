"""`inspect indexes` for people."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from dbctl.figures import ago, plural, size
from dbctl.inspect.database.results.indexes import Fault, Finding, Index, IndexesResult
from dbctl.inspect.database.views.figures import count_cell, missing, size_cell
from dbctl.inspect.database.views.fitted import Fitted
from dbctl.inspect.grid import IDENTIFYING, GridColumn
from dbctl.rendering import line, safe

_STYLES = {
    Fault.UNUSED: "warn",
    Fault.DUPLICATE: "warn",
    Fault.INVALID: "bad",
    Fault.MISSING: "warn",
}


def indexes(result: IndexesResult) -> RenderableType:
    """Show the indexes, then what is wrong with them and the SQL that mends it."""
    return Group(*_parts(result))


def _parts(result: IndexesResult) -> Iterator[RenderableType]:
    if result.indexes:
        yield _grid(result)
    elif not result.findings:
        none = "no such finding in" if result.only else "no index in"
        yield safe(f"{none} {result.database}", "muted")
    for fault in Fault:
        if of_kind := [finding for finding in result.findings if finding.fault is fault]:
            yield from _findings(fault, of_kind)
    if result.indexes:
        yield _counted(result)


def _grid(result: IndexesResult) -> RenderableType:
    several = len({index.schema_name for index in result.indexes}) > 1
    columns = [
        GridColumn("table", floor=30),
        GridColumn("index", floor=IDENTIFYING),
        GridColumn("on", floor=16),
        GridColumn("size", "right"),
        GridColumn("scans", "right"),
        GridColumn("last scan", "right"),
        GridColumn("finding", floor=20),
    ]
    rows = [
        [
            safe(f"{index.schema_name}.{index.table}" if several else index.table, "muted"),
            safe(index.name),
            _keys(index),
            size_cell(index.bytes),
            count_cell(index.scans),
            Text(ago(index.last_scan, result.read_at)) if index.last_scan else missing(),
            Text(", ").join(Text(fault, _STYLES[fault]) for fault in index.faults),
        ]
        for index in result.indexes
    ]
    return Fitted(columns, rows, spare=["last scan", "table", "on"])


def _keys(index: Index) -> Text:
    kind = "unique " if index.unique else ""
    if index.method != "btree":
        kind += f"{index.method} "
    text = Text.assemble((kind, "muted"), safe(", ".join(index.keys)))
    if index.included:
        text.append_text(safe(f" include {', '.join(index.included)}", "muted"))
    if index.predicate:
        text.append_text(safe(f" where {index.predicate}", "muted"))
    return text


def _findings(fault: Fault, findings: list[Finding]) -> Iterator[RenderableType]:
    known = sum(finding.bytes or 0 for finding in findings)
    title = Text.assemble((f"{fault.capitalize()}: {len(findings)}", _STYLES[fault]))
    if fault is not Fault.MISSING and known:
        title.append(f", {size(known)}", "muted")
    yield title
    for finding in findings:
        told = Text.assemble(safe(finding.index or finding.table), (": ", "muted"))
        told.append_text(safe(finding.detail, "muted"))
        if finding.bytes is not None:
            of = "" if finding.index else "table of "
            told.append(f" ({of}{size(finding.bytes)})", "muted")
        yield Padding(told, (0, 0, 0, 1))
        arrow = (" → ", "key")
        yield Text.assemble(arrow, line(finding.remedy), no_wrap=True, overflow="ignore")
    yield Text()


def _counted(result: IndexesResult) -> Text:
    since = f"{result.counted_since:%Y-%m-%d %H:%M} UTC"
    text = f"{plural(len(result.indexes), 'index', 'indexes')}; scans are counted since {since}"
    if result.standby:
        text += ", on this standby only: the primary has its own"
    if not result.counted_long:
        text += ", which is too short to call one unused (--unused-after)"
    return Text(text, style="muted")
