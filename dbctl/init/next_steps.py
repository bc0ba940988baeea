"""What to do once a project is set up: the commands, as they have to be typed there."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from importlib.util import find_spec
from pathlib import Path

from dbctl.init.found_results import Found
from dbctl.init.results import NextStep
from dbctl.installation import command_prefix, uv_add


def steps_after(
    created: Collection[Path], found: Found, pyproject: str, *, example: bool, has_dev: bool
) -> Iterator[NextStep]:
    """Yield the commands that come next, and the files to be written by hand between them.

    `created` are the new files, `pyproject` is the text that pyproject.toml has now.
    """
    dbctl = command_prefix()
    if (add := uv_add(pyproject)) is not None:
        yield NextStep(command=add, purpose="make dbctl a dependency: env.py imports it")
    if dbctl == "dbctl" and any(_is_out_of_reach(path) for path in created):
        yield NextStep(command="pip install -e .", purpose="let the package in src be imported")
    for fault in found.unreadable:
        if fault.part == "programs" and fault.hint is not None:
            yield NextStep(command=None, purpose=fault.hint)
    models, seeds = (
        next((str(path) for path in created if path.name == name), None)
        for name in ("models.py", "seeds.py")
    )
    revisions = found.alembic.revisions if found.alembic else int(example)
    if models is not None and not example:
        yield NextStep(command=None, purpose=f"write the tables of the application in {models}")
    if not revisions:
        yield NextStep(
            command=f"{dbctl} migrate new 'first tables'",
            purpose="start a revision; write what it creates, or let "
            f"`{dbctl.replace('dbctl', 'alembic')} revision --autogenerate` draft one",
        )
    elif found.alembic:
        yield NextStep(command=f"{dbctl} config --check", purpose="list what is in the way")
        yield NextStep(command=f"{dbctl} migrate status", purpose="show what is pending")
    yield NextStep(command=f"{dbctl} migrate up", purpose="bring the database to the head")
    if seeds is not None and not example:
        yield NextStep(command=None, purpose=f"write rows for development in {seeds}")
    if has_dev:
        yield NextStep(command=f"{dbctl} seed --dev", purpose="write the rows for development")
    yield NextStep(command=f"{dbctl} health", purpose="check the database")
    yield NextStep(command=f"{dbctl} inspect tables", purpose="look at what is there")


def _is_out_of_reach(path: Path) -> bool:
    """Return whether a module lies in `src`, and its package is not installed."""
    return path.parts[:1] == ("src",) and find_spec(path.parts[1]) is None
