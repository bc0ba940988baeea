"""What one look reads: what the checks ask for at the same time shares a round trip."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from dbctl.db.failures import DRIVER_ERRORS
from dbctl.db.queries import query
from dbctl.db.round_trip import BatchReader, Rows, read_together

# Each statement may take this share of the time that is left: then there is still some to hear that
# the server has ended it, and to send one by one what was sent together.
_SHARE = 0.5
# A server is silent that has let pass so many round trips and so many seconds: the limit of the
# statement would have made it answer in half of that.
_TRIPS = 6
_SILENCE = 0.25
# Seconds by which a timer may be early or late.
_EXACT = 0.05
_PING, _PINGS = query("health", "clock"), 2


@dataclass(frozen=True, slots=True)
class Ping:
    """A round trip for nothing but the server's clock.

    It began at `sent` of `time.perf_counter`; `epoch` is in seconds since 1970.
    """

    sent: float
    seconds: float
    epoch: float


class LookReader(BatchReader):
    """Read until `deadline` of the event loop's clock, which nothing outlasts on the server.

    `patience` is for how many seconds the server may be silent; then it is cut off. `sent` counts
    the transactions.
    """

    def __init__(
        self, connection: asyncpg.Connection[Any], *, deadline: float, patience: float
    ) -> None:
        super().__init__(connection)
        self.sent = 0
        self._deadline = deadline
        self._patience = patience
        self._slowest_ping = 0.0
        self._due = math.inf
        self._silent = False

    @property
    def is_silent(self) -> bool:
        """Whether the server has let the time pass in which it must have answered."""
        if asyncio.get_running_loop().time() >= self._due - _EXACT:
            self._silent = True
        return self._silent

    async def pings(self) -> list[Ping]:
        """Return two round trips, the same for all who ask for them at the same time."""
        return [await self._answer(_PING) for _ in range(_PINGS)]

    async def _send(self, wanted: Mapping[str, asyncio.Future[Any]]) -> None:
        rest = dict(wanted)
        if (pinged := rest.pop(_PING, None)) is not None:
            sent = time.perf_counter()
            ((row,),) = await self._read([_PING])
            seconds = time.perf_counter() - sent
            self._slowest_ping = max(self._slowest_ping, seconds)
            pinged.set_result(Ping(sent, seconds, row["epoch"]))
        if rest:
            await super()._send(rest)

    async def _read(self, statements: Sequence[str]) -> list[Rows]:
        """Read `statements`; cut the server off and raise TimeoutError where it is silent."""
        loop = asyncio.get_running_loop()
        left = min(self._deadline - loop.time(), self._patience)
        # Close to the deadline, an answer may be on its way.
        known = left > max(_SILENCE, _TRIPS * self._slowest_ping)
        self._due = loop.time() + left if known else math.inf
        cut_off = loop.call_at(self._due, self._connection.terminate) if known else None
        self.sent += 1
        try:
            return await read_together(self._connection, statements, left * _SHARE)
        except DRIVER_ERRORS as error:
            if self.is_silent:
                raise TimeoutError from error
            raise
        finally:
            if cut_off is not None:
                cut_off.cancel()
            self._due = math.inf
