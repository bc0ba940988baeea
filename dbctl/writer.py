"""Bytes of a result on their way to where it goes: as they are, or as a terminal may show them."""

from __future__ import annotations

import asyncio
import codecs
import os
import stat
from collections.abc import Callable
from select import PIPE_BUF
from typing import TextIO

from dbctl.errors import UsageError
from dbctl.output import cannot_write


class Writer:
    """Write UTF-8 to `stream`, and what `escape` makes of it to a stream that takes text only.

    That is a terminal or, where `escape` is not `str`, a stream in another encoding. Without
    `escape` it is not text, which neither can have. The event loop goes on while a pipe is full.
    `begun` is true once something was written, and `torn` after what was broken off within.
    """

    def __init__(self, stream: TextIO, escape: Callable[[str], str] | None) -> None:
        self.begun = self.torn = False
        self._stream = stream
        self._escape = escape
        is_text = escape is not None and escape is not str
        self._descriptor = None if stream.isatty() else _descriptor(stream, text=is_text)
        if escape is None and self._descriptor is None:
            raise UsageError(
                "this format is no text, which a terminal cannot show",
                hint="Write it with --output FILE, or to a pipe.",
            )
        self._fills_up = self._descriptor is not None and _fills_up(self._descriptor)

    async def write(self, data: bytes) -> None:
        """Write whole lines. Raises BrokenPipeError where nobody reads any more.

        Raises OperationFailed where it cannot be written for another reason.
        """
        self.begun = self.torn = True
        try:
            if self._descriptor is None:
                self.write_text(data.decode(errors="backslashreplace"))
            else:
                await self._write_bytes(self._descriptor, data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise cannot_write(error) from error
        self.torn = False

    def write_text(self, text: str) -> None:
        self._stream.write(self._escape(text) if self._escape else text)
        self._stream.flush()

    async def _write_bytes(self, descriptor: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            if self._fills_up:
                await _room(descriptor)
                view = view[os.write(descriptor, view[:PIPE_BUF]) :]
            else:
                view = view[os.write(descriptor, view) :]


def _descriptor(stream: TextIO, *, text: bool) -> int | None:
    """Return what bytes can be written to directly, None for what takes text only."""
    try:
        descriptor = stream.fileno()
        if text and codecs.lookup(stream.encoding).name != "utf-8":
            return None
    except (OSError, ValueError, LookupError):
        return None
    stream.flush()
    return descriptor


def _fills_up(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


async def _room(descriptor: int) -> None:
    """Wait until a pipe takes as much as it takes in one piece."""
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    if poll.poll(0):
        return
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(descriptor)
