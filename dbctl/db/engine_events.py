"""Hear of what SQLAlchemy does in one thread, whichever engine a project's code makes there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any

from sqlalchemy import Engine, event

type Listeners = Mapping[str, Callable[..., Any]]


@contextmanager
def thread_listeners(listeners: Listeners) -> Iterator[None]:
    """Call `listeners`, by the name of the engine's event, for what this thread does in the body.

    The events are those of `sqlalchemy.events.ConnectionEvents` and `DialectEvents`. They are
    heard on every engine, also on one that exists already.
    """
    here = threading.get_ident()

    def only_here(listener: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(listener)
        def heard(*arguments: Any) -> Any:
            return listener(*arguments) if threading.get_ident() == here else None

        return heard

    added = [(name, only_here(listener)) for name, listener in listeners.items()]
    for name, listener in added:
        event.listen(Engine, name, listener)
    try:
        yield
    finally:
        for name, listener in added:
            event.remove(Engine, name, listener)
