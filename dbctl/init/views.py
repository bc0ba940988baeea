"""Render what `dbctl init` found, and what it wrote."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dbctl.figures import plural
from dbctl.init.found_results import AlembicFound, DatabaseFound, Found
from dbctl.init.results import Init, InitFile
from dbctl.migrate.discovery import EnvStyle
from dbctl.rendering import facts, safe, visible

_DONE = {"create": ("+", "ok"), "extend": ("~", "ok"), "leave": ("·", "muted")}
_VERBS = {
    False: {"create": "created", "extend": "extended", "leave": "left"},
    True: {"create": "would be created", "extend": "would be extended", "leave": "left"},
}
_STYLES = {
    EnvStyle.SYNC: "sync, with an engine of its own",
    EnvStyle.ASYNC: "async, with an engine of its own",
    EnvStyle.FLASK: "of Flask-Migrate, in the context of the application",
    EnvStyle.SEVERAL: "for several databases",
    EnvStyle.DBCTL: "async, with dbctl's engine",
    None: "cannot be read",
}
_DIFF = {"+": "ok", "-": "bad", "@": "key"}


def init(result: Init) -> RenderableType:
    """Show what the project has, what was written, and the commands that come next."""
    parts: list[RenderableType] = [_facts(result)]
    if result.files:
        parts += [Text(), _files(result)]
    parts += [_diff(file.diff) for file in result.files if file.diff]
    if not result.changed:
        done = Text("Nothing to do: the project has what dbctl needs.", "muted")
        parts += [Text(), done]
    if not result.dry_run:
        parts += [Text(), Text("next", "bold"), _next(result)]
    return Group(*parts)


def _facts(result: Init) -> RenderableType:
    found = result.found
    grid = facts()
    grid.add_row("project", safe(result.project))
    if found.alembic is not None:
        _add_alembic(grid, found.alembic)
    elif result.kind == "new":
        grid.add_row("alembic", Text("no configuration yet", "muted"))
    if found.models is not None:
        tables = plural(found.models.tables, "table")
        grid.add_row("models", Text.assemble(safe(found.models.source), f": {tables}"))
    elif found.modules:
        grid.add_row("models", safe(f"{', '.join(found.modules)}, by their text"))
    elif not any(fault.part == "models" for fault in found.unreadable):
        grid.add_row("models", Text("none are named", "muted"))
    if found.database is not None:
        grid.add_row("database", _database(found.database))
    if found.seeds:
        grid.add_row("seed sets", safe(", ".join(found.seeds)))
    _add_unreadable(grid, found)
    return grid


def _add_alembic(grid: Table, found: AlembicFound) -> None:
    grid.add_row("alembic", safe(found.config))
    heads = f", at the head {', '.join(found.heads)}" if found.heads else ""
    grid.add_row("revisions", safe(f"{found.revisions} in {found.scripts}{heads}"))
    grid.add_row("env.py", _STYLES[found.env_style])
    if found.driver is not None:
        missing = Text() if found.driver_installed else Text(" is not installed", "warn")
        grid.add_row("driver", Text.assemble(safe(found.driver), missing))


def _database(found: DatabaseFound) -> Text:
    if found.url is None:
        return safe(f"this project's embedded PostgreSQL ({found.origin})")
    pooler = " through a pooler" if found.connection == "pooled" else ""
    return Text.assemble(safe(found.url), safe(f"{pooler} ({found.origin})", "muted"))


def _add_unreadable(grid: Table, found: Found) -> None:
    for fault in found.unreadable:
        grid.add_row(fault.part, Text.assemble(("? ", "warn"), visible(fault.reason)))
        if fault.hint:
            grid.add_row("", Text.assemble(("→ ", "muted"), visible(fault.hint)))


def _files(result: Init) -> RenderableType:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_column(overflow="fold", style="muted")
    for file in result.files:
        mark, style = _DONE[file.action]
        grid.add_row(Text(mark, style), safe(file.path), _what(file, dry_run=result.dry_run))
    return grid


def _what(file: InitFile, *, dry_run: bool) -> Text:
    detail = f": {file.detail}" if file.detail else ""
    return safe(f"{_VERBS[dry_run][file.action]}{detail}")


def _diff(text: str) -> RenderableType:
    shown = Text("\n")
    for each in text.splitlines():
        shown.append(f"{visible(each)}\n", _DIFF.get(each[:1], ""))
    shown.rstrip()
    return shown


def _next(result: Init) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold", style="muted")
    for step in result.next:
        command = Text(f"  {step.command}", "key") if step.command else Text("  (by hand)", "muted")
        grid.add_row(command, safe(step.purpose))
    return grid
