r"""Text of the server that is not UTF-8: what cannot be decoded is escaped, and fails nothing.

asyncpg decodes strictly. The names in shared catalogues and the statements of other sessions are in
the encoding of whoever wrote them, and an error before the login is in that of the server's
lc_messages: asyncpg would lose its SQLSTATE and report a closed connection. So the messages of a
login are read here first, and the codec that decodes from then on escapes: `\xe4`.

The server itself refuses to send such text from an SQL_ASCII database to a client in UTF-8;
`receive_raw` has it send the bytes as they are, `receive_unconverted` from any database.

Checked on asyncpg 0.30 to 0.32.
"""

from __future__ import annotations

import asyncio
import codecs
import re
import struct
import threading
from collections.abc import Buffer, Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import asyncpg.protocol

# asyncpg takes the codec of the name that the server reports as its client_encoding. With the first
# before the name of one of Python's, it is that codec with escapes; with the second, it decodes to
# what `lossless` says.
_ESCAPING, _LOSSLESS = "dbctl_", "dbctl.lossless_"
_UTF8 = _ESCAPING + "utf8"
# In place of a codec: UTF-8, where rows are to have escapes as well.
ESCAPE = "escape"
_CLIENT_ENCODING = b"client_encoding\0"
_SQL_ASCII = "SQL_ASCII"
# What Python calls otherwise than PostgreSQL does.
_CODECS = {_SQL_ASCII: "utf8", "EUC_CN": "gb2312", "EUC_TW": "ascii", "MULE_INTERNAL": "ascii"}
_WINDOWS = re.compile(r"WIN(?=\d)", re.IGNORECASE)
_PARAMETER, _READY = b"SZ"
_WITH_TEXT = b"ENS"  # errors, notices and parameters of the server
_HEADER = struct.Struct("!BI")
_kept = threading.local()


def _find(name: str) -> codecs.CodecInfo | None:
    for prefix, handler in ((_ESCAPING, "backslashreplace"), (_LOSSLESS, "surrogateescape")):
        if name.startswith(prefix):
            return _codec(name, name.removeprefix(prefix), handler)
    return None


def _codec(name: str, inner: str, handler: str) -> codecs.CodecInfo:
    found = codecs.lookup("utf8" if inner == ESCAPE else inner)
    if found.name == "utf-8" or handler == "surrogateescape":

        def decode(data: Buffer, _errors: str = "strict", /) -> tuple[str, int]:
            return codecs.utf_8_decode(data, handler, True)  # without the Python code around it
    else:

        def decode(data: Buffer, _errors: str = "strict", /) -> tuple[str, int]:
            return found.decode(data, handler)

    def encode(text: str, errors: str = "strict", /) -> tuple[bytes, int]:
        # asyncpg copies the bytes only when it has let go of them (`as_pg_string_and_size` of its
        # text.pyx, for any codec but its own UTF-8): they would be freed, and garbage be sent.
        _kept.encoded = found.encode(text, errors)
        encoded: tuple[bytes, int] = _kept.encoded
        return encoded

    return codecs.CodecInfo(encode, decode, name=name)


codecs.register(_find)


def python_codec(name: str) -> str:
    """Return what Python calls an encoding of PostgreSQL or its own. Raises LookupError.

    An ASCII character in it must be itself, and no part of another.
    """
    codec = _CODECS.get(name.upper(), _WINDOWS.sub("cp", name))
    try:
        is_transparent = bytes(range(128)).decode(codec).encode() == bytes(range(128))
        pairs = (bytes([lead, 0x5C]).decode(codec, "replace") for lead in range(0x80, 0x100))
        if is_transparent and all(pair.endswith("\\") for pair in pairs):
            return codec
    except UnicodeError:
        pass
    raise LookupError(name)


def row_codec(connection: asyncpg.Connection[Any]) -> str | None:
    """Return the codec of the rows of an SQL_ASCII database, or ESCAPE; None for any other."""
    if _encoding_of(connection) != _SQL_ASCII:
        return None
    return str(connection.get_settings().client_encoding).removeprefix(_ESCAPING)


def read_rows_as(connection: asyncpg.Connection[Any], codec: str) -> None:
    """Have text of an SQL_ASCII database, and parameters, in a codec of Python's, or ESCAPE."""
    _decode_as(connection, _ESCAPING + codec)


@contextmanager
def lossless(connection: asyncpg.Connection[Any]) -> Iterator[None]:
    """Have the driver hold each byte that is not UTF-8 as half of a surrogate pair in the body.

    Only in an SQL_ASCII database; elsewhere there are none.
    """
    codec = row_codec(connection)
    if codec is None:
        yield
        return
    _decode_as(connection, _LOSSLESS + codec)
    try:
        yield
    finally:
        _decode_as(connection, _ESCAPING + codec)


async def receive_raw(connection: asyncpg.Connection[Any]) -> None:
    """Have the server send the text of an SQL_ASCII database as it is, and escape it here.

    Only for a session that reads: whoever wrote the text back would write the escapes.
    """
    if _encoding_of(connection) == _SQL_ASCII:
        await receive_unconverted(connection)


async def receive_unconverted(connection: asyncpg.Connection[Any]) -> None:
    """Have the server send all text in the encoding of the database, and escape it here.

    It refuses to convert what is not in that encoding. Statements must be in ASCII from then on,
    unless the database is in SQL_ASCII; parameters need not.
    """
    encoding = _encoding_of(connection)
    await connection.execute(f"SET client_encoding = '{encoding}'")
    _decode_as(connection, _ESCAPING + _CODECS.get(encoding, _WINDOWS.sub("cp", encoding)))
    _Readable(connection._protocol, to_the_end=True).read(connection._transport)


def _encoding_of(connection: asyncpg.Connection[Any]) -> str:
    return str(connection.get_settings().server_encoding)


def _decode_as(connection: asyncpg.Connection[Any], codec: str) -> None:
    connection._protocol.data_received(_message(_PARAMETER, _encoding_parameter(codec)))


def _encoding_parameter(codec: str) -> bytes:
    return _CLIENT_ENCODING + codec.encode() + b"\0"


def _message(kind: int, body: bytes) -> bytes:
    return _HEADER.pack(kind, len(body) + 4) + body


class LoginLoop:
    """An event loop for `asyncpg.connect`, whose connections can decode whatever a login says."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loop, name)

    async def create_connection(
        self, factory: Callable[[], asyncio.Protocol], *args: Any, **options: Any
    ) -> tuple[Any, asyncio.Protocol]:
        """Connect as the loop does; what `factory` returns has the messages after this module."""
        return _unwrapped(
            *await self.loop.create_connection(lambda: _wrapped(factory()), *args, **options)
        )

    async def create_unix_connection(
        self, factory: Callable[[], asyncio.Protocol], *args: Any, **options: Any
    ) -> tuple[Any, asyncio.Protocol]:
        """Connect to a socket of the file system in the same way."""
        return _unwrapped(
            *await self.loop.create_unix_connection(lambda: _wrapped(factory()), *args, **options)
        )

    async def start_tls(self, transport: _Transport, *args: Any, **options: Any) -> Any:
        """Return a transport that encrypts, for a protocol that is yet to be set."""
        upgraded = await self.loop.start_tls(transport.inner, *args, **options)
        return None if upgraded is None else _Transport(upgraded)


def _wrapped(protocol: asyncio.Protocol) -> asyncio.Protocol:
    """Return what reads a login's messages for `protocol`; asking for TLS has none."""
    return _Readable(protocol) if isinstance(protocol, asyncpg.protocol.Protocol) else protocol


def _unwrapped(
    transport: asyncio.Transport, protocol: asyncio.Protocol
) -> tuple[Any, asyncio.Protocol]:
    if isinstance(protocol, _Readable):
        return transport, protocol.inner
    return _Transport(transport), protocol


class _Transport:
    """A transport on which the protocol that it is given finds a login's messages readable."""

    def __init__(self, inner: asyncio.Transport) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def set_protocol(self, protocol: asyncio.Protocol) -> None:
        _Readable(protocol).read(self.inner)


class _Readable(asyncio.Protocol):
    """Pass on what arrives, with errors and notices in UTF-8, until the login is over.

    `to_the_end` it goes on: where what follows is in no known encoding either.
    """

    def __init__(self, inner: asyncio.Protocol, *, to_the_end: bool = False) -> None:
        self.inner = inner
        self._to_the_end = to_the_end
        self._transport: asyncio.Transport | None = None
        self._pending = b""
        self._left = 0

    def read(self, transport: asyncio.Transport | _Transport) -> None:
        """Have what arrives at `transport`."""
        if isinstance(transport, _Transport):
            transport = transport.inner
        self._transport = transport
        transport.set_protocol(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()

    def eof_received(self) -> bool | None:
        return self.inner.eof_received()

    def data_received(self, data: bytes) -> None:
        data = self._pending + data
        passed = bytearray()
        copied, at, is_over = 0, min(self._left, len(data)), False
        self._left -= at
        while not is_over and len(data) - at >= _HEADER.size:
            kind, size = _HEADER.unpack_from(data, at)
            end = at + 1 + size
            if kind in _WITH_TEXT:
                if end > len(data):
                    break
                body = _decodable(kind, data[at + _HEADER.size : end])
                passed += data[copied:at] + _message(kind, body)
                copied = end
            self._left = max(end - len(data), 0)  # of a row, which is not kept until it is whole
            at = min(end, len(data))
            is_over = kind == _READY and not self._to_the_end
        if is_over and self._transport is not None:
            self._transport.set_protocol(self.inner)
            at = len(data)
        self._pending = data[at:]
        self.inner.data_received(bytes(passed + data[copied:at]))


def _decodable(kind: int, body: bytes) -> bytes:
    """Return the body of a message so that asyncpg can decode it, and escapes from then on."""
    if kind == _PARAMETER and body == _encoding_parameter("UTF8"):
        return _encoding_parameter(_UTF8)
    return body.decode(errors="backslashreplace").encode()
