"""Run dbctl with its stdout in a pipe, and read it line by line."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.cli import ROOT, environment


@contextmanager
def lines_of(*arguments: str, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run dbctl with its stdout in a pipe."""
    with subprocess.Popen(
        [sys.executable, "-m", "dbctl", *arguments],
        env=environment(**env),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def next_line(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the JSON of the next line."""
    assert process.stdout is not None
    found = json.loads(process.stdout.readline())
    assert isinstance(found, dict)
    return found
