"""The one statement that may be run: found in a text, with its parameters, of a kind that reads.

What is decided here is decided by its words alone. That the server takes the text for one statement
too, preparing it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from dbctl.db.names import encodable
from dbctl.errors import ErrorCode, RefusedError, UsageError
from dbctl.sqltokens import Kind, Piece, Token, TokenReader, pieces, words

# Characters; far more than anybody writes, and what is cut into tokens in a second.
LONGEST = 2**20
_READING = words("select values table with")
_READ_ONLY = "inspect only reads; `dbctl migrate` changes a schema, `dbctl seed` writes rows."
_LOCKS = words("update share no key")
_WRITES = words("insert update delete merge")
_BEFORE_CTE = words("as materialized")


class Opening(Enum):
    """What a statement does, by its first word."""

    READ = auto()
    SHOW = auto()
    EXPLAIN = auto()


@dataclass(frozen=True, slots=True)
class Hole:
    """The place of a parameter in a text; `number` counts from 0."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that reads. `names` are those of its parameters, in the order of their numbers.

    `text` is as it was written, up to the end of its last token.
    """

    text: str
    opening: Opening
    tokens: tuple[Token, ...]
    names: tuple[str, ...]
    holes: tuple[Hole, ...]

    def with_parameters(self, sql: Callable[[int], str]) -> str:
        """Return the text with what `sql` returns for the number of each parameter in its place."""
        parts, position = [], 0
        for hole in self.holes:
            parts += [self.text[position : hole.start], sql(hole.number)]
            position = hole.end
        return "".join([*parts, self.text[position:]])

    def place(self, position: int, sql: Callable[[int], str]) -> int:
        """Return where in `text` a position of `with_parameters(sql)` is."""
        grown = 0
        for hole in self.holes:
            start, length = hole.start + grown, len(sql(hole.number))
            if position < start:
                break
            if position < start + length:
                return hole.start
            grown += length - (hole.end - hole.start)
        return position - grown


def positional(number: int) -> str:
    """Return how the server calls parameter `number`, which counts from 0."""
    return f"${number + 1}"


def parse_statement(text: str, given: Collection[str] = ()) -> Statement:
    """Find the one statement in `text`; `given` names the parameters that have a value.

    Raises UsageError where there is none or more than one, and for parameters that do not fit;
    RefusedError for a statement that does not read only.
    """
    found = _one(_checked(text), list(pieces(text)))
    tokens = [piece.token for piece in found]
    opening = _opening(tokens)
    _refuse_writes(tokens)
    names, holes = _parameters(text, found, given)
    unused = [name for name in given if name not in names]
    if unused:
        raise UsageError(
            f"the statement has no parameter :{unused[0]}",
            hint=f"It takes {', '.join(f':{name}' for name in names)}."
            if names
            else "Write :name where its value is to stand, outside of quotes.",
        )
    return Statement(text[: found[-1].end], opening, tuple(tokens), names, holes)


def shown_at(text: str, position: int) -> str:
    """Return the line of `text` that holds `position`, with a mark below the place."""
    before = text[:position]
    number, start = before.count("\n") + 1, before.rfind("\n") + 1
    line = text[start:].partition("\n")[0].replace("\t", " ")
    column = position - start
    left = max(0, column - 50)
    label = f"line {number}: " + "…" * (left > 0)
    cut = line[left : left + 70]
    return f"{label}{cut}\n{' ' * (len(label) + column - left)}^"


def _checked(text: str) -> str:
    if len(text) > LONGEST:
        raise UsageError(
            f"the statement is {len(text):,} characters long; at most {LONGEST:,} are read",
            hint="Pass a long list as one parameter: `= ANY(:ids)` with -p ids='[1,2,3]'.",
        )
    if (place := text.find("\0")) >= 0:
        raise UsageError(
            f"there is a NUL byte in the statement, at character {place + 1:,}",
            hint="PostgreSQL has no such character; is this a file of text?",
        )
    return encodable(text)


def _one(text: str, found: Sequence[Piece]) -> list[Piece]:
    """Return the pieces of the only statement, without what stands around it."""
    parts: list[list[Piece]] = [[]]
    for piece in found:
        if piece.token == (Kind.SYMBOL, "\\"):
            raise UsageError(
                f"{_word_at(text, piece.start)!r} is a command of psql, not SQL\n"
                + shown_at(text, piece.start),
                hint="`dbctl inspect tables` and `table NAME` describe what there is; --format and "
                "--output take the place of \\copy, \\gx and the like.",
            )
        if piece.token == (Kind.SYMBOL, ";"):
            parts.append([])
        else:
            parts[-1].append(piece)
    statements = [part for part in parts if part]
    if not statements:
        raise UsageError("there is no statement", hint='Write one: dbctl inspect query "SELECT 1".')
    if len(statements) > 1:
        raise UsageError(
            f"there are {len(statements)} statements, and one is run at a time\n"
            + shown_at(text, statements[1][0].start),
            hint="Run each on its own.",
        )
    return statements[0]


def _word_at(text: str, position: int) -> str:
    return text[position : position + 20].split()[0]


def _opening(tokens: Sequence[Token]) -> Opening:
    """Return what the statement does.

    Raises RefusedError where that is not reading.
    """
    reader = TokenReader(tokens)
    if reader.accept("show"):
        return Opening.SHOW
    if reader.accept("explain"):
        if reader.at("(") and not _begins_read(tokens[1:]):
            reader.skip_group()
        else:
            reader.accept_any("analyze", "analyse", "verbose")
        if not _begins_read(reader.rest):
            raise _refused("EXPLAIN", _first(reader.rest))
        return Opening.EXPLAIN
    if not _begins_read(tokens):
        raise _refused("", _first(tokens))
    return Opening.READ


def _begins_read(tokens: Sequence[Token]) -> bool:
    first = _first(tokens)
    return first is not None and first.kind is Kind.WORD and first.text in _READING


def _first(tokens: Sequence[Token]) -> Token | None:
    """Return the first token that is not an opening bracket."""
    return next((token for token in tokens if token != (Kind.SYMBOL, "(")), None)


def _refused(before: str, token: Token | None) -> RefusedError:
    text = token.text[:40] if token else "nothing"
    shown = text.upper() if token and token.kind is Kind.WORD else repr(text)
    return RefusedError(
        f"{before} {shown}".strip() + " is not run here: a query begins with SELECT, VALUES, TABLE,"
        " WITH, SHOW or EXPLAIN",
        hint=_READ_ONLY,
        code=ErrorCode.NOT_READ_ONLY,
    )


def _refuse_writes(tokens: Sequence[Token]) -> None:
    """Refuse what would write inside of a statement that reads, in better words than the server's.

    Raises RefusedError.
    """
    for at, token in enumerate(tokens):
        before = tokens[at - 1].text if at else ""
        after = tokens[at + 1] if at + 1 < len(tokens) else Token(Kind.SYMBOL, "")
        if token.kind is not Kind.WORD or before in {"as", "."}:
            continue
        if token.text in _WRITES and before == "(" and tokens[at - 2].text in _BEFORE_CTE:
            what = token.text.upper()
        elif token.text == "into":
            what = "SELECT INTO"
        elif token.text == "for" and after.kind is Kind.WORD and after.text in _LOCKS:
            what = f"FOR {after.text.upper()}"
        elif token.text == "uescape" and tokens[at - 1].kind is Kind.QUOTED:
            raise RefusedError(
                "a name with UESCAPE is not run here: it hides which name it is",
                hint="Write the name as it is, in double quotes.",
                code=ErrorCode.NOT_READ_ONLY,
            )
        else:
            continue
        raise RefusedError(
            f"{what} writes or locks rows, and is not run here",
            hint=_READ_ONLY,
            code=ErrorCode.NOT_READ_ONLY,
        )


def _parameters(
    text: str, found: Sequence[Piece], given: Collection[str]
) -> tuple[tuple[str, ...], tuple[Hole, ...]]:
    """Return the names of the parameters, and where each stands.

    In square brackets, where a colon also parts the bounds of a slice, a name is a parameter only
    if it has a value. Raises UsageError for one that has none.
    """
    names: list[str] = []
    holes: list[Hole] = []
    depth = 0
    for piece, after in zip(found, [*found[1:], None], strict=True):
        if piece.token.kind is not Kind.SYMBOL:
            continue
        symbol = piece.token.text
        depth += (symbol == "[") - (symbol == "]")
        adjacent = after is not None and after.start == piece.end
        if after is None or not adjacent:
            continue
        if symbol == "$" and after.token.kind is Kind.NUMBER:
            raise UsageError(
                f"{text[piece.start : after.end]} has no value\n" + shown_at(text, piece.start),
                hint="Name the parameter: :name, with -p name=value.",
            )
        if symbol != ":" or after.token.kind is not Kind.WORD:
            continue
        name = after.token.text
        if name not in given:
            if depth:
                continue
            raise UsageError(
                f":{name} has no value\n" + shown_at(text, piece.start),
                hint=f"Give it one: -p {name}=value, or -p {name}=null.",
            )
        if name not in names:
            names.append(name)
        holes.append(Hole(names.index(name), piece.start, after.end))
    return tuple(names), tuple(holes)
