"""Write a plan as a script that psql runs, and that stops where its SQL is not known."""

from collections.abc import Iterator
from textwrap import wrap
from typing import TYPE_CHECKING

from dbctl import figures
from dbctl.migrate.statements import LockLevel, Work

if TYPE_CHECKING:
    from dbctl.migrate.plan_results import Plan, PlannedRevision, PlannedStatement, TableLock

_WORK = {
    Work.SCAN: "scans the table",
    Work.MAYBE_REWRITE: "may rewrite the table",
    Work.REWRITE: "rewrites the table",
}
# Digits of the hash: more than enough, and short enough to be copied.
_SHORT = 16
_WIDTH = 76
# Tables that are named for one reason; the JSON has all.
_NAMED = 5


def script(plan: "Plan") -> str:
    """Return the text of the plan; it ends in a newline and leaves nothing of the SQL out.

    Every statement is preceded by what it locks and how long that may take. A revision that
    cannot be rendered is a statement that raises.
    """
    if plan.databases:
        parts = [_of_one(each) for each in plan.databases]
        return "\n\n".join([*parts, _agreed(plan)] if plan.revisions else parts) + "\n"
    return "\n\n".join([_of_one(plan), _agreed(plan)] if plan.revisions else [_of_one(plan)]) + "\n"


def _of_one(plan: "Plan") -> str:
    """Return the text of one database, without what agrees to it."""
    if not plan.revisions:
        return f"{_comment(f'{plan.database} is at {_named(plan.after)}: nothing to do')}"
    return "\n\n".join(_parts(plan))


def _agreed(plan: "Plan") -> str:
    """Return how to apply exactly this plan."""
    if plan.hash is None:
        return _comment("the server is bound to refuse this plan: there is no hash to agree to")
    agreed = f"plan {plan.hash}"
    if plan.direction == "up":
        agreed += f"\nto apply exactly this: dbctl migrate up --to-plan {plan.hash[:_SHORT]}"
    return _comment(agreed)


def _parts(plan: "Plan") -> Iterator[str]:
    count = f"{len(plan.revisions)} revision{'' if len(plan.revisions) == 1 else 's'}"
    yield _comment(
        f"{plan.database}: {plan.direction} from {_named(plan.before)} to {_named(plan.after)}, "
        f"{count}"
    )
    # Without it psql would go on after an error, and leave the revision out that has failed.
    yield "\\set ON_ERROR_STOP on"
    if plan.preamble:
        yield f"{_comment("dbctl's own record of who applied what")}\n{_ended(plan.preamble)}"
    for revision in plan.revisions:
        yield from _revision(revision)


def _revision(revision: "PlannedRevision") -> Iterator[str]:
    title = f"{revision.revision}: {revision.message}" if revision.message else revision.revision
    yield f"--\n{_comment(title)}\n{_comment(revision.path)}\n--"
    if not revision.rendered:
        where = f" (line {revision.line})" if revision.line else ""
        yield (
            f"{_comment(f'Its SQL is not known before it runs: {revision.reason}{where}')}\n"
            f"{_raising(f'the SQL of revision {revision.revision} is not known before it runs')}"
        )
    for statement in revision.statements:
        said = _told(statement)
        yield f"{_comment(said)}\n{_ended(statement.sql)}" if said else _ended(statement.sql)


def _told(statement: "PlannedStatement") -> str:
    """Return what a statement locks, works through and drops, in words; empty for nothing."""
    told = list(_locks(statement))
    if statement.work in _WORK:
        told.append(_WORK[statement.work])
    told += [
        f"loses {loss.table}.{loss.column}" if loss.column else f"loses the rows of {loss.table}"
        for loss in statement.losses
    ]
    if statement.refused:
        told.insert(0, f"IS REFUSED: {statement.refused}")
    if not statement.known:
        told.append("may lock more than its text tells")
    lines = ["; ".join(told)] if told else []
    lines += _other_locks(statement)
    if statement.note:
        lines.append(statement.note)
    if lines and statement.line:
        lines[0] = f"line {statement.line}: {lines[0]}"
    return "\n  ".join(lines)


def _locks(statement: "PlannedStatement") -> Iterator[str]:
    """Yield the locks of the text, the strongest first, each with the tables it is taken on."""
    for level in reversed(LockLevel):
        tables = [_measured(lock) for lock in statement.locks if lock.level is level and _own(lock)]
        if tables:
            yield f"{level} on {', '.join(tables)} blocks {level.blocks}"


def _other_locks(statement: "PlannedStatement") -> Iterator[str]:
    """Yield the locks on tables that the catalogue knows, the strongest first, with the reason."""
    groups: dict[tuple[LockLevel, bool, str], list[str]] = {}
    for lock in sorted(statement.locks, key=lambda each: -each.level.strength):
        if not _own(lock):
            group = (lock.level, lock.certain, lock.reason or "")
            groups.setdefault(group, []).append(_measured(lock))
    for (level, certain, reason), tables in groups.items():
        names = ", ".join(tables[:_NAMED])
        if len(tables) > _NAMED:
            names += f" and {len(tables) - _NAMED} more"
        yield f"{'also' if certain else 'may take'} {level} on {names}: {reason}"


def _own(lock: "TableLock") -> bool:
    return lock.reason is None


def _measured(lock: "TableLock") -> str:
    """Return the name of a table, with its size where that is known and worth it."""
    if lock.level.strength < LockLevel.SHARE_UPDATE_EXCLUSIVE.strength or lock.bytes is None:
        return lock.table
    match lock.rows:
        case None:
            rows = "rows unknown"
        case 0:
            rows = "empty"
        case count:
            rows = f"about {figures.plural(count, 'row')}"
    return f"{lock.table} ({rows}, {figures.size(lock.bytes)})"


def _raising(message: str) -> str:
    """Return a statement that fails with `message`."""
    literal = message.replace("$", "").replace("'", "''").replace("%", "%%")
    return f"DO $$ BEGIN RAISE EXCEPTION '{literal}'; END $$;"


def _ended(sql: str) -> str:
    """End a statement, behind whose last line there may be a comment."""
    sql = sql.rstrip().rstrip(";")
    return f"{sql}\n;" if "--" in sql.rpartition("\n")[2] else f"{sql};"


def _comment(text: str) -> str:
    """Return the lines of `text` as comments, none so long that a terminal would break it."""
    return "\n".join(f"-- {part}" for line in text.splitlines() for part in _folded(line))


def _folded(line: str) -> list[str]:
    indent = line[: len(line) - len(line.lstrip())]
    return wrap(
        line, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _named(revisions: tuple[str, ...]) -> str:
    return ", ".join(revisions) or "base"
