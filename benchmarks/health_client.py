"""Ask a server over keep-alive connections, as many at once as are asked for, and tell how it did.

    python benchmarks/health_client.py URL [--clients 200] [--seconds 30] [--pause 0]

The result is JSON: how often each status came, what broke, and the latencies in milliseconds.
"""

import sys

# The folder of a script comes first, where inspect.py would be taken for the library's.
sys.path.pop(0)

import argparse
import asyncio
import gc
import json
import statistics
import time
from collections import Counter
from urllib.parse import urlsplit

# Seconds after which an answer is taken to never come.
HANG = 20.0


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    """Send a request and read its answer; return the status."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            await reader.readexactly(int(value))
    return int(head[9:12])


async def client(
    url: str, until: float, pause: float, statuses: Counter[str], latencies: list[float]
) -> None:
    """Ask again and again until then; connect again where the connection broke."""
    parts = urlsplit(url)
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
    while time.monotonic() < until:
        try:
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        except OSError:
            statuses["refused"] += 1
            await asyncio.sleep(0.1)
            continue
        try:
            while (started := time.monotonic()) < until:
                async with asyncio.timeout(HANG):
                    status = await ask(reader, writer, request)
                statuses[str(status)] += 1
                latencies.append(time.monotonic() - started)
                if pause:
                    await asyncio.sleep(pause)
        except TimeoutError:
            statuses["hung"] += 1
        except (OSError, asyncio.IncompleteReadError):
            statuses["broken"] += 1
        finally:
            writer.close()


async def run(url: str, clients: int, seconds: float, pause: float) -> dict[str, object]:
    """Return what so many clients saw."""
    statuses: Counter[str] = Counter()
    latencies: list[float] = []
    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client(url, started + seconds, pause, statuses, latencies))
    spent = time.monotonic() - started
    shares = statistics.quantiles(latencies, n=1000) if len(latencies) > 1 else [0.0] * 999
    return {
        "seconds": round(spent, 2),
        "per_second": round(len(latencies) / spent, 1),
        "statuses": dict(statuses),
        "p50_ms": round(shares[499] * 1000, 2),
        "p99_ms": round(shares[989] * 1000, 2),
        "max_ms": round(max(latencies, default=0) * 1000, 2),
    }


def main() -> None:
    """Print what the clients saw."""
    parser = argparse.ArgumentParser(description="Ask a server from many clients at once.")
    parser.add_argument("url")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--pause", type=float, default=0, help="seconds between two questions")
    asked = parser.parse_args()
    gc.freeze()
    result = asyncio.run(run(asked.url, asked.clients, asked.seconds, asked.pause))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
