"""The look at every function that a statement may call, before the server runs a part of it.

READ ONLY leaves holes: an advisory lock, a file of the server, the end of another session are each
a function away. Names are looked up, not resolved: whatever the server may mean by one is looked
at, so that a statement is refused rather than trusted.

This is a guard against accidents and against text that somebody else wrote. Against somebody who
may create functions, the role's own privileges are the fence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from dbctl.db.catalog import Relation, fetch
from dbctl.db.names import typed
from dbctl.errors import ErrorCode, RefusedError
from dbctl.inspect.query import builtins, extensions
from dbctl.sqltokens import Kind, Token, tokenize, words

_NAMES = (Kind.WORD, Kind.QUOTED)
# Languages whose functions are SQL to read.
_READABLE = words("sql plpgsql")
# Those whose functions come with the server or a library of an extension.
_COMPILED = words("c internal")
# Statements inside of a function that READ ONLY does not stop, and SQL that is made as it runs.
_STATEMENTS = words(
    "call checkpoint copy deallocate discard do listen load lock notify prepare reset set unlisten"
)
# Operators that a statement uses without their sign: IN, LIKE, BETWEEN, CASE, USING and their kin.
_IMPLIED = words("= <> < > <= >= ~~ !~~ ~~* !~~*")
_BEFORE_STATEMENT = words("begin then else loop ;")
_HINT = (
    "inspect only looks. Use psql if that is what you want; a role with fewer privileges "
    "is the surest guard."
)


@dataclass(slots=True)
class _Words:
    """What texts name, each with where it stands; a call maps to None for the statement itself."""

    calls: dict[tuple[str, str | None], str | None] = field(default_factory=dict)
    operators: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    def add(self, tokens: Sequence[Token], origin: str | None) -> None:
        """Take in the tokens of one text."""
        for at, token in enumerate(tokens):
            if token.kind is Kind.SYMBOL:
                # In `a *-1` the server takes the `-` for an operator of its own.
                self.operators |= {token.text, token.text.rstrip("+-"), token.text[-1]}
                continue
            if token.kind not in _NAMES:
                continue
            self.names.add(token.text)
            qualified = at > 0 and tokens[at - 1].text == "."
            if at + 1 < len(tokens) and tokens[at + 1] == (Kind.SYMBOL, "("):
                has_qualifier = qualified and at > 1 and tokens[at - 2].kind in _NAMES
                qualifier = tokens[at - 2].text if has_qualifier else None
                self.calls.setdefault((token.text, qualifier), origin)
            elif qualified:  # x.f is f(x), where x has no column f
                self.calls.setdefault((token.text, None), origin)

    def has_call(self, schema: str, name: str) -> bool:
        """Tell whether a function is called by its name."""
        return (name, schema) in self.calls or (name, None) in self.calls

    def origin(self, schema: str, name: str) -> str | None:
        """Say which text calls a function."""
        return self.calls.get((name, schema), self.calls.get((name, None)))


@dataclass(frozen=True, slots=True)
class Inside:
    """What a statement runs that its plan does not show.

    `functions` are called by name; with `has_unseen` there are others, or such that may have become
    a constant. `read` has the names in them, and in the views that they read; `names` all names in
    what is behind those of the statement.
    """

    functions: frozenset[str]
    has_unseen: bool
    read: frozenset[str]
    names: frozenset[str]


async def guard(connection: asyncpg.Connection[Any], tokens: Sequence[Token]) -> Inside:
    """Look at the functions that a statement of `tokens` may call, and at what these call.

    Raises RefusedError for the first that does more than compute and read.
    """
    found = _Words()
    found.add(tokens, None)
    functions: set[str] = set()
    has_unseen = False
    read: set[str] = set()
    names: set[str] = set()
    routines: set[int] = set()
    definitions: set[tuple[str, str, bool]] = set()
    outermost = True
    while found.names:
        following = _Words()
        for routine in await _routines(connection, found, ambient=outermost):
            if routine["oid"] in routines:
                continue
            routines.add(routine["oid"])
            body = _body(routine, found.origin(routine["schema"], routine["name"]))
            if body:
                functions.add(routine["name"])
                is_called = found.has_call(routine["schema"], routine["name"])
                has_unseen |= routine["volatility"] == "i" or not is_called
                read |= _names(body)
            following.add(body, f"the function {_label(routine)}")
        rows = await fetch(
            connection, "inspect.query", "definitions", names=[*found.names], ambient=outermost
        )
        for row in rows:
            if row["kind"] == "program":
                raise _refused(f"the foreign table {row['label']} runs a program of the server")
            label = f"the {row['kind']} {row['label']}"
            is_read = row["name"] in read
            definition = label, row["definition"], is_read
            if definition not in definitions:
                definitions.add(definition)
                tokens = list(tokenize(row["definition"]))
                following.add(tokens, label)
                read |= _names(tokens) if is_read else set()
        names |= following.names
        found, outermost = following, False
    return Inside(frozenset(functions), has_unseen, frozenset(read), frozenset(names))


def _names(tokens: Iterable[Token]) -> set[str]:
    return {token.text for token in tokens if token.kind in _NAMES}


async def guard_relation(connection: asyncpg.Connection[Any], relation: Relation) -> None:
    """Look at the functions that reading `relation` may call; raises what `guard` raises."""
    await guard(connection, [Token(Kind.QUOTED, relation.name)])


async def _routines(
    connection: asyncpg.Connection[Any], found: _Words, *, ambient: bool
) -> Iterable[Mapping[str, Any]]:
    return await fetch(
        connection,
        "inspect.query",
        "routines",
        names=[name for name, _ in found.calls],
        qualifiers=[qualifier for _, qualifier in found.calls],
        operators=[*(found.operators | _IMPLIED)],
        ambient=ambient,
    )


def _body(routine: Mapping[str, Any], origin: str | None) -> list[Token]:
    """Return what else runs when a function does.

    Raises RefusedError where it is not to be run, or cannot be looked into.
    """
    name, volatility, language = routine["name"], routine["volatility"], routine["language"]
    body: list[Token] = []
    if routine["is_builtin"]:
        deed = builtins.deed(name, volatility)
    elif routine["is_aggregate"]:  # its parts are looked at themselves
        deed = None
    elif language in _READABLE:
        body = list(tokenize(routine["definition"]))
        deed = _unreadable(body)
    elif routine["extension"] is not None and language in _COMPILED:
        deed = extensions.deed(routine["extension"], name, volatility)
    else:
        deed = f"is written in {language}, which cannot be looked into"
    if deed is None:
        return body
    caller = f", and {origin} calls it" if origin else ""
    raise _refused(f"{_label(routine)}() {deed}{caller}")


def _refused(message: str) -> RefusedError:
    return RefusedError(message, hint=_HINT, code=ErrorCode.NOT_READ_ONLY)


def _unreadable(body: Sequence[Token]) -> str | None:
    """Say which statement of a function READ ONLY would not stop; None if there is none."""
    for at, token in enumerate(body):
        if token.kind is not Kind.WORD:
            continue
        before = body[at - 1].text if at else ";"
        if token.text == "execute" and before != ".":
            return "runs SQL that it makes itself, which cannot be looked into"
        if token.text in _STATEMENTS and before in _BEFORE_STATEMENT:
            return f"runs {token.text.upper()}"
    return None


def _label(routine: Mapping[str, Any]) -> str:
    name = typed(routine["name"])
    return name if routine["is_builtin"] else f"{typed(routine['schema'])}.{name}"
