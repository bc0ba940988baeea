"""Render what the migrate operations return."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dbctl.migrate.results import (
    Difference,
    Drift,
    History,
    Migrated,
    MigrationStatus,
    NewRevision,
    Revision,
    Stamped,
    State,
)
from dbctl.rendering import facts, safe
from dbctl.rendering import table as new_table

# The newest of many revisions; the others were told while they ran.
_MOST_ROWS = 40
_MARKS = {
    State.CURRENT: ("✓", "ok"),
    State.PENDING: ("!", "warn"),
    State.EMPTY: ("!", "warn"),
}


def status(result: MigrationStatus) -> RenderableType:
    """Show the state in a line, the versions, what is pending, and what to do."""
    if result.databases:
        return Group(*map(status, result.databases))
    state = result.state
    mark, style = _MARKS.get(state, ("✗", "bad"))
    versions = facts()
    versions.add_row("database at", _versions(result.current))
    versions.add_row("checkout at", _versions(result.heads))
    if state is State.NO_REVISIONS:
        versions.add_row("searched", safe("\n".join(result.searched)))
    parts: list[RenderableType] = [
        Text.assemble((f"{mark} ", style), safe(result.database, "bold"), f" {state.sentence}"),
        versions,
    ]
    if result.pending:
        parts += [Text(), _revisions(f"{_count(result.pending)} pending", result.pending)]
    if result.tampered:
        changed = Text.assemble(("changed since: ", "warn"), _versions(result.tampered))
        parts += [Text(), changed]
    if result.differences:
        parts.append(_differences(result.differences))
    if result.stale:
        parts += [Text(), Text.assemble(("should not be there: ", "warn"), _versions(result.stale))]
    if result.hint:
        parts.append(Text.assemble(("→ ", "key"), safe(result.hint)))
    return Group(*parts)


def migrated(result: Migrated) -> RenderableType:
    """Show each revision with its time, and the version that was read back."""
    if result.databases:
        return Group(*map(migrated, result.databases))
    done = "is at" if result.error is None else "was left at"
    mark, style = ("✓", "ok") if result.error is None else ("✗", "bad")
    after = Text("unknown", "warn") if result.after is None else _versions(result.after)
    verdict = Text.assemble((f"{mark} ", style), safe(result.database, "bold"), f" {done} ", after)
    if not result.atomic:
        verdict.append(" (env.py commits each statement by itself)", "muted")
    if not result.applied:
        verdict.append(", nothing to do" if result.error is None else "", "muted")
        return verdict
    table = new_table()
    table.add_column("revision", style="key", no_wrap=True)
    table.add_column("upgraded" if result.direction == "up" else "reverted")
    table.add_column("time", justify="right", style="muted", no_wrap=True)
    contended = any(step.attempts > 1 for step in result.applied)
    if contended:
        table.add_column("attempts", justify="right", no_wrap=True)
    left_out = max(len(result.applied) - _MOST_ROWS, 0)
    for step in result.applied[left_out:]:
        row = [safe(step.revision), safe(step.message), Text(f"{step.seconds:.2f} s")]
        if contended:
            row.append(Text(str(step.attempts), "warn" if step.attempts > 1 else "muted"))
        table.add_row(*row)
    parts: list[RenderableType] = [table, verdict]
    if left_out:
        parts.insert(0, Text(f"{left_out} revisions before these; --json has them all", "muted"))
    return Group(*parts)


def history(result: History) -> RenderableType:
    """Show the revisions, the newest first, marked where the database is."""
    if not result.revisions:
        return Text.assemble(
            ("✗ ", "bad"),
            f"no revisions were found in {', '.join(result.searched)}\n",
            ("→ ", "key"),
            State.NO_REVISIONS.remedy,
        )
    table = new_table()
    table.add_column("", no_wrap=True)
    table.add_column("revision", style="key", no_wrap=True)
    table.add_column("message")
    table.add_column("after", style="muted", no_wrap=True)
    table.add_column("", no_wrap=True)
    for entry in result.revisions:
        tags = [
            name for name, is_so in (("head", entry.is_head), ("here", entry.is_current)) if is_so
        ]
        table.add_row(
            Text("✓", "ok") if entry.applied else Text("·", "muted"),
            safe(entry.revision),
            safe(entry.message),
            safe(", ".join(entry.down_revisions) or "nothing"),
            Text(", ".join(tags), "bold"),
        )
    return Group(
        table,
        Text.assemble(safe(result.database, "bold"), " is at ", _versions(result.current)),
    )


def stamped(result: Stamped) -> RenderableType:
    """Show the version that is recorded now, and the one before it."""
    return Text.assemble(
        ("✓ ", "ok"),
        safe(result.database, "bold"),
        " is recorded as ",
        _versions(result.after),
        (", was ", "muted"),
        _versions(result.before),
    )


def drift(result: Drift) -> RenderableType:
    """Show each difference as the operation that would bring the database to the models."""
    if not result.differences:
        return Text.assemble(
            ("✓ ", "ok"), safe(result.database, "bold"), " matches ", safe(result.models, "key")
        )
    return Group(
        _differences(result.differences),
        Text.assemble(
            ("✗ ", "bad"),
            safe(result.database, "bold"),
            f" differs from {result.models} in {_count(result.differences, 'way')}",
        ),
        Text.assemble(
            ("→ ", "key"), "write what is missing into a revision: dbctl migrate new MESSAGE"
        ),
    )


def new(result: NewRevision) -> RenderableType:
    """Show where the new revision is."""
    return Text.assemble(
        ("✓ ", "ok"),
        ("revision ", ""),
        safe(result.revision, "key"),
        " after ",
        _versions(result.down_revisions),
        "\n→ ",
        safe(result.path),
    )


def _differences(differences: tuple[Difference, ...]) -> Table:
    table = new_table()
    for name in ("the models would", "table", "name", "detail"):
        table.add_column(name)
    for difference in differences:
        table.add_row(
            Text(difference.kind.replace("_", " "), "warn"),
            safe(difference.table, "key"),
            safe(difference.name),
            safe(difference.detail, "muted"),
        )
    return table


def _revisions(title: str, revisions: tuple[Revision, ...]) -> Table:
    table = new_table()
    table.add_column("revision", style="key", no_wrap=True)
    table.add_column(title)
    for revision in revisions:
        table.add_row(safe(revision.revision), safe(revision.message))
    return table


def _versions(revisions: tuple[str, ...]) -> Text:
    return safe(", ".join(revisions), "key") if revisions else Text("base", "muted")


def _count(things: tuple[object, ...], noun: str = "revision") -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"
