"""Show a result again and again: as a live display on a terminal, elsewhere as lines of JSON."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from dbctl.errors import ConnectionFailed, DbctlError, ErrorCode, ExitCode, UsageError
from dbctl.interruption import EXIT_CODES, current, interrupted
from dbctl.output import (
    Output,
    chosen_output,
    delivered,
    emit_line,
    notice,
    notices_to,
)
from dbctl.rendering import console, safe
from dbctl.streams import data_file, data_stream

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from dbctl.results import Result

type Reader[S, R] = Callable[[S], AbstractAsyncContextManager[Callable[[], Awaitable[R]]]]


class Labelled(Protocol):
    """What is watched; `label` names it for people."""

    @property
    def label(self) -> str:
        """The name of the database."""


def watch[S: Labelled, R: Result](
    run: Callable[[Callable[[S], Coroutine[Any, Any, ExitCode]]], ExitCode],
    reader: Reader[S, R],
    view: Callable[[R], RenderableType],
    *,
    title: str,
    seconds: float,
) -> ExitCode:
    """Read every `seconds` and show what was read, until `q` or a signal ends it.

    `run` runs work on a source, from which `reader` makes what reads once; it is entered again
    after a connection was lost. On a terminal `view` draws each result under `title`; elsewhere,
    and where JSON was chosen, each is a line. Raises UsageError for another format, and whatever
    the first reading raises.
    """
    if data_file() is not None:
        raise UsageError(
            "--watch has no end, and --output FILE is written at the end",
            hint="Redirect it instead: `--watch 5 --json > FILE`.",
        )
    output = chosen_output.get()
    if output not in (Output.TABLE, Output.JSON, Output.NDJSON):
        raise UsageError(
            f"--watch shows a live display or lines of JSON, not {output}",
            hint="Leave --format out, or choose ndjson.",
        )
    with delivered():
        if output is Output.TABLE and data_stream().isatty():
            screen = _Screen(view, title, seconds)
            with screen.shown():
                return run(lambda source: screen.follow(source, reader))
        chosen_output.set(Output.NDJSON)  # in which an error is a line, too
        lines = _follow(reader, seconds, emit_line, notice)
        return run(lambda source: _until_stopped(lines(source)))
    return ExitCode.OK  # nobody reads it any more


def _follow[S, R](
    reader: Reader[S, R],
    seconds: float,
    show: Callable[[R], None],
    tell: Callable[[str], None],
) -> Callable[[S], Coroutine[Any, Any, None]]:
    """Return what reads a source for ever, shows each result, and tells what is wrong meanwhile."""

    async def follow(source: S) -> None:
        loop, begun = asyncio.get_running_loop(), False
        while True:
            try:
                async with reader(source) as read:
                    while True:
                        due = loop.time() + seconds
                        show(await read())
                        begun = True
                        await asyncio.sleep(due - loop.time())
            except DbctlError as error:
                if not begun or not _may_pass(error):
                    raise
                tell(f"trying again: {error.message}")
            await asyncio.sleep(seconds)

    return follow


def _may_pass(error: DbctlError) -> bool:
    """Tell whether it may be over at the next try: the server is gone, or a statement too slow."""
    return isinstance(error, ConnectionFailed) or error.code is ErrorCode.QUERY_FAILED


async def _until_stopped(work: Coroutine[Any, Any, None]) -> ExitCode:
    """Run `work` until a key or a signal cancels it; return what that means."""
    with suppress(asyncio.CancelledError):
        await work
    number = current().signal
    if number is signal.SIGALRM:
        raise interrupted(number, "nothing was changed")
    return ExitCode.OK if number is None else EXIT_CODES[number]


class _Screen[R]:
    """The alternate screen of a terminal, on which the last result stands under a headline."""

    def __init__(self, view: Callable[[R], RenderableType], title: str, seconds: float) -> None:
        self._view = view
        self._title = title
        self._seconds = seconds
        self._label = ""
        self._body: RenderableType = Text("reading …", style="muted")
        self._at = ""
        self._trouble: str | None = None
        self._live = Live(
            self,
            console=console(data_stream()),
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Take the terminal while the body runs; notices stand in the headline meanwhile."""
        with self._live, notices_to(self._tell):
            self._live.refresh()
            yield

    async def follow[S: Labelled](self, source: S, reader: Reader[S, R]) -> ExitCode:
        """Read `source` until `q` or a signal ends it."""
        self._label = source.label
        follow = _follow(reader, self._seconds, self._show, self._tell)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine run by the loop is a task
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGWINCH, self._live.refresh)
        with _keys({b"q": task.cancel}):
            return await _until_stopped(follow(source))

    def _show(self, result: R) -> None:
        self._body = self._view(result)
        self._at = f"{datetime.now().astimezone():%H:%M:%S}"
        self._trouble = None
        self._live.refresh()

    def _tell(self, text: str) -> None:
        self._trouble = text
        self._live.refresh()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the headline, and of the body what fits."""
        headline = Text.assemble((self._title, "bold"), "  ", safe(self._label), f"  {self._at}")
        key = "q" if sys.stdin.isatty() else "Ctrl-C"
        headline.append(f"  every {self._seconds:g} s, {key} ends it", "muted")
        headline.truncate(options.max_width, overflow="ellipsis")
        yield headline
        trouble = safe(self._trouble or "", "bad").wrap(console, options.max_width)
        yield from trouble
        room = max((options.height or console.height) - 1 - len(trouble), 1)
        # Line by line: to lay out thousands that nobody sees would hold up the keys for seconds.
        drawn = Segment.split_lines(console.render(self._body, options.update(height=None)))
        lines = list(islice(drawn, room + 1))
        below = len(lines) > room
        for line in lines[: room - 1] if below else lines:
            yield from line
            yield Segment.line()
        if below:
            yield Text("… more below; a higher window shows it", "muted", no_wrap=True)


@contextmanager
def _keys(actions: Mapping[bytes, Callable[[], object]]) -> Iterator[None]:
    """Run the action of a key that is typed while the body runs, where there is a keyboard."""
    if not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    keyboard, loop = sys.stdin.fileno(), asyncio.get_running_loop()
    before = termios.tcgetattr(keyboard)

    def typed() -> None:
        keys = os.read(keyboard, 64)
        if not keys:  # the terminal has gone
            loop.remove_reader(keyboard)
        for key, action in actions.items():
            if key in keys:
                action()

    tty.setcbreak(keyboard)
    loop.add_reader(keyboard, typed)
    # A shell that stopped it with Ctrl-Z has set the terminal to its own liking meanwhile. What was
    # typed since is kept.
    loop.add_signal_handler(signal.SIGCONT, tty.setcbreak, keyboard, termios.TCSANOW)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGCONT)
        loop.remove_reader(keyboard)
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
