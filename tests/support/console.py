"""The console blocks of the documentation, and a shell that runs them line by line."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.cli import ROOT

_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"^###? (.+)$", re.MULTILINE)
_EXIT_CODE = "exit code of the line:"
# What runs until it is interrupted.
_ENDLESS = re.compile(r"--watch|\bhealth serve\b")
# Programs of others that a line hands its output to, and that need not be installed.
_READERS = ("jq", "dot")
# In place of the installers, which would need a network and a published package: they check the
# name of the distribution and its extras, and run what they would run.
_INSTALLER = f"""#!{sys.executable}
import os, re, sys, tomllib
name, *words = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
project = tomllib.load(open({str(ROOT / "pyproject.toml")!r}, "rb"))["project"]
for word in words:
    if word.startswith("dbctl"):
        found = re.fullmatch(r"([a-z-]+)(?:\\[([a-z,-]+)\\])?", word)
        extras = set(found[2].split(",")) if found[2] else set()
        known = {{*project["optional-dependencies"], "all"}}
        if found[1] == project["name"] and extras <= known:
            continue
        if found[1] == "dbctl" and not found[2] and words[0] in ("run", "--from"):
            continue
        sys.exit(f"{{word}} is not a distribution of this project, or has no such extra")
if words[0] == "init":
    os.mkdir(words[-1])
    with open(os.path.join(words[-1], "pyproject.toml"), "w") as file:
        file.write('[project]\\nname = "shop"\\nversion = "0"\\n')
if words[0] == "run":
    os.execvp(words[1], words[1:])
if name == "uvx" or words[:2] == ["tool", "run"]:
    command = words[words.index("--from") + 2 :]
    os.execvp(command[0], command)
"""


@dataclass(frozen=True)
class Line:
    """A command of a block; `number` is that of its line in the page, `section` its heading."""

    page: str
    section: str
    number: int
    command: str

    def __str__(self) -> str:
        return f"{self.page}:{self.number}: {self.command}"

    @property
    def is_endless(self) -> bool:
        """Whether it runs until it is interrupted."""
        return _ENDLESS.search(self.command) is not None


def lines_of(page: str) -> list[Line]:
    """Return the commands of a page of the documentation, in their order."""
    text = (ROOT / page).read_text()
    return [
        Line(
            page,
            ["", *_SECTION.findall(text, 0, block.start())][-1],
            text.count("\n", 0, block.start(1) + at.start()) + 1,
            at[1].replace("\\\n", ""),
        )
        for block in _BLOCK.finditer(text)
        for at in re.finditer(r"^\$ ((?:.*\\\n)*.*)$", block[1], re.MULTILINE)
    ]


class Shell:
    """A bash in a folder, with the installers replaced; it ends with the body."""

    def __init__(self, folder: Path, env: Mapping[str, str], programs: Path) -> None:
        programs.mkdir()
        for name in ("pip", "pipx", "uv", "uvx"):
            (programs / name).write_text(_INSTALLER)
            (programs / name).chmod(0o755)
        path = [str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]
        self._env = {**env, "PATH": os.pathsep.join(path)}
        self._folder = folder
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._bash = subprocess.Popen(
            ["bash"],
            cwd=self._folder,
            env=self._env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end_server()
        if error is not None:
            self._bash.kill()
        self._bash.communicate()

    def run(self, command: str) -> tuple[int, str]:
        """Run a line as it stands; return its exit code and what it printed."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(
            f"{{ {_without_readers(command)}\n}} < /dev/null\n"
            f"code=$?; echo; echo '{_EXIT_CODE}' $code\n"
        )
        self._bash.stdin.flush()
        printed: list[str] = []
        for line in self._bash.stdout:
            if line.startswith(_EXIT_CODE):
                return int(line.removeprefix(_EXIT_CODE)), "".join(printed)
            printed.append(line)
        raise AssertionError(f"the shell has ended: {''.join(printed)}")

    def start(self, command: str) -> tuple[int, str]:
        """Run a line that has no end until it prints something, then interrupt it.

        A server goes on, for the lines that follow. Returns as `run` does, an interruption being 0.
        """
        self._end_server()
        _, setting = self.run("pwd; export -p")
        folder, *exports = setting.strip().splitlines()
        output = self._folder / "endless"
        with output.open("wb") as file:
            process = subprocess.Popen(
                ["bash", "-c", "\n".join([*exports, command.split(" | ")[0]])],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        written = re.search(r"> (\S+)", command)
        place = Path(folder) / written[1] if written else output
        while process.poll() is None and not (place.exists() and place.read_bytes()):
            time.sleep(0.05)  # between two polls
        if "serve" in command and process.poll() is None:
            self._server = process
            return 0, output.read_text()
        code = _interrupt(process)
        return 0 if code in {130, -signal.SIGINT} else code, output.read_text()

    def _end_server(self) -> None:
        if self._server is not None:
            _interrupt(self._server)
            self._server = None


def _interrupt(process: subprocess.Popen[bytes]) -> int:
    """Interrupt a group of processes, where it runs, and return the exit code of the first."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    return process.wait(60)


def _without_readers(command: str) -> str:
    """Cut off a pipe into a program that is not installed."""
    parts: Iterator[str] = iter(re.split(r"\s\|\s(?=[a-z])", command))
    kept = [next(parts)]
    for part in parts:
        program = part.split()[0]
        if program in _READERS and shutil.which(program) is None:
            break
        kept.append(part)
    return " | ".join(kept)
