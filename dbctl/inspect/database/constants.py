"""Definitions without the constants that are values of masked columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from dbctl.db.names import quote
from dbctl.inspect.masking import Masks
from dbctl.inspect.query.lineage import masked_columns
from dbctl.inspect.sensitive.names import secret_in
from dbctl.sqlliterals import CONSTANT, without_literals
from dbctl.sqltokens import Kind, TokenReader, tokenize

_NAMES = (Kind.WORD, Kind.QUOTED)

type Row = Mapping[str, Any]


@dataclass(frozen=True)
class Constants:
    """Leaves out the constants of definitions that name one of the `masked` columns."""

    masked: frozenset[str] = frozenset()

    def shown[T: (str, str | None)](self, text: T, *about: str | None) -> T:
        """Return a definition as it may be shown; it is also `about` what these texts name."""
        if text is None or not any(self.masked & _names(one) for one in (text, *about)):
            return text
        return without_literals(text)

    def row(self, row: Row, *keys: str, about: str | None = None) -> dict[str, Any]:
        """Return a row whose definitions under `keys` are as they may be shown."""
        return dict(row) | {key: self.shown(row[key], about) for key in keys}


async def constants_of(
    connection: asyncpg.Connection[Any],
    relations: Iterable[str],
    definitions: Iterable[str | None],
    masks: Masks,
) -> Constants:
    """Return what hides the constants of masked columns of `relations`, and of those named."""
    names = set(relations).union(*map(_names, definitions))
    return Constants(frozenset(await masked_columns(connection, names, masks)))


def option_shown(option: str, masks: Masks) -> str:
    """Return `name 'value'` of a foreign table without the value where the name is a secret's."""
    name = TokenReader(list(tokenize(option))).name_parts()
    hidden = masks.by_name and name and secret_in(name[0])
    return f"{quote(name[0])} {CONSTANT}" if hidden else option


def _names(text: str | None) -> set[str]:
    return {token.text for token in tokenize(text or "") if token.kind in _NAMES}
