"""Run the command line: what comes before its imports, which take most of a start."""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

_ENDING = (signal.SIGINT, signal.SIGTERM)


def main() -> None:
    """Run the command line and exit with its documented code, interrupted or not."""
    for number in _ENDING:
        signal.signal(number, _end)
    try:
        from dbctl.cli import main  # only now, for it takes a while

        main()
    finally:
        for number in _ENDING:  # the interpreter ends, and has nothing to say about that
            signal.signal(number, signal.SIG_IGN)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """End the process while it starts, in the words of any other interruption."""
    message = f"interrupted by {signal.Signals(number).name}"
    if "--json" in sys.argv or "json" in sys.argv:
        text = f'{{"error": {{"code": "interrupted", "message": "{message}", "hint": null}}}}\n'
        os.write(1, text.encode())
    else:
        os.write(2, f"error: {message}\n".encode())
    os._exit(128 + number)


if __name__ == "__main__":
    main()
