"""The signal that interrupts a run, and what the run still waits for once it has come.

A deadline is one of them: SIGALRM.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from signal import Signals

from dbctl.errors import DeadlinePassed, ExitCode, Interrupted

EXIT_CODES = {Signals.SIGINT: ExitCode.SIGINT, Signals.SIGTERM: ExitCode.SIGTERM}


@dataclass(slots=True)
class Interruption:
    """Whether a run was interrupted: `signal` is None until it is.

    `since` is when, by the event loop's clock. `awaited` says what the run has to wait for before
    it can end; each of `reactions` is called in the event loop when the signal has come.
    """

    signal: Signals | None = None
    since: float = 0.0
    awaited: str = "what was begun to be undone"
    reactions: list[Callable[[], object]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a command has to end: after `seconds`, at `ends` of the monotonic clock."""

    seconds: float
    ends: float

    @property
    def left(self) -> float:
        """The seconds that are left, never quite none: a timer of none is off."""
        return max(self.ends - time.monotonic(), 0.001)


_deadline: ContextVar[Deadline | None] = ContextVar("deadline", default=None)
_current: ContextVar[Interruption | None] = ContextVar("interruption", default=None)


def set_deadline(seconds: float) -> None:
    """Give this command so many seconds from now on, for all of its runs together."""
    _deadline.set(Deadline(seconds, time.monotonic() + seconds))


def deadline() -> Deadline | None:
    """Return when this command has to end; None where it may take its time."""
    return _deadline.get()


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Begin a run that a signal can interrupt; what it calls finds the same object."""
    state = Interruption()
    token = _current.set(state)
    try:
        yield state
    finally:
        _current.reset(token)


def current() -> Interruption:
    """Return the interruption of this run; one that nothing can reach outside of a run."""
    return _current.get() or Interruption()


@contextmanager
def awaiting(what: str) -> Iterator[None]:
    """Name what an interrupted run waits for while the body runs."""
    state = current()
    before, state.awaited = state.awaited, what
    try:
        yield
    finally:
        state.awaited = before


def interrupted(number: Signals, outcome: str, *, hint: str | None = None) -> Interrupted:
    """Return the error of a run that the signal `number` ended; `outcome` says what came of it."""
    limit = _deadline.get()
    if number is Signals.SIGALRM and limit is not None:
        return DeadlinePassed(f"the deadline of {limit.seconds:g} s is over; {outcome}", hint=hint)
    return Interrupted(
        f"interrupted by {number.name}; {outcome}", exit_code=EXIT_CODES[number], hint=hint
    )
