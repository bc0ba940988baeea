"""The rows of the ledger, as they are written and read."""

import socket
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

type LedgerDirection = Literal["up", "down", "stamp", "repair"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One row to be written; the server adds the role, and `record` the version of dbctl.

    `sha256` is None where the file is gone; `seconds` is the duration without COMMIT, and `actor`
    who ran it in that person's own words.
    """

    revision: str
    direction: LedgerDirection
    sha256: str | None
    started_at: datetime
    seconds: float = 0.0
    attempts: int = 1
    host: str = field(default_factory=socket.gethostname)
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """The newest row of a revision: from which file it was applied, when and by whom."""

    revision: str
    direction: LedgerDirection
    sha256: str | None
    started_at: datetime
    role: str
    host: str
    actor: str | None
