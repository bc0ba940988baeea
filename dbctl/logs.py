"""What is logged on stderr, which a terminal must not obey: servers and projects write it."""

import logging
import sys

from dbctl.rendering import visible

_LOGGERS = ("dbctl", "alembic.runtime.migration", "sqlalchemy.engine")


class _Visible(logging.Formatter):
    """Escape what a terminal would obey in a line, its traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


def log_causes() -> None:
    """Show on stderr, for `-v`, the SQL, the connections and the causes of errors."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Visible("%(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO)
