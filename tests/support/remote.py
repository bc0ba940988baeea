"""A server that is reached over a network: at an address that is no loopback's."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from dbctl.db import dsn
from dbctl.db.dsn import Address, Dsn, SslMode

# Forwards to a server's Unix socket, which is reached from every network namespace.
_FORWARDER = """
import asyncio, sys

async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()

async def accept(reader, writer):
    back, forth = await asyncio.open_unix_connection(sys.argv[2])
    await asyncio.gather(pump(reader, forth), pump(back, writer))

async def serve():
    server = await asyncio.start_server(accept, sys.argv[1], 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(serve())
"""


@dataclass(frozen=True)
class Remote:
    """Where the server is reached over the network."""

    address: Address

    def url_of(self, url: str) -> str:
        """Return the URL that reaches the database of `url` over the network."""
        target = dsn.parse(url, environ={})
        return replace(target, addresses=(self.address,), sslmode=SslMode.DISABLE).url()


@contextmanager
def run_remote(behind: Dsn) -> Iterator[Remote]:
    """Put the server of `behind` into a network namespace of its own; root alone can make one.

    For anybody else it is reached at this machine's own address on its network.
    """
    server = behind.addresses[0]
    with ExitStack() as stack:
        host, prefix = _own_address(), list[str]()
        if os.geteuid() == 0 and shutil.which("ip"):
            host, prefix = stack.enter_context(_namespace())
        command = [*prefix, sys.executable, "-c", _FORWARDER, host]
        process = stack.enter_context(
            subprocess.Popen(
                [*command, f"{server.host}/.s.PGSQL.{server.port}"], stdout=subprocess.PIPE
            )
        )
        stack.callback(process.terminate)
        assert process.stdout is not None
        yield Remote(Address(host, int(process.stdout.readline())))


@contextmanager
def _namespace() -> Iterator[tuple[str, list[str]]]:
    """Make a namespace and a cable to it; yield its address and how to run a program there."""
    number = os.getpid() % 16384
    name, near, far = f"dbctl-{number}", f"dbn{number}", f"dbf{number}"
    base = f"198.18.{number >> 6}"  # RFC 2544: for tests alone
    first = (number & 63) << 2
    try:
        _ip("netns", "add", name)
        _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        _ip("address", "add", f"{base}.{first + 1}/30", "dev", near)
        _ip("link", "set", near, "up")
        _ip("-n", name, "address", "add", f"{base}.{first + 2}/30", "dev", far)
        _ip("-n", name, "link", "set", far, "up")
        yield f"{base}.{first + 2}", ["ip", "netns", "exec", name]
    finally:
        subprocess.run(["ip", "link", "delete", near], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _own_address() -> str:
    """Return the address with which this machine would reach another one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        address: str = probe.getsockname()[0]
        return address
