"""Files as streams of UTF-8 bytes: opened, decompressed, recoded, and their progress counted."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from dbctl.errors import ErrorCode, UsageError
from dbctl.seed.load.faults import FileFault
from dbctl.seed.load.forms import Form

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

STDIN = "-"
_BUFFER = 256 << 10
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile, zstd.ZstdError)


_FORMS = {
    ".json": Form.JSON,
    ".ndjson": Form.NDJSON,
    ".jsonl": Form.NDJSON,
    ".csv": Form.CSV,
    ".tsv": Form.CSV,
}


class _Counted(io.RawIOBase):
    """Count the bytes that are read of a stream, as it is on the disk."""

    def __init__(self, stream: BinaryIO) -> None:
        self.position = 0
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        data = self._stream.read1(len(memoryview(buffer)))  # type: ignore[attr-defined]
        memoryview(buffer)[: len(data)] = data
        self.position += len(data)
        return len(data)


class _Recoded(io.RawIOBase):
    """Turn bytes in another encoding into UTF-8."""

    def __init__(self, stream: io.BufferedReader, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._left = b""
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        while not self._left:
            data = self._stream.read1(_BUFFER)
            self._read += len(data)
            try:
                self._left = self._decoder.decode(data, final=not data).encode()
            except UnicodeDecodeError as error:
                # What is counted is where in the file it is, not in what was read last.
                error.start += self._read - len(error.object)
                raise
            if not data:
                break
        taken = self._left[: len(view)]
        view[: len(taken)] = taken
        self._left = self._left[len(taken) :]
        return len(taken)


class Source:
    """One file, or stdin as `-`; `label` names it for people, `size` is in bytes where known."""

    def __init__(self, name: str, *, form: Form | None = None, encoding: str = "utf-8") -> None:
        self.label = "stdin" if name == STDIN else name
        self.size: int | None = None
        self._name = name
        self._form = form
        self._encoding = encoding
        self._counted: _Counted | None = None
        # What can be read once only, such as a pipe, and what was kept of it.
        self._once: io.BufferedReader | None = None
        self._kept: BinaryIO | None = None
        self._check()

    @property
    def position(self) -> int:
        """How many bytes of it have been read."""
        return self._counted.position if self._counted is not None else 0

    @property
    def is_repeatable(self) -> bool:
        """Tell whether it can be read a second time."""
        return self._once is None or self._kept is not None

    @property
    def form(self) -> Form:
        """What it is written in: as told, as its name ends, or as it begins."""
        if self._form is None:
            self._form = self._named_form() or sniffed(self.start())
        return self._form

    @property
    def delimiter(self) -> str:
        """What a name such as `x.tsv` says about the delimiter of a CSV file."""
        return "\t" if ".tsv" in Path(self._name).suffixes[-2:] else ","

    def close(self) -> None:
        """Let go of what was opened once only, but not of stdin."""
        if self._once is not None and self._name != STDIN:
            self._once.close()
        if self._kept is not None:
            self._kept.close()

    def keep(self) -> None:
        """Copy what can be read once only to a temporary file, so that it can be read again."""
        if self._once is None or self._kept is not None:
            return
        kept = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the source
        while data := self._once.read1(_BUFFER):
            kept.write(data)
        self._kept = kept
        self.size = kept.tell()

    @contextmanager
    def open(self) -> Iterator[io.BufferedReader]:
        """Yield its bytes from the beginning, decompressed and in UTF-8.

        Raises UsageError where it is not there, FileFault where it breaks off or is damaged.
        """
        try:
            file = self._begin()
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            yield self._decoded(file)
        except _BROKEN as error:
            raise FileFault(
                f"{self.label} is damaged or cut short: {_damage(error)}",
                hint="Nothing was loaded. Fetch or compress the file again.",
            ) from error
        except UnicodeDecodeError as error:
            found = error.object[error.start : error.start + 1].hex() if error.object else ""
            raise self.wrong_encoding(error.start, found) from error
        finally:
            if file is not self._once and file is not self._kept:
                file.close()

    def wrong_encoding(self, offset: int, found: str = "") -> FileFault:
        """Describe a byte, at `offset` from 0, that the encoding does not know."""
        byte = f" (0x{found})" if found else ""
        return FileFault(
            f"{self.label} is not {self._encoding.upper()}: byte {offset + 1}{byte} is none",
            hint="Nothing was loaded. Name its encoding: --encoding windows-1252, for instance.",
        )

    def _check(self) -> None:
        """Raise UsageError where it cannot be read, before anything else begins."""
        try:
            codecs.lookup(self._encoding)
        except LookupError:
            raise UsageError(
                f"there is no encoding {self._encoding!r}",
                hint="Give one that Python knows: utf-8, utf-16, windows-1252, latin-1, …",
            ) from None
        if self._name == STDIN:
            self._once = cast("io.BufferedReader", sys.stdin.buffer)
            return
        try:
            file = Path(self._name).open("rb")  # noqa: SIM115 - a pipe is not opened twice
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                self._once = file
                return
            self.size = found.st_size
            file.close()
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> UsageError:
        code = ErrorCode.NOT_FOUND if isinstance(error, FileNotFoundError) else ErrorCode.USAGE
        return UsageError(
            f"cannot read {self.label}: {error.strerror or error}",
            hint="Name a file that is there, or - for stdin.",
            code=code,
        )

    def _begin(self) -> BinaryIO:
        if self._kept is not None:
            self._kept.seek(0)
            return self._kept
        return self._once or Path(self._name).open("rb")

    def _decoded(self, file: BinaryIO) -> io.BufferedReader:
        self._counted = _Counted(file)
        stream: io.BufferedReader = io.BufferedReader(self._counted, _BUFFER)
        start = stream.peek(4)
        if start.startswith(_GZIP):
            stream = io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=stream)), _BUFFER)
        elif start.startswith(_ZSTD):
            stream = io.BufferedReader(cast("io.RawIOBase", zstd.ZstdFile(stream)), _BUFFER)
        if codecs.lookup(self._encoding).name != "utf-8":
            stream = io.BufferedReader(_Recoded(stream, self._encoding), _BUFFER)
        if stream.peek(3).startswith(codecs.BOM_UTF8):
            stream.read(3)
        return stream

    def _named_form(self) -> Form | None:
        suffixes = [suffix.lower() for suffix in Path(self._name).suffixes]
        if suffixes and suffixes[-1] in {".gz", ".zst"}:
            suffixes.pop()
        return _FORMS.get(suffixes[-1]) if suffixes else None

    def start(self) -> bytes:
        """Return how it begins, decompressed and in UTF-8, which stays to be read."""
        if self._once is not None and self._kept is None:
            start = self._once.peek(4)
            recoded = codecs.lookup(self._encoding).name != "utf-8"
            text = start.removeprefix(codecs.BOM_UTF8)
            # Telling an object on each line from one in the file takes more than a pipe may show.
            plain = not recoded and not start.startswith((_GZIP, _ZSTD))
            if plain and not text.lstrip().startswith(b"{"):
                return text
            self.keep()
        with self.open() as stream:
            return stream.peek(_BUFFER)


def _damage(error: Exception) -> str:
    """Say what is wrong with compressed data."""
    if isinstance(error, EOFError):
        return "it ends within its compressed data"
    if "Not a gzipped file" in str(error):  # gzip's own words, which show the bytes as Python does
        return "data that is not compressed follows its compressed data"
    return "its compressed data is not what was written"


def sniffed(start: bytes) -> Form:
    """Tell what a file is written in from how it begins."""
    import json

    text = start.lstrip()
    if text.startswith(b"["):
        return Form.JSON
    if not text.startswith(b"{"):
        return Form.CSV
    line, _, rest = text.partition(b"\n")
    try:
        first = json.loads(line)
    except ValueError:
        return Form.JSON
    holds_rows = any(
        isinstance(value, list) and value and isinstance(value[0], dict) for value in first.values()
    )
    return Form.JSON if holds_rows and not rest.strip() else Form.NDJSON
