"""Run dbctl on a terminal, and type what a person would."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.cli import environment

END_OF_FILE = "\x04"  # Ctrl-D

_SIZE = struct.pack("HHHH", 40, 100, 0, 0)
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A run of dbctl, or of another `program`, on a terminal: what it prints is on the `screen`."""

    def __init__(
        self,
        *arguments: str,
        env: Mapping[str, str],
        cwd: Path,
        timeout: float = 60,
        program: Sequence[str] = (sys.executable, "-m", "dbctl"),
    ) -> None:
        self._deadline = time.monotonic() + timeout
        self._shown = b""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, _SIZE)
        try:
            self._process = subprocess.Popen(
                [*program, *arguments],
                env=environment(**env) | {"TERM": "xterm-256color"},
                cwd=cwd,
                stdin=slave,
                stdout=slave,
                stderr=slave,
                start_new_session=True,
            )
        finally:
            os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    @property
    def printed(self) -> bytes:
        """All that was printed and typed by now, to the byte."""
        return self._shown

    @property
    def screen(self) -> str:
        """What was printed and typed by now, without what only colours it."""
        text = self._shown.decode(errors="replace").replace("\r\n", "\n")
        return _ESCAPES.sub("", text)

    def wait_for(self, text: str) -> None:
        """Return when `text` is on the screen."""
        while text not in self.screen:
            assert self._read(), f"it ended without {text!r}:\n{self.screen}"

    def type(self, keys: str) -> None:
        """Type on the keyboard."""
        os.write(self._master, keys.encode())

    def read_by_line(self) -> None:
        """Let the keyboard give whole lines, as a shell does while a program is stopped."""
        modes = termios.tcgetattr(self._master)
        modes[3] |= termios.ICANON | termios.ECHO
        termios.tcsetattr(self._master, termios.TCSANOW, modes)

    def send_signal(self, number: int) -> None:
        """Send a signal to it, as a terminal that controls it does for Ctrl-C."""
        self._process.send_signal(number)

    def finish(self) -> int:
        """Wait until it ends and return its exit code."""
        while self._read():
            pass
        return self._process.wait(max(self._deadline - time.monotonic(), 1))

    def _read(self) -> bool:
        """Take in what is printed next; False where nothing will come any more."""
        left = max(self._deadline - time.monotonic(), 0)
        ready, _, _ = select.select([self._master], [], [], left)
        assert ready, f"nothing more comes:\n{self.screen}"
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux says so of a terminal that nobody has open
            return False
        self._shown += data
        return bool(data)
