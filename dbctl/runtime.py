"""Run a command: the only event loop, the signals, and the boundary where errors end.

Whatever a command raises leaves here as a message, a hint and a documented exit code.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import typer

from dbctl.draft import drafted
from dbctl.errors import (
    ConnectionFailed,
    DbctlError,
    ErrorCode,
    ExitCode,
    OperationFailed,
    RefusedError,
    UsageError,
)
from dbctl.interruption import EXIT_CODES, current, deadline, interrupted, interruptible
from dbctl.output import Output, chosen_output, delivered, notice, show_error
from dbctl.streams import command_began
from dbctl.typer_versions import CommandLineError, command_path, error_message, has_printed_help

if TYPE_CHECKING:
    from dbctl.db.endpoints import Endpoint
    from dbctl.db.engine import DatabaseSessionManager
    from dbctl.db.session import Session
    from dbctl.settings import Settings

# Seconds in which the server may cancel what an interrupted command runs there.
_PATIENCE = 5.0
# And after a deadline, which is when the command should have ended.
_BRIEFLY = 1.0
# Seconds without a turn of the event loop after which code that blocks it is cut short. A shell and
# a wrapper may both send a signal, one right after the other.
_STUCK = 0.5
_ROLLED_BACK = "what was not finished was rolled back"
_UNCHANGED = "nothing was changed"


# Set by the command line: what asks the project's own code for its database is above this module.
find_in_project: Callable[[Settings], tuple[str, str] | None] | None = None


# The signals that the command of this context ends for: its outcome is delivered, whatever signals
# follow.
_ends_for: ContextVar[list[int] | None] = ContextVar("ends_for", default=None)


class _Signalled(BaseException):
    """A signal arrived outside the event loop; Typer would swallow a KeyboardInterrupt."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number)
        self.number = number


def run[T](operation: Callable[[], Coroutine[Any, Any, T]], *, outcome: str = _ROLLED_BACK) -> T:
    """Run `operation()` in an event loop that SIGINT and SIGTERM cancel cleanly.

    The first signal cancels the task, so that statements are cancelled on the server and
    transactions rolled back before the process ends. Raises Interrupted after that, also where the
    operation lost its connection meanwhile, unless it returns a result of its own. A further one
    only tells what is awaited; where code that blocks the loop keeps the first from being heard, it
    cancels that code. The end of the command's deadline is such a signal. `outcome` is what is so
    after an interruption.
    """
    import asyncio

    heard: list[signal.Signals] = []
    ends_for = _ends_for.get()

    async def supervised() -> T:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine run by the loop is a task

        def hear(number: signal.Signals) -> None:
            if heard:
                return
            heard.append(number)
            task.cancel()
            for react in state.reactions:
                react()

        def cancel(number: int, frame: FrameType | None) -> None:
            # The loop's own handlers would wait for code that blocks the loop.
            if state.signal is None:
                state.signal, state.since = signal.Signals(number), loop.time()
                if ends_for is not None:
                    ends_for.append(number)
                loop.call_soon_threadsafe(hear, state.signal)
            elif heard:
                if number != signal.SIGALRM:
                    loop.call_soon_threadsafe(notice, f"still waiting for {state.awaited}")
            elif loop.time() - state.since > _STUCK and not _is_at_rest(frame):
                heard.append(state.signal)
                raise asyncio.CancelledError

        with _signals_handled(cancel), _deadline_heard(cancel):
            return await operation()

    # What is imported stays: a collector that went through it would cost as much as a small query.
    gc.freeze()
    gc.enable()
    with interruptible() as state:
        try:
            return asyncio.run(supervised())
        except asyncio.CancelledError:
            if state.signal is None:
                raise
            raise interrupted(state.signal, outcome) from None
        except ConnectionFailed as error:
            # What did not end in time was cut off from the server.
            if state.signal is None:
                raise
            raise interrupted(state.signal, error.message, hint=error.hint) from error


def _is_at_rest(frame: FrameType | None) -> bool:
    """Return whether the event loop itself is at work, which is only slow to get its turn."""
    name = frame.f_code.co_filename if frame is not None else ""
    return name.endswith(("selectors.py", "base_events.py"))


class Target:
    """The database that the settings name, or the embedded one, found once for a command.

    With `migrations` it is the direct endpoint, used without a pool. `endpoint` is given where it
    is known already.
    """

    def __init__(
        self, settings: Settings, *, migrations: bool = False, endpoint: Endpoint | None = None
    ) -> None:
        self._settings = settings
        self._pooling = not migrations
        if endpoint is None:
            from dbctl.db.endpoints import resolve

            endpoints = resolve(settings, notice, find_in_project, run)
            endpoint = endpoints.migrations if migrations else endpoints.reads
        self._endpoint = endpoint

    def run[T](
        self,
        work: Callable[[DatabaseSessionManager], Coroutine[Any, Any, T]],
        *,
        only_read: bool = False,
    ) -> T:
        """Run `work`, which may `only_read`, on the database, with the engine.

        Interrupted, it has a moment to end by itself; then its connections are cut off. Raises
        DbctlError for whatever goes wrong with the server.
        """
        from dbctl.db.engine import DatabaseSessionManager, closing

        async def connected() -> T:
            manager = DatabaseSessionManager.from_settings(
                self._settings, self._endpoint, pooling=self._pooling, on_wait=notice
            )
            _cut_off_when_interrupted(manager.terminate)
            async with closing(manager, only_read=only_read):
                return await work(manager)

        return run(connected, outcome=_UNCHANGED if only_read else _ROLLED_BACK)

    def read[T](self, work: Callable[[Session], Coroutine[Any, Any, T]]) -> T:
        """Run `work` on one connection of the driver's, which starts sooner; otherwise as `run`."""
        from dbctl.db.session import Session

        async def connected() -> T:
            session = Session(self._settings, self._endpoint, on_wait=notice)
            _cut_off_when_interrupted(session.terminate)
            return await work(session)

        return run(connected, outcome=_UNCHANGED)


def _cut_off_when_interrupted(terminate: Callable[[], None]) -> None:
    import asyncio

    loop, state = asyncio.get_running_loop(), current()

    def react() -> None:
        late = state.signal is signal.SIGALRM
        loop.call_later(_BRIEFLY if late else _PATIENCE, terminate)

    state.reactions.append(react)


def on_database[T](
    settings: Settings,
    work: Callable[[DatabaseSessionManager], Coroutine[Any, Any, T]],
    *,
    migrations: bool = False,
) -> T:
    """Run `work`, which changes nothing, on the database that the settings name.

    `Target` says how.
    """
    return Target(settings, migrations=migrations).run(work, only_read=True)


def execute(command: Callable[[], object], argv: Sequence[str]) -> int:
    """Run `command` and turn however it ends into an exit code, errors told to the user.

    `argv` is looked at for the output format, so that a command line which does not parse is
    answered in the format it asked for.
    """
    # In a context of its own, so that the format chosen in it ends with it.
    return copy_context().run(_contained, command, argv)


@contextmanager
def _signals_handled(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Let `handler` have the signals that end a command."""
    previous = {number: signal.signal(number, handler) for number in EXIT_CODES}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


@contextmanager
def _deadline_heard(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Let `handler` have SIGALRM when the command's deadline is over, as if somebody had sent it.

    It comes again, as a signal may have to where code blocks the event loop.
    """
    limit = deadline()
    if limit is None:
        yield
        return
    previous = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, limit.left, 2 * _STUCK)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _contained(command: Callable[[], object], argv: Sequence[str]) -> int:
    chosen_output.set(format_of_failure(argv))
    ends_for: list[int] = []
    _ends_for.set(ends_for)

    def end(number: int, _frame: FrameType | None) -> None:
        if not ends_for:
            ends_for.append(number)
            raise _Signalled(signal.Signals(number))

    with _signals_handled(end):
        try:
            return _outcome_of(command)
        except _Signalled as error:
            show_error(interrupted(error.number, _ROLLED_BACK))
            return EXIT_CODES[error.number]


def _outcome_of(command: Callable[[], object]) -> int:
    """Run `command`; return its exit code, with the error shown where there is one."""
    try:
        outcome = _completed(command)
    except DbctlError as error:
        _explain(error)
        show_error(error)
        return error.exit_code
    except CommandLineError as error:
        if has_printed_help(error):
            return ExitCode.USAGE
        show_error(_usage_error(error))
        return ExitCode.USAGE
    except typer.Abort:
        show_error(RefusedError("not confirmed; nothing was done"))
        return ExitCode.REFUSED
    except OSError as error:
        show_error(_refused_by_system(error))
        return ExitCode.FAILED
    except Exception as error:
        show_error(_bug(error))
        return ExitCode.BUG
    return outcome if isinstance(outcome, int) else ExitCode.OK


def _completed(command: Callable[[], object]) -> object:
    """Run `command`, which prints help where it does not run one of ours, and deliver the help.

    Raises OperationFailed where code of the project ends the process.
    """
    outcome: object = ExitCode.OK
    try:
        outcome = command()
    except SystemExit as error:
        if command_began():
            raise OperationFailed(
                f"the project's code called sys.exit({'' if error.code is None else error.code!r})",
                hint="Raise an exception there instead.",
            ) from error
        # Rich's way out where nobody reads the help any more.
    except OSError:
        if command_began():
            raise
        with delivered():
            raise
    if not command_began():
        with delivered():
            pass
    return outcome


def format_of_failure(argv: Sequence[str]) -> Output:
    """Return the JSON form that a command line asks for, without parsing it; else the table."""
    options = list(argv[: argv.index("--")] if "--" in argv else argv)
    if "--json" in options:
        return Output.JSON
    for output in (Output.JSON, Output.NDJSON):
        if f"--format={output}" in options or ("--format", output) in pairwise(options):
            return output
    return Output.TABLE


def _usage_error(error: Exception) -> UsageError:
    hint = f"`{command_path(error)} --help` shows what it takes."
    return UsageError(error_message(error), hint=hint)


def _explain(error: DbctlError) -> None:
    """Log the causes of a foreseen error, for `-v`."""
    import logging

    from dbctl.redaction import scrub

    cause, seen = error.__cause__, {id(error)}
    while cause is not None and id(cause) not in seen:  # code of the project can close a circle
        seen.add(id(cause))
        logging.getLogger("dbctl").info(
            "caused by %s: %s", type(cause).__qualname__, scrub(str(cause))
        )
        cause = cause.__cause__


def _refused_by_system(error: OSError) -> OperationFailed:
    """Describe what the operating system refused where nobody foresaw it."""
    from dbctl.redaction import scrub

    what = f" ({os.fsdecode(error.filename)})" if isinstance(error.filename, str | bytes) else ""
    return OperationFailed(
        scrub(f"the operating system refused: {error.strerror or error}{what}"),
        hint="Check the disk, the permissions and the limits of this process (`ulimit -a`).",
    )


def _bug(error: Exception) -> DbctlError:
    import traceback

    from dbctl.redaction import scrub

    details = scrub("".join(traceback.format_exception(error)))
    where = _keep(details)
    kept = f"The details are in {where}" if where else "No file could be written for the details"
    report = DbctlError(
        f"unexpected {type(error).__name__}: this is a bug in dbctl",
        hint=f"{kept}; please report it.",
        code=ErrorCode.BUG,
    )
    report.exit_code = ExitCode.BUG
    return report


def _keep(details: str) -> Path | None:
    """Write the details of a bug to a file of the user's and return its path, None without one."""
    import tempfile
    from datetime import UTC, datetime

    from platformdirs import user_log_path

    name = f"bug-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
    places: tuple[Callable[[], Path], ...] = (
        lambda: user_log_path("dbctl", ensure_exists=True) / name,
        lambda: Path(tempfile.gettempdir()) / f"dbctl-{name}",
    )
    for place in places:
        with suppress(OSError, DbctlError):
            path = place()
            with drafted(path, mode=0o600) as draft:
                draft.write(details)
                draft.keep()
            return path
    return None
