"""Keep a project's code from setting up logging: dbctl's streams and loggers are not its own."""

from __future__ import annotations

import logging
import logging.config
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from dbctl.db.engine_events import is_heard

# Whose lines dbctl shows, or not, as it is told.
_OWN = ("dbctl", "alembic", "sqlalchemy", "asyncio")


@contextmanager
def logging_untouched() -> Iterator[None]:
    """Let what this thread does to logging in the body leave the root logger and dbctl's own alone.

    Alembic's templates call `fileConfig`, which disables every logger that is there and gives the
    root logger a handler on stderr: it does nothing here. `dictConfig` is what applications set up
    their own loggers with, and may find them missing (Airflow 3 does): those it does set up.
    """
    here = threading.current_thread()
    pool = logging.getLogger("sqlalchemy.pool")
    before = {logger: _state(logger) for logger in _own_loggers()}
    add_handler, set_level = logging.Logger.addHandler, logging.Logger.setLevel

    def ignore(*_arguments: object, **_options: object) -> None:
        return None

    dict_config = logging.config.dictConfig

    def configure_others(config: dict[str, Any]) -> None:
        states = {logger: _state(logger) for logger in _own_loggers()}
        try:
            dict_config(config)
        finally:
            _restore(states)

    def is_refused(logger: logging.Logger) -> bool:
        thread = threading.current_thread()
        return (thread is here or is_heard(thread)) and _is_own(logger)

    def add_to_others(self: logging.Logger, hdlr: logging.Handler) -> None:
        if not is_refused(self):
            add_handler(self, hdlr)

    def set_of_others(self: logging.Logger, level: int | str) -> None:
        if not is_refused(self):
            set_level(self, level)

    replaced: list[tuple[Any, str, Any]] = [
        (logging.config, "fileConfig", ignore),
        (logging.config, "dictConfig", configure_others),
        (logging, "basicConfig", ignore),
        (logging, "disable", ignore),
        (logging.Logger, "addHandler", add_to_others),
        (logging.Logger, "setLevel", set_of_others),
    ]
    if not logging.root.handlers:
        # It has a traceback for each connection that was ended from outside, or not closed.
        pool.setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        for target, name, function in replaced:
            stack.callback(setattr, target, name, getattr(target, name))
            setattr(target, name, function)
        stack.callback(_restore, before)
        yield


def _restore(states: dict[logging.Logger, tuple[Any, ...]]) -> None:
    for logger, (handlers, level, propagate, is_disabled) in states.items():
        logger.handlers[:] = handlers
        logger.level, logger.propagate, logger.disabled = level, propagate, is_disabled
    logging.root.manager._clear_cache()  # type: ignore[attr-defined]


def _own_loggers() -> Iterator[logging.Logger]:
    yield logging.root
    for logger in list(logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger) and _is_own(logger):
            yield logger


def _is_own(logger: logging.Logger) -> bool:
    return logger is logging.root or logger.name.partition(".")[0] in _OWN


def _state(logger: logging.Logger) -> tuple[Any, ...]:
    return list(logger.handlers), logger.level, logger.propagate, logger.disabled
