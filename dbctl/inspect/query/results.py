"""What a query found."""

from dbctl.inspect.data.results import RowSet


class QueryResult(RowSet):
    """The rows of a statement; at most `limit` were read, None for all of them.

    Where `is_plan`, they are the lines of a plan for people.
    """

    limit: int | None
    is_plan: bool = False
