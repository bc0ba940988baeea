"""What a database records of its migrations: the version table and dbctl's ledger."""

from dbctl.migrate.store.entries import Entry, LedgerDirection, Recorded
from dbctl.migrate.store.version_store import VersionStore

__all__ = ["Entry", "LedgerDirection", "Recorded", "VersionStore"]
