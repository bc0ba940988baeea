"""The values of parameters, as they are typed."""

import re
from collections.abc import Sequence

from dbctl.db.names import encodable
from dbctl.errors import UsageError
from dbctl.inspect.data.literals import null_or_text

_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def parse_parameters(texts: Sequence[str]) -> dict[str, str | None]:
    """Split `name=value`; `name=null` is NULL, and `name='null'` the word.

    Raises UsageError where there is no name, and where one comes twice.
    """
    values: dict[str, str | None] = {}
    for text in texts:
        name, equals, value = encodable(text).partition("=")
        name = name.strip().removeprefix(":").lower()
        if not equals or not _PARAMETER.fullmatch(name):
            raise UsageError(
                f"{text!r} is not a parameter", hint="Write -p name=value, or -p name=null."
            )
        if name in values:
            raise UsageError(f"the parameter {name} has two values", hint="Give it one.")
        values[name] = null_or_text(value)
    return values
