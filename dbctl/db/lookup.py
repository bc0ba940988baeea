"""Look host names up without ever having to wait for a name server that does not answer."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address


async def known_places(
    places: Sequence[tuple[str, int]], seconds: float
) -> Sequence[tuple[str, int]]:
    """Return those of `places`, hosts with their ports, whose host has an address.

    asyncio looks names up in threads that the loop and the interpreter join when they end, however
    long a name server is silent. So this asks first, in threads that nobody joins; asyncio asks
    again once there is an answer, and with the name, which TLS verifies. Sockets and addresses
    pass. Raises what the last lookup met where nothing is left, after `seconds` at most:
    a silent name server is the gaierror EAI_AGAIN.
    """
    names = dict.fromkeys(host for host, _ in places if _is_name(host))
    if not names:
        return places
    lookups = {name: asyncio.ensure_future(_look_up(name)) for name in names}
    try:
        await asyncio.wait(lookups.values(), timeout=seconds)
    finally:
        for lookup in lookups.values():
            lookup.cancel()
    failures: dict[str, BaseException] = {}
    for name, lookup in lookups.items():
        if not lookup.done():
            failures[name] = socket.gaierror(socket.EAI_AGAIN, "the name server does not answer")
        elif error := lookup.exception():
            failures[name] = error
    known = [(host, port) for host, port in places if host not in failures]
    if not known:
        raise list(failures.values())[-1]
    return known


def _is_name(host: str) -> bool:
    if host.startswith("/"):
        return False
    try:
        ip_address(host)
    except ValueError:
        return True
    return False


async def _look_up(name: str) -> None:
    """Return when `name` has an address; raises what getaddrinfo raises."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[None] = loop.create_future()

    def settle(error: Exception | None) -> None:
        if answered.done():
            return
        if error is None:
            answered.set_result(None)
        else:
            answered.set_exception(error)

    def ask() -> None:
        error = None
        try:
            socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except Exception as failure:
            error = failure
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=ask, name="dbctl-lookup", daemon=True).start()
    await answered
