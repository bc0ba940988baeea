"""What the parser of JSON should not be fed with.

It puts a question mark for half of a surrogate pair, and keeps the path of every array within
arrays: a hundred thousand of them take more memory than there is.
"""

import io
import re

from dbctl.seed.load.faults import FileFault

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
# Arrays and objects that begin within one piece, but for those that end in it.
_DEEPEST = 1000
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\Z)', re.DOTALL)
# The longest escape, that of a pair, may be cut in two by the end of what was read.
_LONGEST = 12


def _depth(data: bytes) -> int:
    """Count the arrays and objects that begin in `data`, but for as many as end in it."""
    return sum(map(data.count, (b"[", b"{"))) - sum(map(data.count, (b"]", b"}")))


class Whole:
    """Read a stream of JSON; raise FileFault at half of a surrogate pair, and far down."""

    def __init__(self, stream: io.BufferedReader, label: str) -> None:
        self._stream = stream
        self._label = label
        self._left = b""
        self._read = 0

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, none of them at the end of the stream."""
        data = self._stream.read(size)
        # The texts in it may have brackets, too; few pieces need that second look.
        if _depth(data) > _DEEPEST and _depth(_TEXT.sub(b"", data)) > _DEEPEST:
            raise FileFault(
                f"{self._label} has more than {_DEEPEST:,} arrays within each other after byte "
                f"{self._read}",
                hint="Nothing was loaded. No row needs that; look at what wrote the file.",
            )
        text = self._left + data
        begin = self._read - len(self._left)
        self._read += len(data)
        safe = len(text) - _LONGEST if data else len(text)
        at = 0
        for escape in _ESCAPE.finditer(text):
            if escape.start() > safe:
                at = escape.start()
                break
            if half := escape["half"]:
                raise FileFault(
                    f"{self._label} has half of a surrogate pair, \\{half.decode()}, at byte "
                    f"{begin + escape.start() + 1}, which is no character",
                    hint="Nothing was loaded. Correct it there; what wrote the file cut a "
                    "character in two.",
                )
            at = escape.end()
        rest = text.find(b"\\", at)
        self._left = text[rest:] if rest >= 0 else b""
        return data
