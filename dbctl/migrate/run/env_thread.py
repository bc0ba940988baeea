"""Run a project's env.py as `alembic upgrade` would: in a thread in which no event loop runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING

from dbctl.db import drivers
from dbctl.db.engine_events import thread_listeners
from dbctl.draft import scratch_folder
from dbctl.migrate.run.alembic_statements import with_qualified_operators
from dbctl.migrate.run.flask_app import application_context
from dbctl.migrate.run.logging_guard import logging_untouched

if TYPE_CHECKING:
    from alembic.runtime.environment import EnvironmentContext

    from dbctl.db.engine_events import Listeners
    from dbctl.migrate.scripts import Checkout

# Alembic's proxies (`alembic.context`, `alembic.op`) are one for the process: so is a run.
_one_at_a_time = threading.Lock()
# What lets no statement of Alembic's, or of a driver's, call what another role has made.
_QUALIFIED: Listeners = {
    "before_cursor_execute": with_qualified_operators,
    "connect": drivers.qualify_asyncpg,
    "do_connect": drivers.qualify_psycopg,
}
# Seconds between two requests to end a run that was cancelled.
_STOP_INTERVAL = 0.2
# Seconds for which a thread that computes may keep the interpreter once the run was cancelled.
_SWITCH_INTERVAL = 0.0005


async def run_env(
    checkout: Checkout,
    environment: EnvironmentContext,
    *,
    listeners: Listeners | None = None,
    variables: Mapping[str, str] | None = None,
    stop: Callable[[float], Awaitable[bool]] | None = None,
    at_end: Callable[[], None] | None = None,
    aside: bool = False,
) -> None:
    """Run env.py in `environment` until it ends, in a thread of its own.

    `listeners` hear of everything that SQLAlchemy does in the thread and in those that it starts,
    `variables` are set in the process's environment meanwhile, and `at_end` is called in the thread
    once env.py has ended. When this task is cancelled, `stop` is called with the seconds since
    then, again and again, until the thread ends or it returns False; the thread is then left
    behind, and ends with the process. Raises what env.py, Alembic and the revisions raise. With
    `aside` an env.py for several databases, which writes a file of SQL for each beside where it is
    started, is started in a folder that is removed.
    """
    aside = aside and bool(checkout.config.get_main_option("databases"))
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[BaseException | None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if not ended.done():
            ended.set_result(error)

    def work() -> None:
        error: BaseException | None = None
        try:
            with (
                _one_at_a_time,
                logging_untouched(),
                _variables_set(variables or {}),
                _aside() if aside else in_folder(checkout.folder),
                thread_listeners(_QUALIFIED),
                thread_listeners(listeners or {}),
                application_context(checkout),
                environment,
            ):
                try:
                    checkout.scripts.run_env()
                except SystemExit as end:
                    if end.code not in {None, 0}:  # else it is as good as any other end
                        raise
                finally:
                    if at_end is not None:
                        at_end()
        except BaseException as caught:  # whatever it is, the loop has to know
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop has ended without waiting for it
            loop.call_soon_threadsafe(settle, error)

    # Not one of asyncio's threads: those keep the process alive while one waits on a dead socket.
    threading.Thread(target=copy_context().run, args=(work,), name="dbctl-env", daemon=True).start()
    try:
        error = await asyncio.shield(ended)
    except asyncio.CancelledError:
        if stop is not None:
            await _stopped(ended, stop)
        raise
    if error is not None:
        raise error


async def _stopped(
    ended: asyncio.Future[BaseException | None], stop: Callable[[float], Awaitable[bool]]
) -> None:
    """Call `stop` until the thread ends, or until it gives up."""
    # Code that computes would keep the event loop waiting 5 ms, each time that it has had a turn.
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_INTERVAL)
    clock = asyncio.get_running_loop().time
    since = clock()
    try:
        while not ended.done() and await stop(clock() - since):
            await asyncio.wait({ended}, timeout=_STOP_INTERVAL)
    finally:
        sys.setswitchinterval(before)


@contextmanager
def _variables_set(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def in_folder(folder: Path) -> Iterator[None]:
    """Stand where `alembic` would be started, should dbctl be run from below it.

    Relative paths in the ini, in env.py and on sys.path count from there.
    """
    try:
        inside = Path.cwd() != folder and Path.cwd().is_relative_to(folder)
    except FileNotFoundError:
        inside = False
    if not inside:
        yield
        return
    with contextlib.chdir(folder):
        yield


@contextmanager
def _aside() -> Iterator[None]:
    with scratch_folder() as folder, contextlib.chdir(folder):
        yield


def make_path_absolute() -> None:
    """Replace the relative entries of sys.path, which Alembic's `prepend_sys_path` brings."""
    sys.path[:] = [os.path.abspath(entry) if entry else entry for entry in sys.path]  # noqa: PTH100
