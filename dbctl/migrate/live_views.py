"""Show a run while it goes on: a board that changes on a terminal, a line each elsewhere."""

import time

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from dbctl.migrate.events import (
    Blocked,
    Building,
    ConnectionLost,
    Event,
    FilesChanged,
    Finished,
    InvalidIndexes,
    LockAwaited,
    Retrying,
    Started,
    Unversioned,
)
from dbctl.rendering import safe, visible

_BAR_WIDTH = 24


class Board:
    """What is to be seen of a run in one `direction`, drawn anew whenever it is asked for."""

    def __init__(self, direction: str) -> None:
        self._direction = direction
        self._spinner = Spinner("dots", style="key")
        self._awaited: LockAwaited | None = None
        self._started: Started | None = None
        self._since = time.monotonic()
        self._blocked: Blocked | None = None
        self._retrying: Retrying | None = None
        self._building: Building | None = None
        self._notes: list[str] = []

    def see(self, event: Event) -> None:
        """Take in what has happened."""
        match event:
            case LockAwaited():
                self._awaited, self._since = event, time.monotonic()
            case Started():
                if event.attempt == 1:
                    self._blocked = None
                self._started, self._since = event, time.monotonic()
                self._awaited = self._retrying = self._building = None
            case Blocked():
                self._blocked = event
            case Retrying():
                self._retrying = event
            case Building():
                self._building = event
            case Finished():
                self._blocked = self._building = None
            case InvalidIndexes() | FilesChanged() | Unversioned() | ConnectionLost():
                self._notes.append(line(event) or "")

    def __rich__(self) -> RenderableType:
        """Draw it."""
        elapsed = time.monotonic() - self._since
        parts: list[RenderableType] = [Text(visible(note), "warn") for note in self._notes]
        parts.append(self._headline(elapsed))
        if self._blocked is not None:
            parts += [
                Text.assemble(
                    ("  blocked by ", "warn"),
                    safe(blocker.sentence),
                    no_wrap=True,
                    overflow="ellipsis",
                )
                for blocker in self._blocked.blockers
            ]
        if self._building is not None:
            parts.append(_progress(self._building))
        return Group(*parts)

    def _headline(self, elapsed: float) -> RenderableType:
        if self._awaited is not None:
            text = safe(f"{line(self._awaited)} — {elapsed:.0f} s")
        elif self._started is None:
            text = Text("looking at the database", "muted")
        else:
            step = self._started
            text = Text.assemble(
                (f"{self._direction} {step.index}/{step.total} ", "muted"),
                safe(step.revision.revision, "key"),
                " ",
                safe(step.revision.message),
                (f" — {elapsed:.1f} s", "muted"),
            )
            if self._retrying is not None:
                text.append(f", attempt {self._retrying.attempt} got no lock, again soon", "warn")
            elif step.attempt > 1:
                text.append(f", attempt {step.attempt}", "warn")
        self._spinner.update(text=text)
        return self._spinner


def _progress(build: Building) -> RenderableType:
    grid = Table.grid(padding=(0, 1, 0, 0))
    bar = ProgressBar(total=max(build.total, 1), completed=build.done, width=_BAR_WIDTH)
    grid.add_row(" ", bar, _share(build), safe(build.index, "key"), safe(build.phase, "muted"))
    return grid


def _share(build: Building) -> str:
    return f"{100 * build.done // build.total} %" if build.total else "…"


def line(event: Event, direction: str = "up") -> str | None:
    """Say in a line what has happened; None where that is worth none."""
    match event:
        case LockAwaited(holder, left):
            by = holder.sentence if holder else "another run"
            return f"waiting for the deployer lock, held by {by}; up to {left:.0f} s"
        case Finished(index, total, revision, seconds, attempts):
            tries = f", {attempts} attempts" if attempts > 1 else ""
            place = f"{direction} {index}/{total}"
            return f"{place} {revision.revision} {revision.message} — {seconds:.2f} s{tries}"
        case Blocked(revision, blockers):
            return f"{revision} is blocked by {'; '.join(b.sentence for b in blockers)}"
        case Retrying(revision, attempt, pause):
            return (
                f"{revision} got no lock in attempt {attempt} and was rolled back; "
                f"again in {pause:.1f} s"
            )
        case Building(revision, index, phase, done, total, unit):
            of = f" {done} of {total} {unit}" if total else ""
            return f"{revision} builds {index}: {phase}{of}"
        case InvalidIndexes(names, dropped=True):
            return f"dropped the invalid index {', '.join(names)}, which is built again"
        case InvalidIndexes(names):
            return (
                f"no query uses the invalid index {', '.join(names)}, which a build that did not "
                "end left behind"
            )
        case FilesChanged(revisions):
            return (
                f"the files of {', '.join(revisions)} are not those that were applied: "
                "dbctl migrate verify"
            )
        case Unversioned():
            return (
                "the database has tables but no version, so every revision is run; where its "
                "tables are there already: dbctl migrate stamp REV"
            )
        case ConnectionLost(database, said):
            reason = f" ({said})" if said else ""
            return (
                f"the connection to {database} was lost{reason}; the version was read again on "
                "another one, and every revision was committed"
            )
        case Started():
            return None


def stage(event: Event) -> object:
    """Return what two events have in common of which a line for one is enough; None for no such."""
    if not isinstance(event, Building):
        return None
    tenths = 10 * event.done // event.total if event.total else 0
    return event.revision, event.index, event.phase, tenths


def is_urgent(event: Event) -> bool:
    """Tell whether the event explains why nothing seems to happen."""
    return not isinstance(event, Started | Finished | Building)
