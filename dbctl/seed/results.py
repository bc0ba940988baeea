"""What marking a database returns."""

from datetime import datetime

from dbctl.results import Result


class Marking(Result):
    """The mark of a database after a command: `verdict` is allowed, forbidden, or None for none."""

    database: str
    name: str
    verdict: str | None
    changed: bool
    marked_by: str | None
    marked_at: datetime | None
