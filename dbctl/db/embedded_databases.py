"""What the databases of an embedded server are, and who is connected to them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum

from dbctl.errors import ConfigurationError, ErrorCode, RefusedError

_MARK = "dbctl: "


class Kind(StrEnum):
    """What a copy is for."""

    BRANCH = "branch"
    SNAPSHOT = "snapshot"


class Ending(StrEnum):
    """Which sessions may be ended that are in the way."""

    NONE = "none"
    OWN = "own"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a copy is: its kind and name, the branch it was made from, and when, in ISO 8601."""

    kind: str
    name: str
    source: str
    made_at: str

    @property
    def comment(self) -> str:
        """The comment of its database, in ASCII: other databases may have another encoding."""
        return _MARK + json.dumps(asdict(self))

    @classmethod
    def of(cls, comment: str | None) -> Origin | None:
        """Read a comment; None where it is not dbctl's."""
        if comment is None or not comment.startswith(_MARK):
            return None
        try:
            return cls(**json.loads(comment.removeprefix(_MARK)))
        except (ValueError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class Stored:
    """A database that dbctl made in an embedded server."""

    database: str
    origin: Origin
    size_bytes: int
    sessions: int


@dataclass(frozen=True, slots=True)
class DatabaseSession:
    """A session that is connected to a database; `pid` is 0 for a prepared transaction."""

    pid: int
    application: str
    role: str | None
    state: str | None
    since: datetime

    @property
    def is_own(self) -> bool:
        """Whether it is one of dbctl's commands."""
        return self.pid != 0 and self.application.startswith("dbctl")

    def may_be_ended(self, ending: Ending) -> bool:
        """Return whether `ending` reaches it; no request ends a prepared transaction."""
        return self.pid != 0 and (ending is Ending.ALL or (ending is Ending.OWN and self.is_own))

    @property
    def sentence(self) -> str:
        """Who it is, for people."""
        if self.pid == 0:
            return str(self.state)
        return f"pid {self.pid} ({self.application or self.role or 'unnamed'})"


def new_origin(kind: Kind, name: str, source: str) -> Origin:
    """Return what a copy that is made now is."""
    return Origin(kind, name, source, datetime.now(UTC).isoformat(timespec="seconds"))


def in_use(database: str, sessions: Iterable[DatabaseSession]) -> RefusedError:
    """Describe who is connected to a database that nobody may be connected to."""
    found = list(sessions)
    who = ", ".join(one.sentence for one in found) or "sessions that come and go"
    hint = "Let them end, or give --end-sessions: an application connects again by itself."
    if any(one.pid == 0 for one in found):
        hint = "End the prepared transactions with COMMIT PREPARED or ROLLBACK PREPARED."
    return RefusedError(
        f"the database {database} is in use by {who}", hint=hint, code=ErrorCode.SERVER_IN_USE
    )


def no_branch(name: str, known: Iterable[str]) -> ConfigurationError:
    """Describe that there is no branch of a name."""
    return ConfigurationError(
        f"the embedded server has no branch {name!r}",
        hint=f"Make it with `dbctl server branch {name}`. There are {', '.join(known)}.",
        code=ErrorCode.NOT_FOUND,
    )
