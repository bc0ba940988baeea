"""Check every function that a statement may call, before the server runs a part of it.

READ ONLY leaves holes: an advisory lock, a file of the server, the end of another session are each
a function away. Names are looked up, not resolved: whatever the server may mean by one is checked,
so that a statement is refused rather than trusted. Which ways lead to a function is listed in
docs/inspect.md.

This is a guard against accidents and against text that somebody else wrote. Against somebody who
may create functions, the role's own privileges are the fence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import asyncpg

from dbctl.db.catalog import Relation, fetch
from dbctl.db.names import typed
from dbctl.errors import ErrorCode, RefusedError
from dbctl.inspect.query import builtins, extensions
from dbctl.inspect.query.calls import NAMES, Calls
from dbctl.sqltokens import Kind, Token, tokenize, words

# Languages whose functions are SQL to read.
_READABLE = words("sql plpgsql")
# Those whose functions come with the server or a library of an extension.
_COMPILED = words("c internal")
# Statements inside of a function that READ ONLY does not stop, and SQL that is made as it runs.
_STATEMENTS = words(
    "call checkpoint copy deallocate discard do listen load lock notify prepare reset set unlisten"
)
_BEFORE_STATEMENT = words("begin then else loop ;")
_HINT = (
    "inspect only reads. Use psql if that is what you want; a role with fewer privileges "
    "is the surest guard."
)


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


async def guard(
    connection: asyncpg.Connection[Any],
    tokens: Sequence[Token],
    *,
    relations: Sequence[int] = (),
) -> Inside:
    """Check the functions that a statement of `tokens` may call, and what these call.

    `relations` are read as well, by their oids. Raises RefusedError for the first that does more
    than compute and read.
    """
    guard = _Guard(connection, list(relations))
    guard.calls.add(tokens, None)
    while guard.is_growing():
        for row in await guard.definitions():
            guard.define(row)
        for routine in await guard.routines():
            guard.call(routine)
    return guard.inside(tokens)


async def guard_relation(
    connection: asyncpg.Connection[Any], relation: Relation, operators: Iterable[str] = ()
) -> None:
    """Check the functions that reading `relation`, by `operators`, may call; raises as `guard`."""
    tokens = [Token(Kind.SYMBOL, operator) for operator in operators]
    await guard(connection, tokens, relations=[relation.oid])


async def refusals(connection: asyncpg.Connection[Any], relations: Sequence[int]) -> dict[int, str]:
    """Return which of the relations, by their oids, must not be read, and why.

    One that another session locks is among them: what it calls cannot be checked.
    """
    if not relations:
        return {}
    rows = await fetch(connection, "inspect.query", "locked", relations=relations)
    locked = {row["oid"] for row in rows}
    unlocked = [oid for oid in relations if oid not in locked]
    return dict.fromkeys(locked, "locked") | await _refusals(connection, unlocked)


async def _refusals(
    connection: asyncpg.Connection[Any], relations: Sequence[int]
) -> dict[int, str]:
    try:
        await guard(connection, (), relations=relations)
    except RefusedError as error:
        if len(relations) == 1:
            return {relations[0]: error.message}
        half = len(relations) // 2
        first = await _refusals(connection, relations[:half])
        return first | await _refusals(connection, relations[half:])
    return {}


@dataclass(slots=True)
class _Guard:
    """What was found so far: all that is named, and the functions and definitions checked."""

    connection: asyncpg.Connection[Any]
    relations: list[int]
    calls: Calls = field(default_factory=Calls)
    types: set[int] = field(default_factory=set)
    _size: tuple[int, ...] = ()
    _checked: set[object] = field(default_factory=set)
    _functions: set[str] = field(default_factory=set)
    _read: set[str] = field(default_factory=set)
    _has_unseen: bool = False

    def is_growing(self) -> bool:
        """Return whether something was named since the last time."""
        before = self._size
        self._size = (*self.calls.size, len(self.types), len(self._read))
        return self._size != before

    async def definitions(self) -> Iterable[Mapping[str, Any]]:
        """Return what runs when that which is named is read."""
        return await fetch(
            self.connection,
            "inspect.query",
            "definitions",
            names=[*self.calls.names],
            alone=[*(self.calls.names - self.calls.with_children)],
            relations=self.relations,
            types=[*self.types],
            everything=self.calls.finds_by_value,
        )

    async def routines(self) -> Iterable[Mapping[str, Any]]:
        """Return the functions that are called."""
        return await fetch(
            self.connection,
            "inspect.query",
            "routines",
            names=[call.name for call in self.calls.origins],
            qualifiers=[call.qualifier for call in self.calls.origins],
            # For the type of any other array the driver first asks what it is.
            attributes=[str(call.is_attribute) for call in self.calls.origins],
            operators=[*self.calls.operators],
            types=[*self.types],
        )

    def define(self, row: Mapping[str, Any]) -> None:
        """Take in a definition."""
        kind, name = row["kind"], row["name"]
        if kind == "type":
            self.types.add(int(row["definition"]))
            return
        if kind == "program":
            raise _refused(f"the foreign table {row['label']} runs a program of the server")
        if kind == "borrowed":
            raise _refused(
                f"the foreign table {row['label']} is not a superuser's but of"
                f" {typed(row['definition'])}, and would be read with a superuser's rights"
            )
        is_read = name in self._read
        key = kind, row["label"], row["definition"], is_read
        if key in self._checked:
            return
        self._checked.add(key)
        tokens = list(tokenize(row["definition"] or ""))  # null, where it is dropped meanwhile
        self._add(tokens, f"the {kind} {row['label']}")
        if is_read:
            self._read |= _names(tokens)

    def call(self, routine: Mapping[str, Any]) -> None:
        """Take in a function; raises RefusedError where it is not to be run."""
        if routine["oid"] in self._checked:
            return
        self._checked.add(routine["oid"])
        self.types |= set(routine["types"])
        schema, name = routine["schema"], routine["name"]
        origin = self.calls.origin(schema, name)
        given = self.calls.given(name)
        body = self._body(routine, origin, has_given=given is not None)
        if body or given:
            self._functions.add(name)
            is_called = self.calls.has_call(schema, name)
            self._has_unseen |= routine["volatility"] == "i" or not is_called
            self._read |= _names(body)
        for text in given or ():
            tokens = list(tokenize(text))
            self._add(tokens, f"the text for {_label(routine)}()")
            self._read |= _names(tokens)
        self._add(body, f"the function {_label(routine)}")

    def inside(self, tokens: Iterable[Token]) -> Inside:
        """Return what was found behind the statement of `tokens`."""
        return Inside(
            frozenset(self._functions),
            self._has_unseen,
            frozenset(self._read),
            frozenset(self.calls.names - _names(tokens)),
        )

    def _add(self, tokens: Sequence[Token], origin: str) -> None:
        if _hides_a_name(tokens):
            raise _refused(f"{origin} has a name with UESCAPE, which hides which name it is")
        self.calls.add(tokens, origin)

    def _body(
        self, routine: Mapping[str, Any], origin: str | None, *, has_given: bool
    ) -> list[Token]:
        """Return what else runs when a function does.

        Raises RefusedError where it is not to be run, or cannot be read.
        """
        name, volatility, language = routine["name"], routine["volatility"], routine["language"]
        body: list[Token] = []
        if routine["is_builtin"]:
            deed = None if has_given else builtins.deed(name, volatility)
        elif routine["is_aggregate"] or routine["is_sampling"]:  # an aggregate's parts are checked
            deed = None
        elif routine["twins"]:
            deeds = (builtins.deed(*twin.split()) for twin in routine["twins"])
            deed = next(filter(None, deeds), None)
        elif language in _READABLE:
            body = _tokens(routine["definitions"])
            deed = _unreadable(body, routine["settings"])
        elif routine["extension"] is not None and language in _COMPILED:
            deed = None if has_given else extensions.deed(routine["extension"], name, volatility)
        else:
            deed = f"is written in {language}, which cannot be read"
        if deed is None:
            return body
        caller = f", and {origin} calls it" if origin else ""
        raise _refused(f"{_label(routine)}() {deed}{caller}")


def _tokens(texts: Iterable[str]) -> list[Token]:
    return [token for text in texts for token in (*tokenize(text), Token(Kind.SYMBOL, ";"))]


def _names(tokens: Iterable[Token]) -> set[str]:
    return {token.text for token in tokens if token.kind in NAMES}


def _refused(message: str) -> RefusedError:
    return RefusedError(message, hint=_HINT, code=ErrorCode.NOT_READ_ONLY)


def _hides_a_name(tokens: Sequence[Token]) -> bool:
    return any(
        name.kind is Kind.QUOTED and after == (Kind.WORD, "uescape")
        for name, after in pairwise(tokens)
    )


def _unreadable(body: Sequence[Token], settings: str) -> str | None:
    """Return what a function does that READ ONLY would not stop; None if there is nothing."""
    if "standard_conforming_strings=" in settings:
        return "sets how its own strings are read, so that it cannot be read"
    for at, token in enumerate(body):
        if token.kind is not Kind.WORD:
            continue
        before = body[at - 1].text if at else ";"
        if token.text == "execute" and before != ".":
            return "runs SQL that it makes itself, which cannot be read"
        if token.text in _STATEMENTS and before in _BEFORE_STATEMENT:
            return f"runs {token.text.upper()}"
    return None


def _label(routine: Mapping[str, Any]) -> str:
    name = typed(routine["name"])
    return name if routine["is_builtin"] else f"{typed(routine['schema'])}.{name}"
