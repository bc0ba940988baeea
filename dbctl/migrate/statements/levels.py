"""The table locks of PostgreSQL, and how much of a table a statement goes through."""

from enum import StrEnum


class LockLevel(StrEnum):
    """A table lock mode, as PostgreSQL prints it, the weakest first.

    Source: PostgreSQL docs, Explicit Locking, Table-Level Locks.
    """

    ACCESS_SHARE = "ACCESS SHARE"
    ROW_SHARE = "ROW SHARE"
    ROW_EXCLUSIVE = "ROW EXCLUSIVE"
    SHARE_UPDATE_EXCLUSIVE = "SHARE UPDATE EXCLUSIVE"
    SHARE = "SHARE"
    SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE"
    EXCLUSIVE = "EXCLUSIVE"
    ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE"

    @property
    def strength(self) -> int:
        """The place among the modes; a higher one shuts out more."""
        return list(LockLevel).index(self)

    @property
    def blocks(self) -> str:
        """What others cannot do on the table meanwhile."""
        if self is LockLevel.ACCESS_EXCLUSIVE:
            return "reads and writes"
        return "writes" if self.strength >= LockLevel.SHARE.strength else "schema changes"


class Work(StrEnum):
    """How much of a table a statement goes through under its lock, the least first."""

    NONE = "none"
    SCAN = "scan"
    MAYBE_REWRITE = "may_rewrite"
    REWRITE = "rewrite"

    @property
    def amount(self) -> int:
        """The place among the kinds of work; a higher one takes longer."""
        return list(Work).index(self)
