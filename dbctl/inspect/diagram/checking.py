"""Whether a file still shows the schema: the file itself, or the block of Mermaid in a document."""

from __future__ import annotations

import difflib
import re
import shlex
from pathlib import Path

from dbctl.errors import ErrorCode, UsageError
from dbctl.inspect.diagram.results import CheckResult

_BLOCK = re.compile(
    r"^(?P<fence>`{3,}|~{3,})[ \t]*mermaid[ \t]*\r?\n(?P<text>.*?)^(?P=fence)[ \t]*$",
    re.DOTALL | re.MULTILINE,
)
_IN_MARKDOWN = "It takes exactly one `dbctl inspect diagram`, between ```mermaid and ```."


def check(path: Path, drawn: str) -> CheckResult:
    """Compare a file with what would be printed now.

    Raises UsageError where it cannot be read, or is a Markdown file without exactly one block.
    """
    in_markdown = path.suffix.lower() in {".md", ".markdown"}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        made = f"Make it with `dbctl inspect diagram --output {shlex.quote(str(path))}`."
        raise UsageError(
            f"cannot read {path}: {reason}",
            hint=_IN_MARKDOWN if in_markdown else made,
            code=ErrorCode.NOT_FOUND,
        ) from error
    if in_markdown:
        text = _block(text, path)
    text = text.replace("\r\n", "\n")
    difference = difflib.unified_diff(
        text.splitlines(keepends=True),
        drawn.splitlines(keepends=True),
        fromfile=str(path),
        tofile="the schema now",
    )
    diff = "".join(line if line.endswith("\n") else f"{line}\n" for line in difference)
    return CheckResult(file=str(path), matches=text == drawn, diff=diff)


def _block(text: str, path: Path) -> str:
    blocks = [match["text"] for match in _BLOCK.finditer(text)]
    if len(blocks) != 1:
        raise UsageError(
            f"{path} has {len(blocks) or 'no'} blocks of Mermaid",
            hint=_IN_MARKDOWN,
        )
    return blocks[0]
