"""The diagram in Mermaid's language, as every version since 11 reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, count

from dbctl.inspect.diagram.results import (
    DiagramColumn,
    DiagramResult,
    Relationship,
)
from dbctl.inspect.diagram.text import printable

# PostgreSQL's other names of these types, which are one word: what an attribute's type has to be.
_SHORT = (
    (re.compile(r"timestamp(\(\d\))? with time zone"), r"timestamptz\1"),
    (re.compile(r"timestamp(\(\d\))? without time zone"), r"timestamp\1"),
    (re.compile(r"time(\(\d\))? with time zone"), r"timetz\1"),
    (re.compile(r"time(\(\d\))? without time zone"), r"time\1"),
    (re.compile(r"character varying"), "varchar"),
    (re.compile(r"character\b"), "char"),
    (re.compile(r"bit varying"), "varbit"),
    (re.compile(r"double precision"), "float8"),
)
# Not every version takes letters of other alphabets.
_ODD = re.compile(r"[^A-Za-z0-9_()\[\]-]")
# What begins like this is a key to Mermaid, and no name.
_KEY = re.compile(r"(?:pk|fk|uk)(?![a-z0-9_])", re.IGNORECASE)
_ENTITIES = str.maketrans({"#": "#35;", '"': "#quot;", "%": "#37;", "\\": "#92;", "~": "#126;"})
_DIRECTION = re.compile(r"(direction) +(?=TB|BT|RL|LR)", re.IGNORECASE)


def mermaid(diagram: DiagramResult) -> str:
    """Return the text, which depends on nothing but the schema."""
    return "".join(f"{line}\n" for line in _lines(diagram))


def _lines(diagram: DiagramResult) -> Iterator[str]:
    yield "erDiagram"
    for table in diagram.tables:
        if not table.columns:
            yield f"    {_quoted(table.name)}"
            continue
        yield f"    {_quoted(table.name)} {{"
        taken: set[str] = set()
        for column in table.columns:
            yield f"        {_attribute(column, taken)}"
        yield "    }"
    for relationship in diagram.relationships:
        yield f"    {_relation(relationship)}"


def _relation(one: Relationship) -> str:
    parents = "||" if one.parents == "exactly one" else "|o"
    children = "o|" if one.children == "zero or one" else "o{"
    line = "--" if one.identifying else ".."
    label = _quoted(", ".join(one.columns))
    return f"{_quoted(one.parent)} {parents}{line}{children} {_quoted(one.child)} : {label}"


def _attribute(column: DiagramColumn, taken: set[str]) -> str:
    """Return the line of a column, under a word that is not `taken` in its table yet."""
    type_, name = _type(column.type), _untaken(_word(column.name), taken)
    keys = [("PK", column.primary_key), ("FK", column.foreign_key), ("UK", column.unique)]
    parts = [type_, name, ", ".join(key for key, holds in keys if holds)]
    # What the grammar has no place for is told beside it.
    told = [column.name] if name != column.name else []
    told += [column.type] if type_ != _shortened(column.type) else []
    parts.append(_quoted(" ".join(told)) if told else "")
    return " ".join(filter(None, parts))


def _shortened(type_: str) -> str:
    for long, short in _SHORT:
        if long.match(type_):
            return long.sub(short, type_, count=1)
    return type_


def _type(type_: str) -> str:
    """Return a type as one word; a modifier that does not fit into it is left out."""
    short = _shortened(type_)
    return _word(short if _word(short) == short else re.sub(r"\([^)]*\)", "", short))


def _word(text: str) -> str:
    """Return a word of Mermaid's, `text` itself if it is one."""
    word = _ODD.sub("_", text)
    if not word or not (word[0].isalpha() or word[0] == "_") or _KEY.match(word):
        return f"_{word}"
    return word


def _untaken(word: str, taken: set[str]) -> str:
    """Return the word, with a number where another name has become the same one; add it."""
    numbered = (f"{word}_{number}" for number in count(2))
    found = next(one for one in chain([word], numbered) if one not in taken)
    taken.add(found)
    return found


def _quoted(text: str) -> str:
    """Return a text in double quotes, with entities for what Mermaid takes in none."""
    plain = _DIRECTION.sub(r"\1_", printable(text))
    return f'"{plain.translate(_ENTITIES)}"'
