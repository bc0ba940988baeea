"""Make docs/dbctl.svg from a real run: the README's commands on a fresh embedded server.

uv run python docs/picture.py
"""

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
COLUMNS, ROWS = 92, 40
COMMANDS = [
    ["migrate", "up"],
    ["seed", "--dev"],
    ["health"],
    ["inspect", "rows", "tasks", "--columns", "title,status,due_at,tags", "--limit", "3"],
]


def run(arguments: list[str], environment: dict[str, str]) -> str:
    """Run dbctl on a terminal of its own and return what that showed, colours included."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    dbctl = [sys.executable, "-m", "dbctl", *arguments]
    process = subprocess.Popen(
        dbctl, cwd=ROOT, env=environment, stdin=slave, stdout=slave, stderr=subprocess.DEVNULL
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the terminal is closed: the process has ended
            break
        if not part:
            break
        shown += part
    os.close(master)
    if process.wait() != 0:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{shown.decode()}")
    return shown.decode().replace("\r\n", "\n").strip("\n")


def main() -> None:
    """Write the picture."""
    state = Path(tempfile.mkdtemp(prefix="dbctl-picture-"))
    state.chmod(0o755)  # root's server runs as another user
    environment = os.environ | {"DBCTL_STATE_DIR": str(state), "TERM": "xterm-256color"}
    for name in ("DATABASE_URL", "ENVIRONMENT", "NO_COLOR"):
        environment.pop(name, None)
    console = Console(record=True, width=COLUMNS, file=Path(os.devnull).open("w"))  # noqa: SIM115
    try:
        for command in COMMANDS:
            console.print(Text.assemble(("$ ", "dim"), (f"dbctl {' '.join(command)}", "bold")))
            console.print(Text.from_ansi(run(command, environment)))
            console.print()
    finally:
        destroy = [sys.executable, "-m", "dbctl", "server", "destroy", "--yes"]
        subprocess.run(destroy, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(state)
    svg = console.export_svg(title="dbctl", unique_id="dbctl")
    # The reader's own monospaced font will do; none is fetched from elsewhere.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    (ROOT / "docs" / "dbctl.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
