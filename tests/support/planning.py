"""Plan and render a project's revisions in this process, without a command."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from alembic.runtime.migration import RevisionStep

from dbctl.db import dsn
from dbctl.db.engine import DatabaseSessionManager
from dbctl.migrate.offline import Rendered, Sought, render
from dbctl.migrate.plan import read_plan
from dbctl.migrate.plan_results import Plan
from dbctl.migrate.results import Direction
from dbctl.migrate.scripts import Checkout, open_checkout
from dbctl.settings import load_settings
from tests.support.project import Project


@contextmanager
def checkout_of(project: Project) -> Iterator[Checkout]:
    """Open a project's revisions; what is imported from it is forgotten again."""
    path, modules = list(sys.path), set(sys.modules)
    flags = {"database_url": project.url, "models": "shop.models"}
    try:
        yield open_checkout(load_settings(flags, start=project.root))
    finally:
        sys.path[:] = path
        for name in sys.modules.keys() - modules:
            location = getattr(sys.modules[name], "__file__", None) or ""
            if location.startswith(str(project.root)):
                del sys.modules[name]


def plan_of(
    project: Project,
    target: str = "head",
    *,
    direction: Direction = "up",
    times: int = 1,
) -> Plan:
    """Return the plan of a project on its database; the last one where there are several times."""

    async def work(checkout: Checkout) -> Plan:
        manager = DatabaseSessionManager(dsn.parse(project.url, environ={}))
        try:
            for _ in range(times):
                plan = await read_plan(manager, checkout, direction=direction, target=target)
            return plan
        finally:
            await manager.close()

    with checkout_of(project) as checkout:
        return asyncio.run(work(checkout))


def rendered_by(
    project: Project, checkout: Checkout, steps: Sequence[RevisionStep]
) -> list[Rendered]:
    """Return what each of `steps` from base would run on the project's database."""

    async def work() -> list[list[Rendered]]:
        manager = DatabaseSessionManager(dsn.parse(project.url, environ={}))
        try:
            return await render(checkout, manager, [Sought(steps, ())])
        finally:
            await manager.close()

    (rendered,) = asyncio.run(work())
    return rendered
