"""Render what the operations on the ledger return."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePath

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dbctl.migrate.ledger_results import (
    FileFinding,
    FileState,
    Log,
    LogEntry,
    Repaired,
    Verification,
    VerifiedFile,
)
from dbctl.rendering import safe
from dbctl.rendering import table as new_table

_DIRECTIONS = {"up": "ok", "down": "warn", "stamp": "key", "repair": "warn"}
_STATES = {
    FileState.OK: "ok",
    FileState.CHANGED: "bad",
    FileState.GONE: "bad",
    FileState.UNRECORDED: "muted",
}


def log(result: Log) -> RenderableType:
    """Show the entries, the newest first, in UTC: the people who read it sit anywhere."""
    if not result.entries:
        return Text.assemble(
            safe(result.database, "bold"), (" has no entry: dbctl applied nothing to it", "muted")
        )
    table = new_table()
    table.add_column("when (UTC)", style="muted", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("revision", style="key", no_wrap=True)
    table.add_column("message")
    table.add_column("time", justify="right", style="muted", no_wrap=True)
    table.add_column("by", overflow="fold")
    for entry in result.entries:
        table.add_row(
            _when(entry.started_at),
            Text(entry.direction, _DIRECTIONS[entry.direction]),
            safe(entry.revision),
            safe(entry.message),
            _duration(entry),
            _who(entry.actor, entry.role, entry.host),
        )
    shown = len(result.entries)
    if shown == result.total:
        return table
    return Group(table, Text(f"the newest {shown} of {result.total} entries", "muted"))


def verification(result: Verification) -> RenderableType:
    """Show the files that are not as they were applied; the others are counted."""
    counts = Counter(file.state for file in result.revisions)
    wrong = [f for f in result.revisions if f.state in {FileState.CHANGED, FileState.GONE}]
    parts: list[RenderableType] = [_findings(wrong)] if wrong else []
    unchanged = counts[FileState.OK]
    if wrong:
        mark, style, said = "✗", "bad", f"{_count(len(wrong), 'applied file')} changed or gone"
    elif unchanged:
        mark, style, said = "✓", "ok", f"{_count(unchanged, 'applied file')} unchanged"
    else:
        mark, style, said = "✓", "ok", "no applied file is recorded"
    parts.append(Text.assemble((f"{mark} ", style), safe(result.database, "bold"), f": {said}"))
    if unrecorded := counts[FileState.UNRECORDED]:
        parts += [
            Text(f"{_count(unrecorded, 'revision')} unrecorded: applied without dbctl", "muted"),
            Text.assemble(("→ ", "key"), "dbctl migrate repair, to have them watched from now on"),
        ]
    return Group(*parts)


def to_accept(files: Sequence[FileFinding]) -> RenderableType:
    """Show the files that are about to be accepted as they are."""
    return _accepted(files, "To be accepted as they are now")


def repaired(result: Repaired) -> RenderableType:
    """Show what was accepted."""
    verdict = Text.assemble(("✓ ", "ok"), safe(result.database, "bold"))
    if not result.accepted:
        return verdict.append(": no applied file is changed or gone, ").append(
            "nothing to do", "muted"
        )
    verdict.append(f": {_count(len(result.accepted), 'revision')} accepted")
    return Group(_accepted(result.accepted, "accepted"), verdict)


def _findings(files: Sequence[VerifiedFile]) -> Table:
    table = new_table()
    table.add_column("revision", style="key", no_wrap=True)
    table.add_column("file", overflow="fold")
    table.add_column("", no_wrap=True)
    table.add_column("recorded (UTC)", style="muted", no_wrap=True)
    table.add_column("by", overflow="fold")
    for file in files:
        table.add_row(
            safe(file.revision),
            _file(file),
            _state(file),
            _when(file.recorded_at) if file.recorded_at else Text(),
            _who(file.actor, file.role or "", file.host or ""),
        )
    return table


def _accepted(files: Sequence[FileFinding], title: str) -> Table:
    table = new_table()
    table.add_column("revision", style="key", no_wrap=True)
    table.add_column(title, overflow="fold")
    table.add_column("", no_wrap=True)
    for file in files:
        table.add_row(safe(file.revision), _file(file), _state(file))
    return table


def _file(file: FileFinding) -> Text:
    return Text("—", "muted") if file.path is None else safe(PurePath(file.path).name)


def _state(file: FileFinding) -> Text:
    return Text(file.state, _STATES[file.state])


def _when(moment: datetime) -> Text:
    return Text(f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}")


def _duration(entry: LogEntry) -> Text:
    """Show how long a revision ran; what ran nothing took no time."""
    if entry.direction in {"stamp", "repair"}:
        return Text()
    text = Text(f"{entry.seconds:.2f} s")
    return text.append(f" x{entry.attempts}", "warn") if entry.attempts > 1 else text


def _who(actor: str | None, role: str, host: str) -> Text:
    """Show who it was, and from which host; its domain is in the other formats."""
    return Text.assemble(safe(actor or role), " ", safe(f"@{host.partition('.')[0]}", "muted"))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'} {'is' if number == 1 else 'are'}"
