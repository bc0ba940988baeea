"""Hear of what SQLAlchemy does in one thread, whichever engine a project's code makes there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any
from weakref import WeakSet

from sqlalchemy import Engine, event

# The event whose listeners may send another statement.
_REWRITES = "before_cursor_execute"

type Listeners = Mapping[str, Callable[..., Any]]

# The threads that are listened to, and those that they have started.
_heard: WeakSet[threading.Thread] = WeakSet()


def is_heard(thread: threading.Thread) -> bool:
    """Return whether a thread is listened to, or was started by one that is."""
    return thread in _heard


@contextmanager
def thread_listeners(listeners: Listeners) -> Iterator[None]:
    """Call `listeners`, by the name of the engine's event, for what this thread does in the body.

    What the threads do that it starts meanwhile counts as well: env.py may run everything in one of
    an executor. The events are those of `sqlalchemy.events.ConnectionEvents`, `DialectEvents` and
    `PoolEvents`; that of `before_cursor_execute` returns the statement and its parameters. They are
    heard on every engine, also on one that exists already.
    """

    def only_here(name: str, listener: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(listener)
        def heard(*arguments: Any) -> Any:
            if threading.current_thread() in _heard:
                return listener(*arguments)
            return arguments[2:4] if name == _REWRITES else None

        return heard

    _heard.add(threading.current_thread())
    added = [(name, only_here(name, listener)) for name, listener in listeners.items()]
    for name, listener in added:
        event.listen(Engine, name, listener, retval=name == _REWRITES)
    try:
        with _started_threads_heard():
            yield
    finally:
        for name, listener in added:
            event.remove(Engine, name, listener)
        _heard.discard(threading.current_thread())


@contextmanager
def _started_threads_heard() -> Iterator[None]:
    start = threading.Thread.start

    def start_and_hear(self: threading.Thread) -> None:
        if threading.current_thread() in _heard:
            _heard.add(self)
        start(self)

    threading.Thread.start = start_and_hear  # type: ignore[method-assign]
    try:
        yield
    finally:
        if threading.Thread.start is start_and_hear:  # nobody else has put something round it
            threading.Thread.start = start  # type: ignore[method-assign]
