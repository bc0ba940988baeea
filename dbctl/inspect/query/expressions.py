"""What an expression reads, as the server writes it in a plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dbctl.sqltokens import Kind, Token, TokenReader, words

_NAMES = (Kind.WORD, Kind.QUOTED)
# Before what is no column: a field of a value, the name of a window or of a collation.
_BEFORE_OTHERS = {
    Token(Kind.SYMBOL, "."), Token(Kind.WORD, "over"), Token(Kind.WORD, "collate"),
}  # fmt: skip
# Functions whose result tells nothing of a value.
_TELLS_NOTHING = words("count exists")
SUBPLANS = {"subplan": "SubPlan", "initplan": "InitPlan"}
# Between a column and its field, as in `(t.address).city`; no name has it.
FIELD = "\0"
# In place of an alias: a function is called.
CALL = "()"


def is_plain(tokens: Sequence[Token]) -> bool:
    """Tell whether an expression is a name, qualified or not, and nothing else."""
    reader = TokenReader(tokens)
    return bool(reader.name_parts()) and not reader.rest


def references(tokens: Sequence[Token]) -> Iterator[tuple[str | None, str]]:
    """Yield what an expression reads: alias and column, None and a name, a subplan, a function.

    A field of a column follows its name behind FIELD.
    What tells nothing of a value is left out: count(…), EXISTS, IS NULL.
    """
    reader = TokenReader(tokens)
    while token := reader.peek():
        if token.text == "$" and token.kind is Kind.SYMBOL:
            number = reader.peek(1)
            reader.position += 2
            yield "$", number.text if number else ""
        elif reader.accept("::"):
            _skip_type(reader)
        elif token.kind in _NAMES:
            yield from _reference(reader)
        else:
            reader.position += 1


def _reference(reader: TokenReader) -> Iterator[tuple[str | None, str]]:
    """Step over the name that comes next, and yield it if it is one of what is read."""
    first, before = reader.peek(), reader.peek(-1) if reader.position else None
    is_word = first is not None and first.kind is Kind.WORD
    parts = reader.name_parts()
    if reader.at("("):
        if is_word and len(parts) == 1 and parts[0] in _TELLS_NOTHING:
            reader.skip_group()
        elif is_word and parts == ["extract"]:
            reader.position += 2
        else:
            yield CALL, parts[-1]
        return
    after = reader.peek()
    if is_word and parts[0] in SUBPLANS and after is not None and after.kind is Kind.NUMBER:
        reader.position += 1
        yield SUBPLANS[parts[0]], after.text
        return
    if reader.at("*") and reader.tokens[reader.position - 1].text == ".":
        reader.position += 1
        yield parts[0], "*"
        return
    if before in _BEFORE_OTHERS:
        return
    if reader.at("is", "null") or reader.at("is", "not", "null"):
        return
    alias, column = (parts[0], parts[1]) if len(parts) > 1 else (None, parts[0])
    if before == (Kind.SYMBOL, "(") and reader.accept(")", "."):
        field = reader.peek()
        column += f"{FIELD}{field.text}" if field is not None else ""
    yield alias, column


def _skip_type(reader: TokenReader) -> None:
    """Step over the name of a type, as the server writes it behind a cast."""
    reader.name_parts()
    while reader.accept_any("precision", "varying", "with", "without", "time", "zone") or (
        reader.at("(") or reader.at("[")
    ):
        reader.skip_group()
