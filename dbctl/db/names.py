"""The names a user types: split as PostgreSQL would, matched, quoted, and corrected."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dbctl.errors import UsageError

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_DOT, _COMMA, _COMMA_OR_COLON = (re.compile(stop) for stop in (r"\.", ",", "[,:]"))
# PostgreSQL folds unquoted names in UTF-8 databases by ASCII alone.
_FOLD = str.maketrans({chr(code): chr(code + 32) for code in range(ord("A"), ord("Z") + 1)})


@dataclass(frozen=True, slots=True)
class Name:
    """One identifier as typed; `text` is without its quotes."""

    text: str
    quoted: bool = False

    @property
    def folded(self) -> str:
        """The identifier that PostgreSQL takes it for."""
        return self.text if self.quoted else self.text.translate(_FOLD)

    def __str__(self) -> str:
        return quote(self.text) if self.quoted else self.text


@dataclass(frozen=True, slots=True)
class Order:
    """A column to sort by."""

    column: Name
    descending: bool = False


def quote(name: str) -> str:
    """Return `name` as a quoted SQL identifier, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Write `text` as an SQL literal, whatever the server takes a backslash for."""
    quoted = text.replace("'", "''")
    return f"E'{quoted.replace('\\', '\\\\')}'" if "\\" in quoted else f"'{quoted}'"


def typed(name: str) -> str:
    """Return `name` the way a user has to type it: quoted only where it must be."""
    return name if _PLAIN.fullmatch(name) else quote(name)


def encodable(text: str) -> str:
    """Return `text` if it is UTF-8, as everything is that PostgreSQL is sent.

    A byte of the command line that is not UTF-8 arrives as half a surrogate pair. Raises
    UsageError.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"{text!r} is not UTF-8", hint="Set the terminal and its locale to UTF-8."
        ) from None
    return text


def parse_relation(text: str) -> list[Name]:
    """Split `table` or `schema.table`, either part quoted or not.

    Raises UsageError for anything else.
    """
    names: list[Name] = []
    rest = text
    while True:
        name, rest = take(rest, _DOT, text)
        names.append(name)
        if not rest:
            break
        rest = rest[1:]
    if len(names) > 2:
        raise UsageError(
            f"{text!r} has too many parts to be the name of a table",
            hint="Write table or schema.table; a name with a dot in it goes in quotes: '\"a.b\"'.",
        )
    return names


def parse_columns(texts: Sequence[str]) -> list[Name]:
    """Split lists of columns: `a,b`, `"x,y",z`.

    Raises UsageError for an empty or badly quoted name.
    """
    names = []
    for text in texts:
        rest = "," + text
        while rest:
            name, rest = take(rest[1:], _COMMA, text)
            names.append(name)
    return names


def parse_order(texts: Sequence[str]) -> list[Order]:
    """Split what to sort by: `a,b:desc`, `"x:desc":asc`.

    Only a last `:asc` or `:desc` outside the quotes is a direction. Raises UsageError for an empty
    or badly quoted name.
    """
    orders = []
    for text in texts:
        rest = "," + text
        while rest:
            rest = rest[1:].lstrip()
            if rest.startswith('"'):
                name, rest = take(rest, _COMMA_OR_COLON, text)
                direction, comma, tail = rest.partition(",")
                rest = comma + tail
            else:
                name, rest = take(rest, _COMMA, text)
                bare, colon, word = name.text.rpartition(":")
                direction = ""
                if bare and word.lower() in {"asc", "desc"}:
                    name, direction = Name(bare), colon + word
            orders.append(Order(name, _descending(direction, text)))
    return orders


def _descending(direction: str, text: str) -> bool:
    match direction.strip().lower():
        case "" | ":asc":
            return False
        case ":desc":
            return True
        case _:
            raise UsageError(
                f"cannot read the order {text!r}", hint="Write column, column:asc or column:desc."
            )


def split_key(text: str) -> list[str]:
    """Split the values of a composite key at its commas; a value with a comma goes in quotes."""
    import csv

    try:
        return next(csv.reader([text], strict=True)) or [""]
    except csv.Error:
        raise UsageError(
            f"{text!r} is not a list of key values",
            hint="Write k1,k2, a value with a comma in double quotes, or one argument each.",
        ) from None


def take(
    text: str,
    stop: re.Pattern[str],
    whole: str,
    hint: str = "Quote a name with odd characters: '\"a b\"'.",
) -> tuple[Name, str]:
    """Take one identifier off `text`; return it and the rest, which begins with a stop or is ''.

    `whole` is what the user typed. Raises UsageError, with `hint`, for an empty or badly quoted
    name.
    """
    text = encodable(text).lstrip()
    if text.startswith('"'):
        quoted = re.match(r'"((?:[^"]|"")+)"\s*', text)
        if quoted is None or (quoted.end() < len(text) and not stop.match(text, quoted.end())):
            raise UsageError(f"the quotes in {whole!r} do not match", hint=hint)
        return Name(quoted[1].replace('""', '"'), quoted=True), text[quoted.end() :]
    found = stop.search(text)
    end = found.start() if found else len(text)
    bare = text[:end].rstrip()
    if not bare:
        raise UsageError(f"{whole!r} lacks a name", hint=hint)
    return Name(bare), text[end:]


def choose(name: Name, candidates: Iterable[str]) -> list[str]:
    """Return the candidates that `name` may mean: one, or several that differ only in case.

    An exact match, as PostgreSQL would fold the name, wins alone; a quoted name has no other.
    """
    known = list(candidates)
    if name.folded in known:
        return [name.folded]
    if name.quoted:
        return []
    return [candidate for candidate in known if candidate.casefold() == name.text.casefold()]


def suggestion(name: str, candidates: Iterable[str], otherwise: str) -> str:
    """Return the hint that names the candidates nearest to `name`, or else `otherwise`."""
    known = {candidate.strip('"').casefold(): candidate for candidate in candidates}
    nearest = difflib.get_close_matches(name.strip('"').casefold(), known, n=3, cutoff=0.7)
    if not nearest:
        return otherwise
    return f"Did you mean {listed([known[match] for match in nearest], 'or')}?"


def listed(items: Sequence[str], conjunction: str = "and") -> str:
    """Write `a`, `a and b`, `a, b and c`."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {conjunction} {items[-1]}"
