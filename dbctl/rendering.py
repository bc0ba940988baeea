"""What every view is made of: one style of table, and text that a terminal cannot obey."""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

# C0 but for tab and newline, DEL, C1, and every character that changes the direction or the
# visibility of what follows it: each can make a terminal show something that is not there. The two
# joiners stay: they do neither, and Persian, Hindi and emoji are written with them.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)
# Far wider than any row: what is piped must not be cut to the width of a screen that is not there.
_PIPE_WIDTH = 2000


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the sink, which keeps the exit code; Rich would end the process with 1."""
        raise BrokenPipeError


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Text that a pipe or a file gets to the byte, and a terminal as `shown`."""

    text: str
    shown: RenderableType

    def __rich__(self) -> RenderableType:
        """Return what a terminal shows."""
        return self.shown


def console(stream: TextIO | None = None, *, stderr: bool = False) -> Console:
    """Return a Rich console for `stream`, or for stdout or stderr as it is now."""
    stream = stream or (sys.stderr if stderr else sys.stdout)
    return _Console(
        file=stream,
        width=None if stream.isatty() else _PIPE_WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
        theme=Theme(
            {
                "ok": "green",
                "warn": "yellow",
                "bad": "bold red",
                "muted": "dim",
                "key": "cyan",
                "table.header": "bold",
            }
        ),
    )


def show(renderable: RenderableType, stream: TextIO) -> None:
    """Print to `stream`; a pipe or a file without the blanks that fill a terminal's lines."""
    out = console(stream)
    if out.is_terminal:
        # Rich lays everything out for the width; a `line` goes on beyond it, to be copied whole.
        out.print(renderable, crop=False)
        return
    if isinstance(renderable, Verbatim):
        stream.write(renderable.text)
        return
    with out.capture() as captured:
        out.print(renderable)
    stream.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def table(**options: Any) -> Table:
    """Return an empty table in the one style that every view uses."""
    return Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        header_style="table.header",
        **options,
    )


def edge_excess(console: Console, options: ConsoleOptions) -> int:
    """Return by how many cells the last column of a `table` exceeds the width set for it.

    One before Rich 14.3, which adds the padding that `pad_edge=False` leaves out; then none.
    """
    probe = table()
    probe.add_column(width=1)
    return Measurement.get(console, options, probe).maximum - 3  # the cell and the two edges


def facts() -> Table:
    """Return an empty grid for pairs of a label and a value."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="muted", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def line(text: str) -> Text:
    """Return text that stays on one line whatever the width, to be copied or substituted."""
    return Text(visible(text), no_wrap=True, overflow="ignore")


def visible(text: str) -> str:
    r"""Replace control and invisible characters by escapes such as `\x1b` and `\u202e`.

    Newlines and tabs stay. Rich passes the others through, to where a terminal obeys them.
    """
    return _UNSAFE.sub(_escape, text)


def visible_json(document: str) -> str:
    """Return a JSON document with the same characters, which only its texts hold, escaped."""
    return _UNSAFE.sub(lambda match: json.dumps(match[0])[1:-1], document)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def safe(value: object, style: str = "") -> Text:
    """Return text of unknown origin as a Rich Text on one line, its markup left uninterpreted."""
    return Text(one_line(str(value)), style=style)


def one_line(text: str) -> str:
    """Replace what `visible` does, and newlines and tabs."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def styled(parts: Sequence[tuple[str, str]], stream: TextIO) -> str:
    """Return parts of a text, coloured where `stream` is a terminal."""
    if not stream.isatty():
        return "".join(text for text, _ in parts)
    out = console(stream)
    with out.capture() as captured:
        out.print(Text.assemble(*parts), soft_wrap=True, end="")
    return captured.get()
