"""Database operations beside a Python application: migrate, seed, health and inspect."""

from importlib import import_module

TYPE_CHECKING = False  # as typing's, which every start would import for it
if TYPE_CHECKING:
    from dbctl.migrate.migrator import Migrator

__all__ = ["Migrator", "__version__"]

__version__ = "0.1.0"

# Imported when they are asked for: the command line imports this package at every start.
_EXPORTS = {"Migrator": "dbctl.migrate.migrator"}


def __getattr__(name: str) -> object:
    if name in _EXPORTS:
        return getattr(import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
